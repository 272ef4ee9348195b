// The screens of listen, send, ping, doctor, request and spool as a person sees them: in a real terminal, of several widths, with
// messages that try to take it over.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { serve } from '../../lib/services/server.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { commandLine, quoted, Screen, whyNoScreen } from './support/screen.js'

const screens = describe.skipIf(whyNoScreen !== '')

/** What a program may write to a terminal: text, ends of lines, colours, and a line that is written over. */
const HARMLESS = /^(?:[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|[\r\n]|\x1b\[[\d;]*m|\x1b\[K)*$/u

function secondsNow(): number {
  return Math.floor(Date.now() / 1000)
}

screens(`listen in a terminal${whyNoScreen}`, () => {
  async function listenIn(screen: Screen, ...args: string[]): Promise<Sender> {
    const directory = temporaryDirectory()
    screen.run(commandLine('listen', 'test', '-d', directory, ...args))
    await screen.shows('listening at')
    const sender = new Sender(await dial('test', { directory }), 'test')
    onTestFinished(() => sender.close())
    return sender
  }
  const event = (type: string, payload: unknown): ReturnType<typeof newSOCMessage> =>
    newSOCMessage(type, payload, { timestamp: secondsNow() })

  it('prints columns in colours, and ends at Ctrl-C with what it counted', async () => {
    const screen = Screen.open(100, 20)
    const sender = await listenIn(screen)
    await sender.send(event('soc_event', { EventID: 4625 }))
    await sender.send(event('soc_incident', ['db1']))
    await sender.send(newSOCMessage('alert', 1, { timestamp: 86_400 }))
    await screen.shows('alert')
    const [, one = '', other = '', old = ''] = screen.lines
    expect(one).toMatch(/^\d\d:\d\d:\d\d {2}soc_event {6}\{"EventID":4625\}$/)
    expect(other).toMatch(/^\d\d:\d\d:\d\d {2}soc_incident {3}\["db1"\]$/)
    // Of another day: in any time zone that is 1970.
    expect(old).toMatch(/^1970-01-0[12] \d\d:\d\d:\d\d {2}alert {10}1$/)
    expect(screen.coloured).toMatch(/\x1b\[36msoc_event/)
    expect(screen.coloured).toMatch(/\x1b\[31msoc_incident/)
    screen.press('C-c')
    await screen.shows('code 0')
    expect(screen.lines.slice(-4, -1)).toEqual(['^C', '3 messages from 1 connection', 'code 0'])
  })

  it('gives each message one line, however narrow the terminal, unless --full asks for more', async () => {
    const screen = Screen.open(100, 20)
    const sender = await listenIn(screen)
    await sender.send(event('soc_event', { text: 'long '.repeat(100) }))
    await screen.shows('…')
    expect(screen.lines[1]).toHaveLength(100)
    screen.resize(40, 20)
    // The terminal breaks the line that was there.
    await screen.shows(/…\n/)
    await sender.send(event('soc_event', { text: 'narrow '.repeat(100) }))
    await sender.send(event('a-type-that-no-person-would-want-to-read', '漢字'.repeat(100)))
    await screen.shows('a-type-that')
    const [narrow = '', wide = ''] = screen.lines.slice(-2)
    expect(narrow).toMatch(/^\d\d:\d\d:\d\d {2}soc_event {6}\{"text":"narr.*…$/)
    expect(narrow).toHaveLength(40)
    // Wide characters take two columns.
    expect(wide).toMatch(/^\d\d:\d\d:\d\d {2}a-type-that-no-person-w… {2}"漢?…$/)
    screen.press('C-c')
    await screen.shows('code 0')

    const full = await listenIn(screen, '--full')
    await full.send(event('soc_event', { text: `${'long '.repeat(30)}end` }))
    await screen.shows('end"}')
    expect(screen.text).not.toContain('…')
  })

  it('lets no message take the terminal over', async () => {
    const screen = Screen.open(200, 20)
    const { title } = screen
    const sender = await listenIn(screen, '--full', '--peer')
    screen.record()
    const attack = '\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u2028\u200b\u{e0041}\x7f\b\r'
    await sender.send(event(`type${attack}`, { [attack]: attack }))
    // As raw text, controls above 0x7f and the changes of direction are valid JSON without an escape.
    await sender.send(event('raw', rawJSON('"\x9b31m\x9d0;owned\x9c\u202e\u2066\x7f"')))
    await sender.send(newSOCMessage('late', 'a time that no clock can show', { timestamp: 9e15 }))
    await screen.shows('9000000000000000  late')
    expect(screen.text).toContain(
      'type\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\\u202e\\u2028\\u200b\\udb40\\udc41',
    )
    expect(screen.text).toContain('"\\u009b31m\\u009d0;owned\\u009c\\u202e\\u2066\\u007f"')
    await until(() => screen.recorded.includes('no clock'))
    expect(screen.recorded).toMatch(HARMLESS)
    expect(screen.title).toBe(title)
    screen.press('C-c')
    await screen.shows('code 0')
    expect(screen.text).toContain('3 messages from 1 connection')
  })

  it('escapes the same in JSON, without changing a value', async () => {
    const screen = Screen.open(200, 20)
    const sender = await listenIn(screen, '--json')
    screen.record()
    await sender.send(event('raw', rawJSON('"\x9b31m\u202e\x7f"')))
    await screen.shows('"raw"')
    expect(screen.text).toContain('"payload":"\\u009b31m\\u202e\\u007f"')
    expect(screen.recorded).toMatch(HARMLESS)
  })
})

screens(`send in a terminal${whyNoScreen}`, () => {
  const line = `${JSON.stringify({ type: 'soc_event', payload: 'x'.repeat(4000) })}\n`

  /** A listener that reads about a megabyte a second, until it is told to hurry or to stop. */
  async function slowListener(directory: string): Promise<{ pauseMs: number }> {
    const pace = { pauseMs: 100 }
    const listener = await listening(directory)
    const server = serve(listener, async (connection) => {
      for await (const batch of new Receiver(connection, 'slow').batches()) {
        if (batch.length > 0 && pace.pauseMs > 0) await sleep(pace.pauseMs)
      }
    })
    onTestFinished(async () => {
      pace.pauseMs = 0
      await server.close({ timeoutMs: 100 })
    })
    return pace
  }

  it('shows how far it is and the time left, and removes that at the end', async () => {
    const directory = temporaryDirectory()
    const input = join(directory, 'input.ndjson')
    writeFileSync(input, line.repeat(5000))
    const pace = await slowListener(directory)
    const screen = Screen.open(100, 10)
    screen.run(`${commandLine('send', 'test', '-d', directory)} < ${quoted(input)}`)
    await screen.shows(
      /^sent [\d.]+k? messages?, [\d.]+ [KM]iB of 19\.2 MiB \(\d+%\), [\d.]+k?\/s, (under 1 s|\d+ s|\d+ min \d+ s) left$/m,
    )
    // Too narrow for all of it: cut, and still one line.
    screen.resize(30, 10)
    await screen.shows(/^sent [\d.]+k? messages.*…$/m)
    expect(screen.lines.filter((shown) => shown.startsWith('sent'))).toHaveLength(1)
    screen.resize(100, 10)
    pace.pauseMs = 0
    await screen.shows('code 0')
    expect(screen.text).not.toContain(' left')
    expect(screen.text).toMatch(/^sent 5,000 messages \(19\.2 MiB\) in [\d.]+ m?s, [\d.]+k?\/s$/m)
  })

  it('knows no time left for a pipe, and says what it waits for', async () => {
    const directory = temporaryDirectory()
    const pace = await slowListener(directory)
    pace.pauseMs = 0
    const input = join(directory, 'input.ndjson')
    writeFileSync(input, line.repeat(3))
    const screen = Screen.open(100, 10)
    const fifo = `(cat ${quoted(input)}; read answer < ${quoted(join(directory, 'go'))}; cat ${quoted(input)})`
    screen.run(
      `mkfifo ${quoted(join(directory, 'go'))}; ${fifo} | ${commandLine('send', 'test', '-d', directory)}`,
    )
    await screen.shows(/^sent 3 messages, 11\.\d KiB, [\d.]+\/s$/m)
    await screen.shows(/^sent 3 messages, 11\.\d KiB, waiting for input since [2-9] s$/m)
    writeFileSync(join(directory, 'go'), 'go\n')
    await screen.shows('code 0')
    expect(screen.text).not.toContain('waiting')
    expect(screen.text).toMatch(/^sent 6 messages \(23\.\d KiB\) in [\d.]+ m?s/m)
  })

  it('says that the listener does not read, and what was sent at Ctrl-C', async () => {
    const directory = temporaryDirectory()
    const input = join(directory, 'input.ndjson')
    writeFileSync(input, line.repeat(5000))
    const pace = await slowListener(directory)
    pace.pauseMs = 60_000
    const screen = Screen.open(120, 10)
    screen.run(`${commandLine('send', 'test', '-d', directory, '-t', '1m')} < ${quoted(input)}`)
    await screen.shows(/^sent .* waiting for the listener to read since [2-9] s$/m)
    screen.press('C-c')
    await screen.shows('code 130')
    expect(screen.text).not.toContain('waiting')
    expect(screen.text).toMatch(/^sent [\d,]+ messages? .* in [\d.]+ m?s/m)
  })

  it('names lines that it leaves out above its progress, and no more than three', async () => {
    const directory = temporaryDirectory()
    const input = join(directory, 'input.ndjson')
    writeFileSync(input, `${line.repeat(100)}no\n`.repeat(20))
    const pace = await slowListener(directory)
    const screen = Screen.open(160, 20)
    screen.run(`${commandLine('send', 'test', '-d', directory, '--skip-invalid')} < ${quoted(input)}`)
    await screen.shows(' left')
    pace.pauseMs = 0
    await screen.shows('code 1')
    const complaints = screen.lines.filter((shown) => shown.includes('left out line'))
    expect(complaints).toHaveLength(3)
    for (const complaint of complaints)
      expect(complaint).toMatch(/^sentinel-ipc: left out line \d+ of the input: /)
    expect(complaints.at(-1)).toMatch(/; more of them are counted and not shown$/)
    expect(screen.text).toMatch(/^sent 2,000 messages .* 20 invalid lines left out$/m)
  })

  it('tells a person who types the messages how to end', async () => {
    const directory = temporaryDirectory()
    await slowListener(directory)
    const screen = Screen.open(100, 10)
    screen.run(commandLine('send', 'test', '-d', directory))
    await screen.shows('Ctrl-D at the start of a line ends')
    screen.type('{"type":"typed"}')
    screen.press('Enter')
    await sleep(600) // a line of progress would be drawn now
    expect(screen.lines.at(-1)).toBe('{"type":"typed"}')
    screen.press('C-d')
    await screen.shows('code 0')
    expect(screen.text).toContain('sent 1 message')
  })
})

screens(`ping in a terminal${whyNoScreen}`, () => {
  async function served(): Promise<string> {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) => connection.whenClosed())
    onTestFinished(async () => {
      await server.close({ timeoutMs: 100 })
    })
    return directory
  }

  it.each([100, 50])('draws a histogram that fits %i columns', async (columns) => {
    const directory = await served()
    const screen = Screen.open(columns, 30)
    screen.run(commandLine('ping', 'test', '-d', directory, '-n', '200', '-i', '1ms'))
    await screen.shows('code 0')
    const shown = screen.lines
    expect(shown).toContain('200 of 200 connected')
    const bars = shown.filter((text) => text.startsWith('  <'))
    expect(bars.length).toBeGreaterThan(0)
    let counted = 0
    for (const bar of bars) {
      const [, count = ''] = /^ {2}< [ \d.]{5} [µm]s {2}([ \d]{7})(?: {2}█*[▏▎▍▌▋▊▉]?)?$/.exec(bar) ?? []
      expect(bar).toMatch(count.trim() === '0' ? /0$/ : /[█▏▎▍▌▋▊▉]$/)
      counted += Number(count)
    }
    expect(counted).toBe(200)
    const longest = Math.max(...bars.map((bar) => bar.replaceAll(/[^█]/g, '').length))
    expect(longest).toBe(Math.min(50, columns - 24))
    // Percentiles: on one line, or on two.
    const at = shown.findIndex((text) => text.startsWith('min '))
    expect(shown[at]).toMatch(
      columns === 100 ? /^min .*, 90% .*, max [\d.]+ [µm]?s$/ : /^min .*, mean [\d.]+ [µm]s$/,
    )
  })

  it('shows how far it is, and at Ctrl-C what was counted', async () => {
    const directory = await served()
    const screen = Screen.open(100, 20)
    screen.run(commandLine('ping', 'test', '-d', directory, '-n', '5000', '-i', '10ms'))
    await screen.shows(/^connected \d+ of 5,000, median [\d.]+ [µm]s, .* left$/m)
    screen.press('C-c')
    await screen.shows('code 130')
    expect(screen.text).not.toContain('left')
    expect(screen.text).toMatch(/^\d+ of \d+ connected$/m)
  })
})

screens(`request in a terminal${whyNoScreen}`, () => {
  it('indents a reply, and lets it neither take the terminal over nor lose a digit', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), async (connection) => {
      const endpoint = new Endpoint(connection, 'server')
      endpoint.respond('object', () => ({ a: [1, 'x\x9b2J\u202e'] }))
      endpoint.respond('number', () => rawJSON('{"id":12345678901234567890}'))
      endpoint.respond('error', () => {
        throw Object.assign(new Error('\x9b2J\x1b[2J'), { code: 'E_TEST' })
      })
      await endpoint.whenClosed()
    })
    onTestFinished(async () => {
      await server.close({ timeoutMs: 100 })
    })
    const screen = Screen.open(120, 20)
    screen.record()
    screen.run(commandLine('request', 'test', 'object', '-d', directory))
    await screen.shows('code 0')
    expect(screen.text).toMatch(/^\{\n {2}"a": \[\n {4}1,\n {4}"x\\u009b2J\\u202e"\n {2}\]\n\}\ncode 0/m)
    screen.run(commandLine('request', 'test', 'number', '-d', directory))
    await screen.shows(/^\{"id":12345678901234567890\}$/m)
    screen.run(commandLine('request', 'test', 'error', '-d', directory))
    await screen.shows('code 1')
    expect(screen.text).toMatch(/^sentinel-ipc: the peer replied to "error" with "E_TEST": "/m)
    expect(screen.recorded.replaceAll(/\x1b\[(?:[HJ]|3J|\?\d+[hl])/g, '')).not.toContain('\x9b')
  })
})

screens(`a peer with hostile texts${whyNoScreen}`, () => {
  const HOSTILE = '\x1b]0;OWNED\x07\x9b2J\u202e'
  const ESCAPED = '\\u001b]0;OWNED\\u0007\\u009b2J\\u202e'

  /** Runs a command, which must show the text and not obey it. */
  async function showsEscaped(times: number, line: string): Promise<void> {
    const screen = Screen.open(200, 20)
    screen.run('true')
    await screen.shows('code 0')
    screen.record()
    screen.run(line)
    await until(() => screen.text.split(ESCAPED).length > times)
    expect(screen.recorded).not.toMatch(/\x1b\]|\x9b|\u202e/)
    expect(screen.title).not.toContain('OWNED')
  }

  it.each([
    [
      'send --ack',
      (directory: string) => commandLine('send', 'test', '--ack', '-d', directory, '--type', 'x'),
    ],
    [
      'spool --requeue',
      (directory: string) =>
        commandLine('spool', join(directory, 'spool'), '--requeue', 'test', '-d', directory),
    ],
  ])('%s does not obey the reason of a rejection', async (_, line) => {
    const directory = temporaryDirectory()
    const spool = await Spool.open({ directory: join(directory, 'spool') })
    await spool.add(newSOCMessage('x'))
    await spool.close()
    const server = serve(await listening(directory), async (connection) => {
      for await (const batch of new AcknowledgingReceiver(connection, 'server', { autoAck: false }).batches())
        for (const message of batch) message.reject(HOSTILE)
    })
    onTestFinished(async () => {
      await server.close({ timeoutMs: 100 })
    })
    await showsEscaped(1, `echo 1 | ${line(directory)}`)
  })

  it('audit obeys no event: neither its name, nor its keys, nor its values', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('evil.stats', { directory })
    const server = serve(listener, async (connection) => {
      const endpoint = new Endpoint(connection, 'evil')
      endpoint.respond('sentinel_audit', () => {
        const event = { event: HOSTILE, timeMs: 1, address: HOSTILE, error: null, [HOSTILE]: HOSTILE }
        void endpoint.send(newSOCMessage('sentinel_audit_event', event))
        void endpoint.send(newSOCMessage('sentinel_audit_event', { event: 'constructor', timeMs: 1 }))
      })
      await endpoint.whenClosed()
    })
    onTestFinished(async () => {
      await server.close({ timeoutMs: 100 })
    })
    await showsEscaped(4, commandLine('audit', 'evil', '-d', directory, '-n', '2'))
  })

  it('listen obeys no name of a directory', async () => {
    const directory = join(temporaryDirectory(), 'a\x1b]0;OWNED\x07')
    mkdirSync(directory, { mode: 0o700 })
    const screen = Screen.open(200, 20)
    screen.run(commandLine('listen', 'test', '-d', directory))
    await screen.shows('a\\u001b]0;OWNED\\u0007/test.sock')
    expect(screen.title).not.toContain('OWNED')
  })
})

screens(`doctor in a terminal${whyNoScreen}`, () => {
  it('marks what is well, and wraps below its own column', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) => connection.whenClosed())
    const screen = Screen.open(60, 60)
    screen.run(commandLine('doctor', 'test', '-d', directory))
    await screen.shows('code 0')
    const shown = screen.lines.slice(
      screen.lines.findIndex((text) => text.startsWith('✓')),
      -2,
    )
    const facts = shown.slice(0, shown.indexOf(''))
    for (const text of facts) expect(text).toMatch(/^([✓!] [a-z]+ {2,}\S|✓ {13}\S| {14}\S)/)
    expect(facts.some((text) => text.startsWith('  '))).toBe(true)
    expect(shown.at(-1)).toBe('ok')
    expect(screen.coloured).toMatch(/\x1b\[32m✓/)
    await server.close({ timeoutMs: 100 })
  })

  it('ends with the cause and the remedy, each below its own column, and obeys no name of a file', async () => {
    const directory = temporaryDirectory()
    const screen = Screen.open(70, 60)
    screen.record()
    screen.run(commandLine('doctor', 'test', '-d', `${directory}/a\x9b31m\u202e`))
    await screen.shows('code 1')
    expect(screen.text).toContain('a\\u009b31m\\u202e')
    const last = screen.lines.slice(
      screen.lines.findIndex((text) => text.startsWith('cause:')),
      -2,
    )
    expect(last.length).toBeGreaterThan(2)
    for (const text of last) expect(text).toMatch(/^(cause: {2}|remedy: | {8})\S/)
    expect(screen.coloured).toMatch(/\x1b\[1?;?31m✗/)
    expect(screen.coloured).toContain('cause:')
  })
})

screens(`spool in a terminal${whyNoScreen}`, () => {
  it('aligns what a spool holds, follows it, and says what to give where there is none', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const screen = Screen.open(80, 30)
    screen.run(commandLine('spool', directory))
    await screen.shows('code 1')
    expect(screen.text.replaceAll('\n', '')).toContain(
      'does not exist; give the one that the sender was given',
    )

    const spool = await Spool.open({ directory })
    onTestFinished(() => spool.close())
    screen.run(commandLine('spool', directory))
    await screen.shows('code 0')
    expect(screen.text).toMatch(/^waiting +0 messages, 0 B$/m)
    expect(screen.text).toMatch(/^oldest +-$/m)
    expect(screen.text).toMatch(/^settled +nothing yet; the next number is 1$/m)

    for (let n = 0; n < 1200; ++n) await spool.add(newSOCMessage('soc_event', { n }))
    screen.run(commandLine('spool', directory, '--follow'))
    await screen.shows(/^no damage$/m)
    expect(screen.text).toMatch(/^waiting +1,200 messages, [\d.]+ KiB$/m)
    const [head = '', row = ''] = screen.lines.slice(
      screen.lines.findIndex((text) => text.startsWith('segment')),
    )
    for (const title of ['size', 'records', 'live', 'oldest']) {
      // Numbers are aligned to the right.
      expect(row[head.indexOf(title) + title.length - 1]).toMatch(/\S/)
    }
    await spool.add(newSOCMessage('soc_event', 'one more'))
    await screen.shows(/^\d\d:\d\d:\d\d {2}1,201 messages {2}[\d.]+ KiB {2}\+1 -0 {2}oldest [\d.]+ m?s$/m)
    screen.press('C-c')
    await screen.shows('code 0')
  })
})
