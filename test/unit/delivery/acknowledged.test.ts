import fc from 'fast-check'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/ledger.js'
import type { AcknowledgedSenderOptions, DeliveryEvent } from '../../../lib/delivery/options.js'
import type { AcknowledgingReceiverOptions } from '../../../lib/delivery/receiver-options.js'
import { newSOCMessage, rawJSON, SOCMsgType, type SOCMessage } from '../../../lib/message.js'
import { Receiver } from '../../../lib/receiver.js'
import type { Connection } from '../../../lib/connection.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { servePlainly } from '../../support/plain-server.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

const quick = { minBackoffMs: 1, maxBackoffMs: 20 }

function sender(directory: string, options: AcknowledgedSenderOptions = {}): AcknowledgedSender {
  const made = new AcknowledgedSender('test', { directory, ...quick, ...options })
  onTestFinished(async () => {
    await made.close({ timeoutMs: 1 }).catch(() => undefined)
  })
  return made
}

/** Accepts all connections and notes what each receiver hands out. */
async function receiving(
  directory: string,
  options: AcknowledgingReceiverOptions = {},
): Promise<{ ids: string[]; receivers: AcknowledgingReceiver[]; connections: Connection[]; stop(): void }> {
  const listener = await listening(directory)
  const ledger = options.ledger ?? new DeliveryLedger()
  const ids: string[] = []
  const receivers: AcknowledgingReceiver[] = []
  const connections: Connection[] = []
  void (async () => {
    for await (const connection of listener) {
      const receiver = new AcknowledgingReceiver(connection, 'r', { ...options, ledger })
      receivers.push(receiver)
      connections.push(connection)
      void (async () => {
        for await (const message of receiver) ids.push(message.id)
      })().catch(() => undefined)
    }
  })()
  onTestFinished(() => {
    for (const connection of connections) connection.destroy()
  })
  return {
    ids,
    receivers,
    connections,
    stop: () => {
      listener.close()
      for (const connection of connections) connection.destroy()
    },
  }
}

function numbered(count: number, from = 0, payload: unknown = 1): SOCMessage[] {
  return Array.from({ length: count }, (_, i) =>
    newSOCMessage('soc_event', payload, { id: String(from + i) }),
  )
}

const idsTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

function sums(made: AcknowledgedSender): boolean {
  const { accepted, acknowledged, written, pending, dropped, droppedBy } = made.stats
  const byReason = Object.values(droppedBy).reduce((sum, count) => sum + count, 0)
  return accepted === acknowledged + written + pending + dropped && dropped === byReason
}

/** A peer of which the test decides what it says. */
async function rawPeer(directory: string): Promise<{ sockets: Socket[]; lines: string[] }> {
  const sockets: Socket[] = []
  const lines: string[] = []
  await servePlainly(socketIn(directory), (socket) => {
    sockets.push(socket)
    let rest = ''
    socket.on('data', (bytes) => {
      const parts = (rest + bytes.toString()).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
  })
  return { sockets, lines }
}

function hello(lines: string[]): { session: string; next: number; heartbeat_ms: number } {
  return (JSON.parse(lines[0] ?? '') as { payload: { session: string; next: number; heartbeat_ms: number } })
    .payload
}

describe('send', () => {
  it('resolves when the application is done with the message', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const made = sender(directory)
    expect(await made.send(newSOCMessage('soc_event', 1, { id: '0' }))).toEqual({ status: 'acknowledged' })
    expect(await made.sendBatch(numbered(1000, 1))).toEqual({ status: 'acknowledged' })
    expect(ids).toEqual(idsTo(1001))
    expect(made.stats).toMatchObject({
      accepted: 1001,
      acknowledged: 1001,
      pending: 0,
      dropped: 0,
      connections: 1,
    })
  })

  it('acknowledges many messages at once', async () => {
    const directory = temporaryDirectory()
    const { receivers } = await receiving(directory)
    const made = sender(directory)
    await made.sendBatch(numbered(10_000))
    expect(receivers[0]?.stats.acknowledgements).toBeLessThan(100)
  })

  it('keeps messages until somebody listens', async () => {
    const directory = temporaryDirectory()
    const made = sender(directory)
    const sent = made.sendBatch(numbered(100))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(made.state).toBe('connecting')
    expect(made.pending).toBe(100)
    const { ids } = await receiving(directory)
    await sent
    expect(ids).toEqual(idsTo(100))
  })

  it('leaves the messages on the wire as they are', async () => {
    const directory = temporaryDirectory()
    const { lines } = await rawPeer(directory)
    const made = sender(directory, { onSilentPeer: 'written', answerTimeoutMs: 30 })
    expect(await made.send(newSOCMessage('soc_event', { a: 1 }, { id: 'x', timestamp: 7 }))).toEqual({
      status: 'written',
    })
    await until(() => lines.length > 1)
    expect(lines[0]).toMatch(
      /^\{"type":"soc_heartbeat","id":"sentinel-delivery","ts":\d+,"payload":\{"session":"[0-9a-f]{32}","next":1,"heartbeat_ms":5000\}\}$/,
    )
    expect(lines[1]).toBe('{"type":"soc_event","id":"x","ts":7,"payload":{"a":1}}')
    expect(made.stats).toMatchObject({ accepted: 1, written: 1, pending: 0 })
    expect(made.state).toBe('unacknowledged')
  })

  it('takes out raw text that is no JSON and delivers the rest with the right numbers', async () => {
    const directory = temporaryDirectory()
    const { ids, receivers } = await receiving(directory)
    const drops: string[] = []
    const made = sender(directory, {
      onDrop: ({ count, reason, messages }) => {
        expect(messages).toHaveLength(count)
        drops.push(...messages.map(({ id }) => `${reason} ${id}`))
      },
    })
    const messages = numbered(300).map((message, i) =>
      i % 100 === 50
        ? newSOCMessage('soc_event', rawJSON('{'), { id: `bad${i}` })
        : newSOCMessage('soc_event', rawJSON('{}'), { id: message.id }),
    )
    expect(await rejectionOf(made.sendBatch(messages))).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    await made.sendBatch(numbered(10, 1000))
    expect(ids).toEqual([
      ...messages.map((message) => message.id).filter((id) => !id.startsWith('bad')),
      ...numbered(10, 1000).map((m) => m.id),
    ])
    expect(drops.sort()).toEqual(['invalid bad150', 'invalid bad250', 'invalid bad50'])
    expect(receivers[0]?.stats).toMatchObject({ lost: 0, duplicates: 0 })
    expect(sums(made)).toBe(true)
    await made.close()
  })

  it('refuses what it can never send', async () => {
    const made = sender(temporaryDirectory())
    expect(await rejectionOf(made.send({} as SOCMessage))).toBeInstanceOf(TypeError)
    expect(
      await rejectionOf(made.send(newSOCMessage('soc_ack', 1, { id: 'sentinel-delivery' }))),
    ).toMatchObject({ reason: 'reserved-id' })
    expect(await rejectionOf(made.send(newSOCMessage('a', 'x'.repeat(1 << 20))))).toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
    })
    expect(made.stats.accepted).toBe(0)
  })
})

describe('a lost connection', () => {
  it('costs nothing: each message arrives once, in order', async () => {
    const directory = temporaryDirectory()
    const { ids, connections, receivers } = await receiving(directory)
    const made = sender(directory)
    const sent = []
    for (let i = 0; i < 200; ++i) {
      sent.push(made.sendBatch(numbered(50, i * 50)))
      if (i % 20 === 10) {
        connections.at(-1)?.destroy()
        await new Promise((resolve) => setTimeout(resolve, 5))
      } else await new Promise(setImmediate)
    }
    await Promise.all(sent)
    expect(ids).toEqual(idsTo(10_000))
    expect(made.stats.connections).toBeGreaterThan(2)
    expect(receivers.reduce((sum, { stats }) => sum + stats.delivered, 0)).toBe(10_000)
    expect(receivers.reduce((sum, { stats }) => sum + stats.lost, 0)).toBe(0)
    expect(sums(made)).toBe(true)
  })

  it('has a message that was in hand given out again when its loop was left', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory)
    const sent = made.sendBatch(numbered(3))
    const first = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    const seen: string[] = []
    for await (const message of first) {
      seen.push(message.id)
      if (seen.length === 2) break
    }
    const second = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    void (async () => {
      for await (const message of second) seen.push(message.id)
    })()
    await sent
    expect(seen).toEqual(['0', '1', '1', '2'])
    second.connection.destroy()
  })

  it('makes the next connection wait for the message in hand, which is not given out twice', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory)
    const sent = made.sendBatch(numbered(3))
    const first = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    expect((await first.next()).value?.id).toBe('0')
    first.connection.destroy()
    const second = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    const next = second.next()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(second.stats.delivered).toBe(0)
    expect((await first.next()).done).toBe(true)
    expect((await next).value?.id).toBe('1')
    expect((await second.next()).value?.id).toBe('2')
    void second.next()
    await sent
    second.connection.destroy()
  })
})

describe('manual acknowledgement', () => {
  it('goes as far as all before are done with, in any order', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const outcomes = numbered(3).map((message) => made.send(message))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    const messages = [await receiver.next(), await receiver.next(), await receiver.next()].map(
      ({ value }) => value as SOCMessage,
    )
    receiver.acknowledge([messages[1] as SOCMessage, messages[2] as SOCMessage])
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(made.stats.acknowledged).toBe(0)
    receiver.acknowledge(messages[0] as SOCMessage)
    await Promise.all(outcomes)
    expect(made.stats.acknowledged).toBe(3)
    await receiver.close()
  })

  it('does not give out again what was done with out of order', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory)
    const sent = made.sendBatch(numbered(4))
    const first = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false, ledger })
    const run = [await first.next(), await first.next(), await first.next()].map(
      ({ value }) => value as SOCMessage,
    )
    first.acknowledge(run[1] as SOCMessage)
    await first.close()
    const second = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    const seen: string[] = []
    void (async () => {
      for await (const message of second) seen.push(message.id)
    })()
    await sent
    expect(seen).toEqual(['0', '2', '3'])
    await second.close()
  })
})

describe('a full window', () => {
  it.each(['drop-oldest', 'drop-newest', 'shed'] as const)(
    'is handled by %s, and every loss counted',
    async (onFull) => {
      const directory = temporaryDirectory()
      const made = sender(directory, { maxMessages: 10, onFull })
      const types = [SOCMsgType.Heartbeat, SOCMsgType.Event, SOCMsgType.Incident]
      for (let i = 0; i < 30; ++i) void made.send(newSOCMessage(types[i % 3] as string, 1, { id: String(i) }))
      expect(made.stats).toMatchObject({ accepted: 30, pending: 10, dropped: 20 })
      const { ids, receivers } = await receiving(directory)
      await made.flush()
      expect(ids).toEqual(
        {
          'drop-oldest': idsTo(30).slice(20),
          'drop-newest': idsTo(10),
          shed: ['2', '5', '8', '11', '14', '17', '20', '23', '26', '29'],
        }[onFull],
      )
      expect(sums(made)).toBe(true)
      await made.close()
      expect(receivers[0]?.stats.duplicates).toBe(0)
    },
  )

  it('is refused by default, all of a batch or nothing, and there is a way to wait', async () => {
    const directory = temporaryDirectory()
    const made = sender(directory, { maxMessages: 10 })
    void made.sendBatch(numbered(8))
    expect(await rejectionOf(made.sendBatch(numbered(3, 8)))).toMatchObject({
      code: 'ERR_IPC_BUFFER_FULL',
      reason: 'reject',
    })
    expect(made.stats.accepted).toBe(8)
    const { ids } = await receiving(directory)
    await made.drained()
    await made.sendBatch(numbered(3, 8))
    expect(ids).toEqual(idsTo(11))
  })

  it('tells the receiver how many are missing', async () => {
    const directory = temporaryDirectory()
    const { receivers } = await receiving(directory)
    const made = sender(directory, { maxMessages: 100, onFull: 'drop-oldest' })
    await made.send(newSOCMessage('a', 1))
    for (let i = 0; i < 150; ++i) void made.send(newSOCMessage('a', 1))
    await made.flush()
    expect(receivers[0]?.stats).toMatchObject({ gaps: 1, lost: made.stats.dropped })
  })
})

describe('a peer that does not acknowledge', () => {
  it('fails the sender, if so configured', async () => {
    const directory = temporaryDirectory()
    await rawPeer(directory)
    const events: DeliveryEvent[] = []
    const made = sender(directory, {
      onSilentPeer: 'fail',
      answerTimeoutMs: 30,
      onEvent: (event) => events.push(event),
    })
    expect(await rejectionOf(made.send(newSOCMessage('a', 1)))).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'not-acknowledging',
    })
    expect(made.state).toBe('failed')
    expect(await rejectionOf(made.send(newSOCMessage('a', 1)))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(events.at(-1)?.type).toBe('failed')
    expect(made.stats).toMatchObject({ accepted: 1, dropped: 1, droppedBy: { undeliverable: 1 } })
  })

  it('is tried again by default, with nothing sent to it', async () => {
    const directory = temporaryDirectory()
    const { lines, sockets } = await rawPeer(directory)
    const made = sender(directory, { answerTimeoutMs: 20 })
    void made.send(newSOCMessage('a', 1))
    await until(() => sockets.length > 2)
    expect(lines.every((line) => line.includes('sentinel-delivery'))).toBe(true)
    expect(made.pending).toBe(1)
  })

  it('can be a plain receiver of ours', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory, { onSilentPeer: 'written', answerTimeoutMs: 20 })
    const sent = made.sendBatch(numbered(100))
    const receiver = new Receiver(await listener.accept(), 'plain')
    expect(await sent).toEqual({ status: 'written' })
    await made.close()
    const ids: string[] = []
    for await (const message of receiver) if (message.type === 'soc_event') ids.push(message.id)
    expect(ids).toEqual(idsTo(100))
  })
})

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

describe('close', () => {
  it('waits for the acknowledgements', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const made = sender(directory)
    void made.sendBatch(numbered(5000))
    await made.close()
    expect(ids).toHaveLength(5000)
    expect(made.state).toBe('closed')
    expect(await rejectionOf(made.send(newSOCMessage('a')))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('gives up after its time, and says so everywhere', async () => {
    const made = sender(temporaryDirectory())
    const sent = rejectionOf(made.sendBatch(numbered(5)))
    expect(await rejectionOf(made.close({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(await sent).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(made.stats).toMatchObject({ accepted: 5, pending: 0, dropped: 5, droppedBy: { timeout: 5 } })
  })
})

describe('silence', () => {
  it('of the sender is noticed', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const raw = connect(listener.address)
    onTestFinished(() => void raw.destroy())
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { idleTimeoutMs: 60 })
    const started = performance.now()
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'silent-peer',
    })
    expect(performance.now() - started).toBeLessThan(500)
    expect((await receiver.next()).done).toBe(true)
  })

  it('of the receiver is noticed, but not the time that its application takes', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory, { heartbeatMs: 20, peerTimeoutMs: 80 })
    const sent = made.send(newSOCMessage('a', 1))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    await receiver.next()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(made.state).toBe('acknowledging')
    void receiver.next()
    await sent
    await receiver.close()
    const { sockets } = { sockets: [await listener.accept()] }
    await until(() => made.state === 'connecting')
    // Nobody reads or answers here.
    await listener.accept()
    sockets[0]?.destroy()
  })
})

describe('the counters', () => {
  it('add up at every moment, whatever happens', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('send' as const),
        count: fc.integer({ min: 1, max: 30 }),
        bad: fc.boolean(),
      }),
      fc.constant({ kind: 'turn' as const }),
      fc.constant({ kind: 'cut' as const }),
      fc.constant({ kind: 'pause' as const }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom('reject' as const, 'drop-oldest' as const, 'drop-newest' as const, 'shed' as const),
        async (steps, onFull) => {
          const directory = temporaryDirectory()
          const peer = await receiving(directory)
          const { ids, connections, receivers } = peer
          const made = sender(directory, { maxMessages: 40, onFull })
          const types = ['soc_event', 'soc_incident', 'soc_heartbeat']
          let sent = 0
          for (const each of steps) {
            if (each.kind === 'send') {
              const batch = Array.from({ length: each.count }, (_, i) =>
                newSOCMessage(types[(sent + i) % 3] as string, rawJSON(each.bad && i === 1 ? '{' : '{}'), {
                  id: String(sent + i),
                }),
              )
              sent += each.count
              void made.sendBatch(batch).catch(() => undefined)
            } else if (each.kind === 'turn') await new Promise(setImmediate)
            else if (each.kind === 'pause') await new Promise((resolve) => setTimeout(resolve, 3))
            else connections.at(-1)?.destroy()
            expect(sums(made)).toBe(true)
          }
          await made.flush()
          expect(sums(made)).toBe(true)
          expect(made.stats.acknowledged).toBe(ids.length)
          expect(ids.map(Number)).toEqual([...new Set(ids.map(Number))].sort((a, b) => a - b))
          expect(receivers.reduce((sum, { stats }) => sum + stats.lost, 0)).toBeLessThanOrEqual(
            made.stats.droppedBy.full,
          )
          await made.close()
          peer.stop()
        },
      ),
      { numRuns: 25 },
    )
  })
})
