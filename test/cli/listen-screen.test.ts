// The screen of listen as a person sees it: in a real terminal, of several widths, with messages that try to take it over.

import { expect, it, onTestFinished } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { commandLine, describeScreen, HARMLESS, Screen } from './support/screen.js'

function secondsNow(): number {
  return Math.floor(Date.now() / 1000)
}

describeScreen('listen in a terminal', () => {
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
