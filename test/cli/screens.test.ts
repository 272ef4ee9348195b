// The screens of ping, request, doctor and spool as a person sees them: in a real terminal, of several widths.

import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { serve } from '../../lib/services/server.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { commandLine, describeScreen, Screen } from './support/screen.js'

describeScreen('ping in a terminal', () => {
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

describeScreen('request in a terminal', () => {
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

describeScreen('doctor in a terminal', () => {
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

describeScreen('spool in a terminal', () => {
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
