// The screen of send as a person sees it: in a real terminal, with progress, complaints and a listener that is slow.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'

import { Receiver } from '../../lib/endpoints/receiver.js'
import { serve } from '../../lib/services/server.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { commandLine, describeScreen, quoted, Screen } from './support/screen.js'

describeScreen('send in a terminal', () => {
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
