// Messages that an application cannot finish: released, rejected, dead letters; and that they hold up no others.

import { describe, expect, it } from 'vitest'

import { IpcError } from '../../../lib/base/errors.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { DeadLetter } from '../../../lib/delivery/receiver/dead-letters.js'
import type { AcknowledgingReceiverOptions } from '../../../lib/delivery/receiver/options.js'
import type { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../../../lib/delivery/sender/options.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { expectBalance, sender } from '../../support/delivery.js'
import { MemorySpool } from '../../support/memory-spool.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

async function pairOf(
  options: AcknowledgingReceiverOptions,
  events: DeliveryEvent[] = [],
): Promise<{ made: AcknowledgedSender; receiver: AcknowledgingReceiver }> {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made = sender(directory, { onEvent: (event) => events.push(event) })
  return { made, receiver: new AcknowledgingReceiver(await listener.accept(), 'r', options) }
}

describe('a message that is rejected', () => {
  it('resolves its send with the reason, and the others with their outcome', async () => {
    const events: DeliveryEvent[] = []
    const { made, receiver } = await pairOf({}, events)
    const results = numbered(4).map((message) => made.send(message))
    const batch = made.sendBatch(numbered(3, 4))
    void (async () => {
      for await (const message of receiver) {
        if (Number(message.id) % 2 === 1) message.reject(`odd: ${message.id}`)
      }
    })()
    expect(await Promise.all(results)).toEqual([
      { status: 'acknowledged' },
      { status: 'rejected', reason: 'odd: 1', rejected: 1 },
      { status: 'acknowledged' },
      { status: 'rejected', reason: 'odd: 3', rejected: 1 },
    ])
    expect(await batch).toEqual({ status: 'rejected', reason: 'odd: 5', rejected: 1 })
    expect(made.stats).toMatchObject({ accepted: 7, acknowledged: 4, rejected: 3, pending: 0 })
    expect(events.filter(({ type }) => type === 'rejected')).toMatchObject(
      ['odd: 1', 'odd: 3', 'odd: 5'].map((reason) => ({ count: 1, reason })),
    )
    await until(() => receiver.stats.accepted === 4)
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it('is reported, however many there are, and never as accepted', async () => {
    const { made, receiver } = await pairOf({})
    const results = numbered(1000).map((message) => made.send(message))
    void (async () => {
      for await (const run of receiver.batches()) {
        for (const message of run) if (Number(message.id) % 3 !== 0) message.reject('no'.repeat(100))
      }
    })()
    const statuses = (await Promise.all(results)).map(({ status }) => status)
    expect(statuses).toEqual(
      Array.from({ length: 1000 }, (_, i) => (i % 3 === 0 ? 'acknowledged' : 'rejected')),
    )
    await until(() => receiver.stats.inHand === 0)
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })
})

describe('a handler that throws', () => {
  it('releases its message, and delays no other among 1,000 by more than a second', async () => {
    const letters: DeadLetter[] = []
    const { made, receiver } = await pairOf({
      autoAck: false,
      maxDeliveries: 4,
      onDeadLetter: (letter) => letters.push(letter),
    })
    const sentAt = performance.now()
    const finishedAt: number[] = []
    const results = numbered(1000).map((message) =>
      made.send(message).then((result) => {
        finishedAt[Number(message.id)] = performance.now() - sentAt
        return result
      }),
    )
    const deliveries: number[] = []
    void receiver.handle((message) => {
      if (message.id !== '13') return
      deliveries.push(message.deliveries)
      throw new Error('poison')
    })
    const settled = await Promise.all(results)
    expect(settled[13]).toEqual({ status: 'rejected', reason: 'max-deliveries', rejected: 1 })
    expect(settled.filter(({ status }) => status === 'acknowledged')).toHaveLength(999)
    expect(Math.max(...finishedAt.filter((_, i) => i !== 13))).toBeLessThan(1000)
    expect(deliveries).toEqual([1, 2, 3, 4])
    expect(letters).toMatchObject([{ reason: 'max-deliveries', deliveries: 4, message: { id: '13' } }])
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it('waits longer each time', async () => {
    const { made, receiver } = await pairOf({ autoAck: false })
    const sent = made.sendBatch(numbered(1))
    const at: number[] = []
    void receiver.handle(
      () => {
        if (at.push(performance.now()) < 4) throw new Error('not yet')
      },
      { retryDelayMs: 20, maxRetryDelayMs: 40 },
    )
    await sent
    const waits = at.slice(1).map((time, i) => time - (at[i] as number))
    expect(waits[0]).toBeGreaterThanOrEqual(19)
    expect(waits[1]).toBeGreaterThanOrEqual(39)
    expect(waits[2]).toBeGreaterThanOrEqual(39)
    await receiver.close()
  })

  it('that never returns keeps its message alone', async () => {
    const { made, receiver } = await pairOf({ autoAck: false })
    void made.sendBatch(numbered(100))
    void receiver.handle((message) => (message.id === '7' ? new Promise(() => undefined) : undefined), {
      concurrency: 2,
    })
    await until(() => made.stats.acknowledged === 99)
    expect(receiver.stats.inHand).toBe(1)
    await receiver.close()
    expectBalance(made.stats, [receiver])
  })
})

describe('order by key', () => {
  it('holds back those behind a released message of their key, and no others', async () => {
    const { made, receiver } = await pairOf({
      autoAck: false,
      orderBy: (message) => (message.payload as { key?: string }).key,
    })
    const messages = ['a', 'b', 'a', 'c', 'a', undefined, 'b'].map((key, i) =>
      newSOCMessage('soc_event', { key }, { id: String(i) }),
    )
    const sent = made.sendBatch(messages)
    const order: string[] = []
    let failures = 2
    void receiver.handle(
      async (message) => {
        await new Promise(setImmediate)
        if (message.id === '0' && failures-- > 0) throw new Error('not yet')
        order.push(message.id)
      },
      { concurrency: 3, retryDelayMs: 20 },
    )
    await sent
    expect([...order].sort()).toEqual(['0', '1', '2', '3', '4', '5', '6'])
    expect(order.filter((id) => ['0', '2', '4'].includes(id))).toEqual(['0', '2', '4'])
    expect(order.filter((id) => ['1', '6'].includes(id))).toEqual(['1', '6'])
    expect(order.indexOf('0')).toBeGreaterThan(order.indexOf('6'))
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it('counts a key function that throws as no key', async () => {
    const { made, receiver } = await pairOf({
      orderBy: () => {
        throw new Error('no key')
      },
    })
    const sent = made.sendBatch(numbered(10))
    void (async () => {
      for await (const run of receiver.batches()) expect(run).toHaveLength(1)
    })()
    await sent
    await receiver.close()
  })
})

describe('a spool of dead letters', () => {
  it('has a message before its sender hears that it was rejected', async () => {
    const deadLetters = new MemorySpool()
    const { made, receiver } = await pairOf({ deadLetters })
    const sent = made.sendBatch(numbered(3))
    const kept: number[] = []
    void sent.then(() => kept.push(deadLetters.messages))
    void (async () => {
      for await (const message of receiver) if (message.id !== '1') message.reject('bad')
    })()
    expect(await sent).toEqual({ status: 'rejected', reason: 'bad', rejected: 2 })
    expect(kept).toEqual([2])
    expect(deadLetters.read(1, Infinity).map(({ lines }) => lines.toString())).toMatchObject([
      expect.stringMatching(/^\{"type":"soc_event","id":"0".*,"seq":1\}\n$/),
      expect.stringMatching(/^\{"type":"soc_event","id":"2".*,"seq":2\}\n$/),
    ])
    expectBalance(made.stats, [receiver])
    await receiver.close()
  })

  it('that takes nothing has the message handed out again, later', async () => {
    const deadLetters = new MemorySpool()
    deadLetters.failure = new IpcError('ERR_IPC_SYSTEM', 'the disk is full')
    const { made, receiver } = await pairOf({ deadLetters, autoAck: false })
    const sent = made.sendBatch(numbered(1))
    const first = (await receiver.next()).value as SOCMessage
    first.reject('bad')
    const again = (await receiver.next()).value as SOCMessage
    expect(again.deliveries).toBe(2)
    deadLetters.failure = undefined
    again.reject('bad')
    expect(await sent).toMatchObject({ status: 'rejected' })
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })
})
