// `sentinel-ipc top [NAME…]`: shows rates and queues of processes that expose their counts, on a screen, as JSON, or as
// a page.

import { AbortController } from '../../base/globals.js'
import { pause } from '../../base/timing.js'
import { ADDRESS_OPTIONS, POLICY_OPTIONS, policyOf } from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { ExitCode, usageError } from '../kit/exit-code.js'
import { loadLibrary } from '../kit/load.js'
import { clockTime, parseDuration } from '../kit/units.js'
import { isMissing, type View } from '../top/rates.js'
import { drawScreen, SORTS, type Sort } from '../top/screen.js'
import { Sources } from '../top/sources.js'
import { show, takeTerminal } from '../top/terminal.js'
import { parseWebAddress, serveWeb } from '../top/web.js'

export const topCommand: Command = {
  name: 'top',
  summary: 'watch the rates and queues of running processes',
  description:
    'Shows processes that call exposeStats(NAME): messages per second, pending, dropped and refused, processor, memory, delay\n' +
    'of the event loop, and each connection with its peer and latency. Without a NAME, all that are found.\n' +
    'With --web it serves the same as a page with plots, on this machine only, for anyone with the token in the printed address.',
  positionals: [
    {
      name: 'NAME',
      help: 'name that the process gave to exposeStats',
      optional: true,
      many: true,
      kind: 'name',
    },
  ],
  options: {
    ...ADDRESS_OPTIONS,
    interval: { value: 'TIME', short: 'i', help: 'time between two readings; default: 1s' },
    sort: { value: 'COLUMN', help: 'what to sort connections by', choices: Object.keys(SORTS) },
    once: { help: 'print one reading and end' },
    web: {
      value: 'HOST:PORT',
      help: 'serve a page at this loopback address, such as 127.0.0.1:8080; port 0: any',
    },
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc top', 'watches all processes found'],
    ['sentinel-ipc top collector --once --json', 'one reading for a script, with rates over the interval'],
    ['sentinel-ipc top --web 127.0.0.1:8080', 'prints the address of a page with plots'],
  ],
  run,
}

/** Milliseconds that reading one process may take. */
const READ_TIMEOUT_MS = 2000

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { out } = context
  const intervalMs = parseDuration(args.text('interval') ?? '1s', 'interval')
  const sort = sortOf(args.text('sort'))
  const web = args.text('web')
  const where = web === undefined ? undefined : parseWebAddress(web)
  if (where !== undefined && args.flag('once')) throw usageError('--once does not go with --web')
  const library = await loadLibrary()
  const policy = policyOf(args)
  const directory = args.text('directory')
  const options = { ...(policy !== undefined && { policy }), ...(directory !== undefined && { directory }) }
  const sources = new Sources(library, options, args.positionals)
  try {
    if (where !== undefined) return await serveWeb(where, sources, intervalMs, context)
    if (args.flag('once')) return await once(sources, intervalMs, args, context)
    if (args.flag('json') || !out.isTerminal) return await stream(sources, intervalMs, context)
    await live(sources, intervalMs, sort, context)
    return ExitCode.ok
  } finally {
    sources.close()
  }
}

function sortOf(text: string | undefined): Sort {
  if (text === undefined) return 'in'
  if (Object.hasOwn(SORTS, text)) return text as Sort
  throw usageError(`--sort takes ${Object.keys(SORTS).join(', ')}, not '${text}'`)
}

/** Rates need two readings. */
async function once(
  sources: Sources,
  intervalMs: number,
  args: Arguments,
  { out, signal }: Context,
): Promise<ExitCode> {
  await sources.read(READ_TIMEOUT_MS)
  await pause(intervalMs, signal, 'top')
  const views = await sources.read(READ_TIMEOUT_MS)
  if (args.flag('json')) await out.json(JSON.stringify({ processes: views }))
  else {
    const state = {
      views,
      sort: sortOf(args.text('sort')),
      reversed: false,
      paused: false,
      offset: 0,
      time: clockTime(Date.now()),
    }
    const [title = '', , ...lines] = drawScreen(state, 10_000, 10_000, (text, ...styles) =>
      out.style(text, ...styles),
    )
    for (const line of [title, ...lines]) await out.line(line)
  }
  if (views.length > 0 && views.every(isMissing)) return ExitCode.notListening
  return views.some(isMissing) ? ExitCode.failed : ExitCode.ok
}

/** Prints one line of JSON per reading. */
async function stream(sources: Sources, intervalMs: number, { out, signal }: Context): Promise<ExitCode> {
  while (!signal.aborted) {
    const views = await sources.read(READ_TIMEOUT_MS)
    await out.json(JSON.stringify({ timeMs: Date.now(), processes: views }))
    await pause(intervalMs, signal, 'top').catch(() => undefined)
  }
  return ExitCode.ok
}

async function live(
  sources: Sources,
  intervalMs: number,
  initial: Sort,
  { out, input, signal }: Context,
): Promise<void> {
  let views: readonly View[] = []
  let time = clockTime(Date.now())
  let [sort, reversed, paused, offset] = [initial, false, false, 0]
  const quit = new AbortController()
  const draw = (): void => {
    const state = { views, sort, reversed, paused, offset, time }
    show(
      out,
      drawScreen(state, out.rows, out.columns, (text, ...styles) => out.style(text, ...styles)),
    )
  }
  const onKey = (key: string): void => {
    const chosen = Object.entries(SORTS).find(([, entry]) => entry.key === key)
    if (chosen !== undefined) sort = chosen[0] as Sort
    else if (key === 'r') reversed = !reversed
    else if (key === ' ') paused = !paused
    else if (key === 'down' || key === 'j') ++offset
    else if (key === 'up' || key === 'k') offset = Math.max(0, offset - 1)
    // In raw mode Ctrl-C is a key as well.
    else if (key === 'q' || key === '\x03') quit.abort()
    else return
    draw()
  }
  const giveBack = takeTerminal(out, input, onKey, draw)
  const ended = AbortSignal.any([signal, quit.signal])
  try {
    while (!ended.aborted) {
      if (!paused) {
        views = await sources.read(READ_TIMEOUT_MS)
        time = clockTime(Date.now())
        const count = views.reduce((sum, view) => sum + (isMissing(view) ? 0 : view.connections.length), 0)
        offset = Math.min(offset, Math.max(0, count - 1))
        draw()
      }
      await pause(intervalMs, ended, 'top').catch(() => undefined)
    }
  } finally {
    giveBack()
  }
}
