// The texts of a hostile peer in a real terminal: commands show them and do not obey them.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { listen } from '../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { serve } from '../../lib/services/server.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { commandLine, describeScreen, Screen } from './support/screen.js'

describeScreen('a peer with hostile texts', () => {
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
