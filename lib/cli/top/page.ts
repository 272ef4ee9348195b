// The page of `top --web`: one document that loads nothing from elsewhere. Texts from peers are inserted as text, never
// as markup.

/** @param nonce of the content security policy of this response */
export function pageHtml(nonce: string, intervalMs: number): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>sentinel-ipc top</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<h1>sentinel-ipc top</h1>
<p id="state" role="status">loading…</p>
<main id="processes"></main>
<script nonce="${nonce}">const INTERVAL_MS = ${Math.max(250, Math.round(intervalMs))};${SCRIPT}</script>
</body>
</html>
`
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0; --paper: #fff; --a: #0969da; --b: #bf3989 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --dim: #9198a1; --line: #3d444d; --paper: #0d1117; --a: #4493f8; --b: #f778ba }
}
body { font: 14px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 1.5rem; max-width: 1200px }
h1 { font-size: 1.2rem; margin: 0 }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .3rem }
h2 small, #state, figcaption, figure small { color: var(--dim); font-weight: normal }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: .8rem }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: .5rem }
figcaption b { color: var(--ink); float: right }
svg { display: block; width: 100%; height: 80px }
svg path { fill: none; stroke: var(--a); stroke-width: 1.5; vector-effect: non-scaling-stroke }
svg path.second { stroke: var(--b) }
table { border-collapse: collapse; margin-top: .6rem; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .15rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left }
th { color: var(--dim); font-weight: normal }
.bad { color: #d1242f }
`

const SCRIPT = String.raw`
'use strict'
const token = new URLSearchParams(location.search).get('token')
const SVG = 'http://www.w3.org/2000/svg'
const PLOTS = [
  ['in, out per second', [1, 2], count],
  ['pending', [3], count],
  ['processor', [4], (value) => value.toFixed(0) + ' %'],
  ['memory', [5], bytes],
  ['delay of the event loop', [6], (value) => value.toFixed(1) + ' ms'],
  ['refused per second', [7], count],
]
function count(value) {
  if (value >= 1e6) return (value / 1e6).toFixed(1) + 'M'
  if (value >= 1e4) return (value / 1e3).toFixed(1) + 'k'
  return String(Math.round(value * 10) / 10)
}
function bytes(value) {
  if (value >= 2 ** 30) return (value / 2 ** 30).toFixed(1) + ' GiB'
  if (value >= 2 ** 20) return (value / 2 ** 20).toFixed(1) + ' MiB'
  return (value / 1024).toFixed(1) + ' KiB'
}
function element(name, text, className) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  if (className !== undefined) made.className = className
  return made
}
function plot([title, columns, format], points) {
  const figure = element('figure')
  const caption = element('figcaption', title)
  const last = points.at(-1)
  caption.prepend(element('b', columns.map((column) => format(last === undefined ? 0 : last[column])).join(', ')))
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', '0 0 300 80')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', title)
  let most = 0
  for (const point of points) for (const column of columns) most = Math.max(most, point[column])
  const [from, to] = [points[0]?.[0] ?? 0, last?.[0] ?? 1]
  columns.forEach((column, index) => {
    const path = document.createElementNS(SVG, 'path')
    if (index > 0) path.setAttribute('class', 'second')
    const at = (point) => [
      ((point[0] - from) / Math.max(1, to - from)) * 300,
      78 - (point[column] / (most || 1)) * 74,
    ].map((value) => value.toFixed(1)).join(' ')
    path.setAttribute('d', points.map((point, n) => (n === 0 ? 'M' : 'L') + at(point)).join(''))
    svg.append(path)
  })
  const scale = element('small', 'at most ' + format(most))
  figure.append(caption, svg, scale)
  return figure
}
const COLUMNS = [
  ['peer', (view) => view.peer],
  ['in/s', (view) => count(view.inRate)],
  ['out/s', (view) => count(view.outRate)],
  ['in', (view) => bytes(view.inBytes) + '/s'],
  ['out', (view) => bytes(view.outBytes) + '/s'],
  ['pending', (view) => count(view.pending)],
  ['dropped', (view) => count(view.dropped)],
  ['invalid', (view) => count(view.invalid)],
  ['latency', (view) => (view.latencyMs === undefined ? '-' : view.latencyMs.toFixed(2) + ' ms')],
  ['address', (view) => view.address],
]
const SPOOL_COLUMNS = [
  ['spool', (spool) => spool.directory],
  ['waiting', (spool) => count(spool.messages)],
  ['bytes', (spool) => bytes(spool.bytes)],
  ['full', (spool) => spool.full.toFixed(0) + ' %'],
]
function tableOf(columns, views) {
  const table = element('table')
  const head = table.createTHead().insertRow()
  for (const [title] of columns) head.append(element('th', title))
  const body = table.createTBody()
  for (const view of views) {
    const row = body.insertRow()
    for (const [, text] of columns) row.insertCell().textContent = text(view)
  }
  return table
}
function section({ name, points, latest }) {
  const part = element('section')
  const title = element('h2', name + ' ')
  if (latest.error !== undefined) {
    title.append(element('small', latest.error, 'bad'))
    part.append(title)
    return part
  }
  title.append(element('small', 'pid ' + latest.pid + ', ' + latest.open + ' connections, ' + latest.refused + ' refused'))
  const plots = element('div', undefined, 'plots')
  for (const entry of PLOTS) plots.append(plot(entry, points))
  part.append(title, plots)
  if (latest.spools.length > 0) part.append(tableOf(SPOOL_COLUMNS, latest.spools))
  if (latest.connections.length > 0) part.append(tableOf(COLUMNS, latest.connections))
  return part
}
async function refresh() {
  const state = document.getElementById('state')
  try {
    const response = await fetch('/data?token=' + encodeURIComponent(token), { cache: 'no-store' })
    if (!response.ok) throw new Error(await response.text())
    const series = await response.json()
    document.getElementById('processes').replaceChildren(...series.map(section))
    state.textContent = series.length === 0 ? 'no process exposes its counts: call exposeStats(name) in it' : new Date().toLocaleTimeString()
  } catch (error) {
    state.textContent = 'not reachable: ' + error.message
  }
  setTimeout(refresh, INTERVAL_MS)
}
refresh()
`
