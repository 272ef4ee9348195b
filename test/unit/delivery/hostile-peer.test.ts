// Peers that do not keep to the protocol.

import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { hello, rawPeer, receiving, sender } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { servePlainly } from '../../support/plain-server.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('what a hostile peer says', () => {
  it.each([
    ['an acknowledgement of what was never sent', (session: string) => ({ session, through: 99 })],
    ['one of another session', () => ({ session: 'f'.repeat(32), through: 0 })],
    ['one with more in it', (session: string) => ({ session, through: 0, more: 1 })],
    ['a fraction', (session: string) => ({ session, through: 0.5 })],
    ['a negative number', (session: string) => ({ session, through: -1 })],
    ['nothing', () => null],
  ])('%s ends the connection', async (_what, payload) => {
    const directory = temporaryDirectory()
    const { sockets, lines } = await rawPeer(directory)
    const errors: unknown[] = []
    const made = sender(directory, { onEvent: (event) => 'error' in event && errors.push(event.error) })
    void made.send(newSOCMessage('a', 1))
    await until(() => lines.length > 0)
    sockets[0]?.write(
      `${JSON.stringify({ type: 'soc_ack', id: 'sentinel-delivery', ts: 0, payload: payload(hello(lines).session) })}\n`,
    )
    await until(() => sockets.length > 1)
    expect(errors[0]).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
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
          socket.write(ack(0))
          setTimeout(() => socket.write(ack(through)), 20)
        })
      })
      const ack = (count: number): string =>
        `${JSON.stringify({ type: 'soc_ack', id: 'sentinel-delivery', ts: 0, payload: { session: hello([text.split('\n')[0] ?? '']).session, through: count } })}\n`
      // Two of these are written together.
      const large = (what: string): string => what.repeat(10_000)
      const made = sender(directories[0])
      void made.sendBatch(numbered(14, 0, large('mine'))).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 60))
      const other = sender(directories[1])
      await other.sendBatch(numbered(14, 0, large('other')))
      expect(others.ids).toHaveLength(14)
      peer?.resume()
      await new Promise((resolve) => setTimeout(resolve, 40))
      expect(text).toContain('mine')
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
    const ack = (through: number): string =>
      `${JSON.stringify({ type: 'soc_ack', id: 'sentinel-delivery', ts: 0, payload: { session: hello(lines).session, through } })}\n`
    sockets[0]?.write(ack(0))
    await until(() => lines.length > 1)
    sockets[0]?.write(ack(1) + ack(0))
    await sent
    await until(() => errors.length > 0)
    expect(errors[0]).toMatchObject({ reason: 'backwards' })
  })

  it.each([
    ['a position without session', [{ next: 1, heartbeat_ms: 1000 }]],
    ['a session that is none', [{ session: 'x', next: 1, heartbeat_ms: 1000 }]],
    ['position 0', [{ session: 'a'.repeat(32), next: 0, heartbeat_ms: 1000 }]],
    ['a position beyond numbers', [{ session: 'a'.repeat(32), next: 2 ** 53, heartbeat_ms: 1000 }]],
    ['a heartbeat that would be work', [{ session: 'a'.repeat(32), next: 1, heartbeat_ms: 1 }]],
    [
      'positions that go backwards',
      [5, 4].map((next) => ({ session: 'a'.repeat(32), next, heartbeat_ms: 1000 })),
    ],
    ['two sessions', ['a', 'b'].map((c) => ({ session: c.repeat(32), next: 1, heartbeat_ms: 1000 }))],
    ['a position after messages', ['plain', { session: 'a'.repeat(32), next: 1, heartbeat_ms: 1000 }]],
  ])('%s is an error and ends the connection', async (_what, payloads) => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const raw = connect(listener.address)
    onTestFinished(() => void raw.destroy())
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    for (const payload of payloads) {
      raw.write(
        payload === 'plain'
          ? '{"type":"a"}\n'
          : `${JSON.stringify({ type: 'soc_heartbeat', id: 'sentinel-delivery', payload })}\n`,
      )
    }
    const error = await rejectionOf(
      (async () => {
        let count = 0
        for await (const message of receiver) count += message.timestamp
        return count
      })(),
    )
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(receiver.connection.closed).toBe(true)
  })
})
