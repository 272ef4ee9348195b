// What a reconnect must not change: the order of messages with one key, and that a message is finished once.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import type { AcknowledgingReceiverOptions } from '../../../lib/delivery/receiver/options.js'
import type { Listener } from '../../../lib/connection/listener.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { rawSender } from '../../support/delivery.js'
import { MemorySpool } from '../../support/memory-spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

/** A connection that brings one message for each key, with the numbers from 1. */
async function bring(
  listener: Listener,
  keys: readonly string[],
  options: AcknowledgingReceiverOptions,
): Promise<{ raw: ReturnType<typeof rawSender>; receiver: AcknowledgingReceiver }> {
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false, ...options })
  raw.state({ next: 1, lowest: 1 })
  keys.forEach((key, i) => {
    raw.line(i + 1, { key })
  })
  await until(() => receiver.stats.received === keys.length)
  return { raw, receiver }
}

async function take(receiver: AcknowledgingReceiver): Promise<SOCMessage> {
  return (await receiver.next()).value as SOCMessage
}

async function cut(raw: ReturnType<typeof rawSender>, receiver: AcknowledgingReceiver): Promise<void> {
  raw.socket.destroy()
  await until(() => receiver.connection.closed)
}

const byKey = (): AcknowledgingReceiverOptions => ({
  ledger: new DeliveryLedger(),
  orderBy: ({ payload }) => (payload as { key: string }).key,
})

describe('the order of one key', () => {
  it('holds when the connection ends while a message of the key is in hand', async () => {
    const listener = await listening(temporaryDirectory())
    const options = byKey()
    const keys = ['K', 'K', 'L', 'K']
    const { raw, receiver } = await bring(listener, keys, options)
    const inHand = [await take(receiver), await take(receiver)]
    expect(inHand.map(({ id }) => id)).toEqual(['1', '3'])
    await cut(raw, receiver)
    receiver.acknowledge(inHand)
    const second = await take(receiver)
    expect(second.id).toBe('2')
    receiver.acknowledge(second)
    const { receiver: next } = await bring(listener, keys, options)
    expect((await take(next)).id).toBe('4')
    await receiver.close()
    await next.close()
  })

  it('holds on the next connection while a message of the key is in hand from the earlier one', async () => {
    const listener = await listening(temporaryDirectory())
    const options = byKey()
    const { raw, receiver } = await bring(listener, ['K', 'K', 'L'], options)
    const first = await take(receiver)
    await cut(raw, receiver)
    const { receiver: next } = await bring(listener, ['K', 'K', 'L'], options)
    expect((await take(next)).id).toBe('3')
    const waiting = take(next)
    expect(next.stats.waiting).toBe(2)
    receiver.acknowledge(first)
    expect((await waiting).id).toBe('2')
    expect(next.stats).toMatchObject({ duplicates: 1, waiting: 0 })
    await receiver.close()
    await next.close()
  })

  it('holds when a message of the key is released after the connection has ended', async () => {
    const listener = await listening(temporaryDirectory())
    const options = byKey()
    const keys = ['K', 'K', 'L', 'K']
    const { raw, receiver } = await bring(listener, keys, options)
    const first = await take(receiver)
    await cut(raw, receiver)
    first.release()
    expect((await take(receiver)).id).toBe('3')
    expect((await receiver.next()).done).toBe(true)
    expect(receiver.stats).toMatchObject({ superseded: 3, waiting: 0 })
    const { receiver: next } = await bring(listener, keys, options)
    const order: string[] = []
    for (let i = 0; i < 3; ++i) {
      const message = await take(next)
      order.push(message.id)
      next.acknowledge(message)
    }
    expect(order).toEqual(['1', '2', '4'])
    await receiver.close()
    await next.close()
  })
})

it('a message that is being kept as a dead letter is not handed out by the next connection', async () => {
  const listener = await listening(temporaryDirectory())
  const deadLetters = new MemorySpool()
  let keep = (): void => undefined
  const durable = new Promise<void>((resolve) => (keep = resolve))
  const append = deadLetters.append.bind(deadLetters)
  deadLetters.append = (entry) => ({ first: append(entry).first, durable })
  const options = { ledger: new DeliveryLedger(), deadLetters }
  const { raw, receiver } = await bring(listener, ['a', 'b'], options)
  ;(await take(receiver)).reject('bad')
  await cut(raw, receiver)
  const { receiver: next } = await bring(listener, ['a', 'b'], options)
  const second = await take(next)
  expect(second.id).toBe('2')
  keep()
  await until(() => next.stats.duplicates === 1)
  next.acknowledge(second)
  expect(receiver.stats.rejected).toBe(1)
  expect(next.stats).toMatchObject({ accepted: 1, delivered: 1 })
  await receiver.close()
  await next.close()
})
