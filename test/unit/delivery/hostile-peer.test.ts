// Peers that break the protocol.

import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { ackLine, GREETING, hello, rawPeer, rawSender, receiving, sender } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { servePlainly } from '../../support/plain-server.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('what a hostile receiver says', () => {
  it.each([
    ['an acknowledgement of what was never sent', 'beyond', { ...GREETING, through: 99 }],
    ['a range of what was never sent', 'beyond', { ...GREETING, ranges: [[1, 99]] }],
    ['one of another session', 'other-session', { ...GREETING, session: 'f'.repeat(32) }],
    ['one with more in it', 'bad-ack', { ...GREETING, more: 1 }],
    ['a fraction', 'bad-ack', { ...GREETING, through: 0.5 }],
    ['a negative number', 'bad-ack', { ...GREETING, through: -1 }],
    ['a range that goes backwards', 'bad-ack', { ...GREETING, ranges: [[2, 1]] }],
    ['a range of three numbers', 'bad-ack', { ...GREETING, ranges: [[1, 1, 1]] }],
    ['an endless reason', 'bad-ack', { ...GREETING, ranges: [[1, 1, 'x'.repeat(129)]] }],
    ['more ranges than one may have', 'bad-ack', { ...GREETING, ranges: Array(65).fill([1, 1]) }],
    ['a greeting without limits', 'bad-ack', { takes: { version: 2 } }],
    ['no greeting, as version 1 had none', 'version', {}],
    ['another version', 'version', { takes: { ...GREETING.takes, version: 3 } }],
  ])('%s ends the connection', async (_what, reason, said) => {
    const directory = temporaryDirectory()
    const { sockets, lines } = await rawPeer(directory)
    const errors: unknown[] = []
    const made = sender(directory, { onEvent: (event) => 'error' in event && errors.push(event.error) })
    void made.send(newSOCMessage('a', 1))
    await until(() => lines.length > 0)
    sockets[0]?.write(ackLine(hello(lines).session, 0, said))
    await until(() => sockets.length > 1 && errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason })
    expect(made.pending).toBe(1)
  })

  it.each([2, 4, 6, 8, 10, 12])(
    'an acknowledgement of %i messages that it cannot have yet shows it nothing of others',
    async (through) => {
      const directories = [temporaryDirectory(), temporaryDirectory()] as const
      const others = await receiving(directories[1])
      let text = ''
      let peer: Socket | undefined
      await servePlainly(socketIn(directories[0]), (socket) => {
        if (peer !== undefined) return
        peer = socket
        socket.on('data', (bytes) => {
          text += bytes.toString()
          if (!text.includes('"next"') || text.includes('mine')) return
          // From here on it reads nothing.
          socket.pause()
          const { session } = hello([text.split('\n')[0] ?? ''])
          socket.write(ackLine(session, 0, GREETING))
          setTimeout(() => socket.write(ackLine(session, through)), 20)
        })
      })
      // Two of these are written together.
      const large = (what: string): string => what.repeat(10_000)
      const made = sender(directories[0])
      void made.sendBatch(numbered(14, 0, large('mine'))).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 60))
      const other = sender(directories[1])
      await other.sendBatch(numbered(14, 0, large('other')))
      expect(others.ids).toHaveLength(14)
      peer?.resume()
      await until(() => text.includes('mine'))
      await new Promise((resolve) => setTimeout(resolve, 40))
      expect(text).not.toContain('other')
    },
  )

  it('an acknowledgement before an earlier one ends the connection', async () => {
    const directory = temporaryDirectory()
    const { sockets, lines } = await rawPeer(directory)
    const errors: unknown[] = []
    const made = sender(directory, { onEvent: (event) => 'error' in event && errors.push(event.error) })
    const sent = made.send(newSOCMessage('a', 1))
    await until(() => lines.length > 0)
    const { session } = hello(lines)
    sockets[0]?.write(ackLine(session, 0, GREETING))
    await until(() => lines.length > 1)
    sockets[0]?.write(ackLine(session, 1) + ackLine(session, 0))
    await sent
    await until(() => errors.length > 0)
    expect(errors[0]).toMatchObject({ reason: 'backwards' })
  })
})

describe('what a hostile sender says', () => {
  type Raw = ReturnType<typeof rawSender>
  const begin = { next: 1, lowest: 1 }
  it.each<[what: string, reason: string, say: (raw: Raw) => void]>([
    [
      'a statement without session',
      'bad-statement',
      (raw) => {
        raw.state({ ...begin, session: undefined })
      },
    ],
    [
      'an invalid session',
      'bad-statement',
      (raw) => {
        raw.state({ ...begin, session: 'x' })
      },
    ],
    [
      'number 0',
      'bad-statement',
      (raw) => {
        raw.state({ next: 0, lowest: 0 })
      },
    ],
    [
      'a number beyond numbers',
      'bad-statement',
      (raw) => {
        raw.state({ next: 2 ** 53, lowest: 1 })
      },
    ],
    [
      'a lowest number above the next one',
      'bad-statement',
      (raw) => {
        raw.state({ next: 2, lowest: 3 })
      },
    ],
    [
      'to have given up what comes next',
      'bad-statement',
      (raw) => {
        raw.state({ ...begin, gone: [1, 1] })
      },
    ],
    [
      'a heartbeat that would be work',
      'bad-statement',
      (raw) => {
        raw.state({ ...begin, heartbeat_ms: 1 })
      },
    ],
    [
      'the statement of version 1',
      'version',
      (raw) => {
        raw.state({ next: 1, version: undefined })
      },
    ],
    [
      'another version',
      'version',
      (raw) => {
        raw.state({ ...begin, version: 3 })
      },
    ],
    [
      'statements that go backwards',
      'backwards',
      (raw) => {
        raw.state({ next: 5, lowest: 1 })
        raw.state({ next: 4, lowest: 1 })
      },
    ],
    [
      'to give up numbers that it has passed',
      'backwards',
      (raw) => {
        raw.state({ next: 10, lowest: 1 })
        raw.state({ next: 10, lowest: 1, gone: [3, 4] })
      },
    ],
    [
      'two sessions',
      'other-session',
      (raw) => {
        raw.state(begin)
        raw.state({ ...begin, session: 'f'.repeat(32) })
      },
    ],
    [
      'a statement after messages',
      'late-statement',
      (raw) => {
        raw.line(1)
        raw.state(begin)
      },
    ],
    [
      'a line without a number',
      'number-missing',
      (raw) => {
        raw.state(begin)
        raw.socket.write('{"type":"a"}\n')
      },
    ],
    [
      'a number twice',
      'backwards',
      (raw) => {
        raw.state(begin)
        raw.line(1)
        raw.line(1)
      },
    ],
    [
      'a hole between two numbers',
      'hole',
      (raw) => {
        raw.state(begin)
        raw.line(1)
        raw.line(3)
      },
    ],
    [
      'a hole that is larger than the lines refused in it',
      'hole',
      (raw) => {
        raw.state(begin)
        raw.line(1)
        raw.socket.write('x\n')
        raw.line(4)
      },
    ],
    [
      'a next number beyond what it has sent',
      'hole',
      (raw) => {
        raw.state(begin)
        raw.state({ next: 2, lowest: 1 })
      },
    ],
  ])('%s is an error and ends the connection', async (_what, reason, say) => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { onInvalid: 'skip' })
    say(raw)
    const error = await rejectionOf(
      (async () => {
        let count = 0
        for await (const message of receiver) count += message.timestamp
        return count
      })(),
    )
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason })
    expect(receiver.connection.closed).toBe(true)
  })
})
