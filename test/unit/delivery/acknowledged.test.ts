// What an acknowledged sender promises while its peer is honest.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { idsTo, rawPeer, receiving, sender, sums } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

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

  it('keeps messages until a process listens', async () => {
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

  it('adds nothing to the messages on the wire but their number', async () => {
    const directory = temporaryDirectory()
    const { lines } = await rawPeer(directory)
    const made = sender(directory, { onSilentPeer: 'written', answerTimeoutMs: 30 })
    expect(await made.send(newSOCMessage('soc_event', { a: 1 }, { id: 'x', timestamp: 7 }))).toEqual({
      status: 'written',
    })
    await until(() => lines.length > 1)
    expect(lines[0]).toMatch(
      /^\{"type":"soc_heartbeat","id":"sentinel-delivery","ts":\d+,"payload":\{"version":2,"session":"[0-9a-f]{32}","next":1,"lowest":1,"heartbeat_ms":5000\}\}$/,
    )
    expect(lines[1]).toBe('{"type":"soc_event","id":"x","ts":7,"payload":{"a":1},"seq":1}')
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
  it('tells the sender what is finished, in any order', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const outcomes = numbered(3).map((message) => made.send(message))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    const messages = [await receiver.next(), await receiver.next(), await receiver.next()].map(
      ({ value }) => value as SOCMessage,
    )
    receiver.acknowledge([messages[1] as SOCMessage, messages[2] as SOCMessage])
    expect(await Promise.all(outcomes.slice(1))).toEqual([
      { status: 'acknowledged' },
      { status: 'acknowledged' },
    ])
    expect(made.stats.acknowledged).toBe(2)
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
