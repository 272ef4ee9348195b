// `sentinel-ipc top`: rates from snapshots, the screen in a real terminal, JSON for scripts, and the page in a real browser.

import { execFileSync, spawnSync } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { isMissing, viewOf, type View } from '../../lib/cli/top/rates.js'
import { drawScreen } from '../../lib/cli/top/screen.js'
import { listen } from '../../lib/connection/listener.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { serve } from '../../lib/services/server.js'
import type { ConnectionSnapshot, StatsSnapshot } from '../../lib/stats/snapshot.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { jsonLines, run, start } from './support/command.js'
import { commandLine, Screen, whyNoScreen } from './support/screen.js'

const connection = (changes: Partial<ConnectionSnapshot> = {}): ConnectionSnapshot => ({
  id: 1,
  address: '/run/a.sock',
  pid: 7,
  uid: 0,
  ageMs: 0,
  received: 0,
  receivedBytes: 0,
  invalid: 0,
  sent: 0,
  sentBytes: 0,
  pending: 0,
  dropped: 0,
  blocked: false,
  uses: [],
  ...changes,
})

const snapshot = (changes: Partial<StatsSnapshot> = {}): StatsSnapshot => ({
  version: 1,
  name: 'service',
  pid: 5,
  node: 'v20.0.0',
  timeMs: 0,
  monotonicMs: 0,
  uptimeMs: 0,
  cpuMs: 0,
  rssBytes: 1 << 20,
  loopLagMs: 1,
  connections: [],
  omitted: 0,
  objects: [],
  ...changes,
})

describe('rates', () => {
  const sender = (acknowledged: number, pending: number): StatsSnapshot['objects'][number] => ({
    id: 1,
    kind: 'acknowledged-sender',
    stats: { acknowledged, pending, dropped: 3 },
  })

  it('come from the difference of two snapshots', () => {
    const before = snapshot({ connections: [connection({ received: 10, sentBytes: 100 })], cpuMs: 100 })
    const now = snapshot({
      monotonicMs: 2000,
      cpuMs: 1100,
      connections: [connection({ received: 30, sentBytes: 1100 }), connection({ id: 2, received: 8 })],
    })
    const view = viewOf(now, before)
    expect(view).toMatchObject({ inRate: 14, outBytes: 500, cpu: 50, open: 2 })
    // One that is new since then has counted from 0.
    expect(view.connections.map(({ inRate }) => inRate)).toEqual([10, 4])
  })

  it('are 0 at first, and after the process was started anew', () => {
    const now = snapshot({ monotonicMs: 1000, connections: [connection({ received: 100 })] })
    expect(viewOf(now, undefined)).toMatchObject({ inRate: 0, cpu: 0 })
    expect(viewOf(now, snapshot({ pid: 4, connections: [connection()] }))).toMatchObject({ inRate: 0 })
  })

  it('tell how far acknowledged senders are behind', () => {
    const at = (acknowledged: number, pending: number): number | undefined =>
      viewOf(
        snapshot({ monotonicMs: 1000, objects: [sender(acknowledged, pending)] }),
        snapshot({ objects: [sender(100, 0)] }),
      ).lagMs
    expect(at(300, 100)).toBe(500)
    expect(at(100, 1)).toBe(Infinity)
    expect(at(300, 0)).toBeUndefined()
  })
})

describe('the screen', () => {
  const plain = (text: string): string => text
  const state = { sort: 'in', reversed: false, paused: false, offset: 0, time: '12:00:00' } as const
  const views: View[] = [
    viewOf(
      snapshot({
        monotonicMs: 1000,
        connections: [
          connection({ received: 5, unit: 'slow.service' }),
          connection({ id: 2, received: 50, executable: '/usr/bin/\u001b[31mfast', pending: 9 }),
        ],
      }),
      snapshot(),
    ),
    { name: 'gone', error: 'not there' },
  ]

  it('sorts connections, escapes the texts of peers, and lists what is missing', () => {
    const lines = drawScreen({ ...state, views }, 50, 200, plain)
    const peers = lines.filter((line) => line.includes('/run/a.sock'))
    expect(peers.map((line) => /(fast|slow)/.exec(line)?.[0])).toEqual(['fast', 'slow'])
    expect(lines.join('')).not.toContain('\u001b')
    expect(lines).toContain('gone  not there')
    const reversed = drawScreen({ ...state, views, reversed: true }, 50, 200, plain)
    expect(reversed.find((line) => line.includes('/run/a.sock'))).toContain('slow')
  })

  it('obeys no text of a process, of a peer or of an error', () => {
    const evil = '\u001b]0;OWNED\u0007\u202e'
    const hostile = snapshot({
      name: evil,
      connections: [connection({ unit: evil, address: evil }), connection({ id: 2, executable: evil })],
      objects: [{ id: 1, kind: 'spool', name: evil, stats: {} }],
    })
    const all: View[] = [viewOf(hostile, undefined), { name: evil, error: `refused: ${evil}` }]
    const shown = drawScreen({ ...state, views: all }, 50, 400, plain).join('')
    expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    // The whole escape, not a text that merely lacks its first byte.
    expect(shown.split('\\u001b]0;OWNED\\u0007').length).toBeGreaterThan(7)
  })

  it('lists the open spools of a process, and marks one that is nearly full', () => {
    const spool = (id: number, name: string, bytes: number): StatsSnapshot['objects'][number] => ({
      id,
      kind: 'spool',
      name,
      stats: { messages: 1234, bytes, maxBytes: 1 << 20 },
    })
    const objects = [spool(1, '/var/spool/a', 1 << 19), spool(2, '/var/spool/b\u001b', 1 << 20)]
    const marked = (text: string, ...styles: string[]): string =>
      styles.includes('yellow') ? `!${text}` : text
    const lines = drawScreen({ ...state, views: [viewOf(snapshot({ objects }), undefined)] }, 50, 200, marked)
    const at = lines.findIndex((line) => line.startsWith('PROCESS  WAITING'))
    expect(lines.slice(at + 1, at + 3).map((line) => line.split(/ {2,}/))).toEqual([
      ['service', '1.2k', '512.0 KiB', '50%', '/var/spool/a'],
      ['service', '1.2k', '1.0 MiB', '!100%', '/var/spool/b\\u001b'],
    ])
  })

  it('cuts long names, so that the columns behind them stay on the screen', () => {
    const name = 'a-service-with-a-name-that-goes-on-and-on'
    const view = viewOf(snapshot({ name, connections: [connection({ unit: `${name}.service` })] }), undefined)
    const lines = drawScreen({ ...state, views: [view, { name, error: 'not there' }] }, 50, 200, plain)
    expect(lines.filter((line) => line.startsWith('a-service-with-a-name-t…  '))).toHaveLength(3)
    expect(lines.find((line) => line.includes('/run/a.sock'))).toMatch(/^\S+… {2}\S+… {2}/)
  })

  it('fits the terminal, with colours as without', () => {
    const red = (text: string): string => `\u001b[31m${text}\u001b[0m`
    for (const paint of [plain, red]) {
      const lines = drawScreen({ ...state, views }, 8, 30, paint)
      expect(lines.length).toBeLessThanOrEqual(8)

      for (const line of lines) expect(line.replaceAll(/\u001b\[[\d;]*m/g, '').length).toBeLessThanOrEqual(30)
    }
  })
})

async function exposing(directory: string, name: string): Promise<void> {
  await startChild('exposing', { name, directory }).report()
}

interface Printed {
  readonly processes: readonly View[]
}

describe('top', () => {
  it('--once --json prints one reading, with rates', async () => {
    const directory = temporaryDirectory()
    await Promise.all([exposing(directory, 'one'), exposing(directory, 'two')])
    const { code, stdout } = await run(['top', '-d', directory, '--once', '--json', '-i', '500ms'])
    expect(code).toBe(0)
    const { processes } = JSON.parse(stdout) as Printed
    expect(processes.map(({ name }) => name)).toEqual(['one', 'two'])
    for (const view of processes) {
      if (isMissing(view)) throw new Error(view.error)
      expect(view.inRate).toBeGreaterThan(50)
      expect(view.connections).toHaveLength(2)
      expect(view.connections.some(({ latencyMs = 0 }) => latencyMs > 0)).toBe(true)
    }
    const named = await run(['top', 'two', '-d', directory, '--once', '-i', '100ms'])
    expect(named.stdout).toMatch(/^two +\d+ /m)
    expect(named.stdout).not.toMatch(/^one /m)
  })

  it('says that a process is not there, with code 3', async () => {
    const { code, stdout } = await run([
      'top',
      'nothing',
      '-d',
      temporaryDirectory(),
      '--once',
      '--json',
      '-i',
      '1ms',
    ])
    expect([code, JSON.parse(stdout)]).toEqual([3, { processes: [{ name: 'nothing', error: 'not there' }] }])
  })

  it('prints a line of JSON per reading where the output is no terminal, and follows processes that come and go', async () => {
    const directory = temporaryDirectory()
    const top = start(['top', '-d', directory, '-i', '100ms'])
    await top.prints('"processes":[]')
    const child = startChild('exposing', { name: 'late', directory })
    await child.report()
    await top.prints('"name":"late","pid"')
    await child.kill()
    await top.prints('"name":"late","error":"not there"')
    top.process.kill('SIGINT')
    const { code, stdout } = await top.done
    expect(code).toBe(0)
    expect(jsonLines(stdout).length).toBeGreaterThan(2)
  })

  it('shows a process under the name that it was found by, whatever name its reply has', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('liar.stats', { directory })
    const server = serve(listener, async (client) => {
      const endpoint = new Endpoint(client, 'liar')
      endpoint.respond('sentinel_stats', () => snapshot({ name: 'service' }))
      await endpoint.whenClosed()
    })
    const { stdout } = await run(['top', '-d', directory, '--once', '--json', '-i', '10ms'])
    expect(jsonLines(stdout)).toMatchObject([{ processes: [{ name: 'liar', pid: 5 }] }])
    await server.close({ timeoutMs: 10 })
  })

  it.skipIf(whyNoScreen !== '')(`draws a screen that keys change${whyNoScreen}`, async () => {
    const directory = temporaryDirectory()
    await exposing(directory, 'service')
    const screen = Screen.open(140, 20)
    screen.run(commandLine('top', '-d', directory, '-i', '200ms'))
    await screen.shows(/^service +\d+ +\d+% .* [1-9][\d.]*k? /m)
    await screen.shows('in▼')
    screen.press('p')
    await screen.shows('pending▼')
    screen.press('r')
    await screen.shows('pending▲')
    screen.press('Space')
    await screen.shows('(paused)')
    const paused = screen.text
    await sleep(500)
    expect(screen.text).toBe(paused)
    screen.press('Down')
    await until(() => screen.text !== paused)
    // A smaller terminal: nothing wraps, and what does not fit is said to be there.
    screen.resize(60, 7)
    await screen.shows(/^… \d+ more lines? below; ↓ scrolls$/m)
    expect(screen.lines.filter((line) => line.startsWith('service')).length).toBeGreaterThan(0)
    for (const line of screen.lines) expect(line.length).toBeLessThanOrEqual(60)
    screen.press('q')
    await screen.shows('code 0')
    expect(screen.text).not.toContain('sort:')
    // The terminal echoes again what is typed.
    screen.type('echo again')
    screen.press('Enter')
    await screen.shows(/^again$/m)
  })
})

interface Answer {
  readonly status: number | undefined
  readonly text: string
  readonly headers: NodeJS.Dict<string | string[]>
}

function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => {
        resolve({ status: response.statusCode, text, headers: response.headers })
      })
    })
      .on('error', reject)
      .end()
  })
}

async function page(directory: string): Promise<string> {
  const top = start(['top', '-d', directory, '--web', '127.0.0.1:0', '-i', '100ms'])
  await top.prints('\n')
  return top.stdout.trim()
}

describe('top --web', () => {
  it('is for this machine, and needs its token', async () => {
    const directory = temporaryDirectory()
    const url = await page(directory)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{32}$/)
    const { status, text, headers } = await get(url)
    expect(status).toBe(200)
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'nonce-[0-9a-f]{32}';/,
    )
    expect(headers['cache-control']).toBe('no-store')
    // Nothing from elsewhere; the namespace of SVG is a name.
    expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//)
    const [bare = ''] = url.split('?')
    expect(await get(bare)).toMatchObject({ status: 403 })
    expect(await get(`${bare}?token=${'0'.repeat(32)}`)).toMatchObject({ status: 403 })
    expect(await get(`${bare}data`)).toMatchObject({ status: 403 })
    expect(await get(url, { host: 'evil.example' })).toMatchObject({ status: 403 })
    expect(await get(url, {}, 'POST')).toMatchObject({ status: 405 })
    expect(await get(url.replace('/?', '/other?'))).toMatchObject({ status: 404 })
  })

  it('outlives requests whose target is not a URL', async () => {
    const url = await page(temporaryDirectory())
    const [bare = '', query = ''] = url.split('?')
    // A page of another site can send this one, as the address of an image.
    expect(await get(`${bare}/`)).toMatchObject({ status: 403 })
    expect(await get(`${bare}/?${query}`)).toMatchObject({ status: 404 })
    expect(await get(url)).toMatchObject({ status: 200 })
  })

  it.each(['0.0.0.0:80', '192.168.0.1:80', 'example.com:80', '127.0.0.1', '127.0.0.1:99999', ':80'])(
    'refuses to serve at %s',
    async (where) => {
      const { code, stderr } = await run(['top', '--web', where])
      expect([code, stderr]).toEqual([
        2,
        `sentinel-ipc: --web takes a loopback address and a port, such as 127.0.0.1:8080 or [::1]:0, not '${where}'\n`,
      ])
    },
  )

  it('says that a port is taken', async () => {
    const url = await page(temporaryDirectory())
    const { code, stderr } = await run(['top', '--web', `127.0.0.1:${new URL(url).port}`])
    expect(code).toBe(1)
    expect(stderr).toContain('the port is taken; use another port, or 0 for any')
  })

  const chromium = spawnSync('chromium', ['--version']).status === 0
  it.skipIf(!chromium)(
    `plots rates over time in a browser${chromium ? '' : ' (skipped: needs chromium)'}`,
    async () => {
      const directory = temporaryDirectory()
      await exposing(directory, 'service')
      const url = await page(directory)
      await sleep(1500) // some points to plot
      const dom = execFileSync(
        'chromium',
        [
          '--headless=new',
          '--no-sandbox',
          '--disable-gpu',
          '--disable-dev-shm-usage',
          '--no-first-run',
          `--user-data-dir=${join(directory, 'profile')}`,
          '--virtual-time-budget=2000',
          '--dump-dom',
          url,
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 },
      )
      const drawn = dom.slice(dom.indexOf('<main'), dom.indexOf('</main>'))
      expect(dom).toMatch(/<p id="state" role="status">\d+:\d+:\d+/)
      expect(drawn).toMatch(/<h2>service <small>pid \d+, 2 connections, 0 refused<\/small>/)
      const paths = [...drawn.matchAll(/<path (?:class="second" )?d="(M[^"]+)"/g)].map(
        ([, path = '']) => path,
      )
      expect(paths).toHaveLength(7)
      for (const path of paths) expect(path.split('L').length).toBeGreaterThan(5)
      expect(drawn).toMatch(/<td>node \d+<\/td>/)
    },
    90_000,
  )
})
