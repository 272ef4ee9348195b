// Every hand-out has a hold of its own: several loops and calls at once, any order of settlement, several connections of one
// session, and connections that are lost with messages in hand.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { dial } from '../../../lib/connection/dial.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { expectBalance, idsTo, sender } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function take(receiver: AcknowledgingReceiver, count: number): Promise<SOCMessage[]> {
  const messages: SOCMessage[] = []
  while (messages.length < count) messages.push((await receiver.next()).value as SOCMessage)
  return messages
}

const idsOf = (messages: readonly SOCMessage[]): string[] => messages.map(({ id }) => id)

describe('several loops over one receiver', () => {
  it('have a hold each: one that is stuck keeps its message, and the others go on', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    void made.sendBatch(numbered(2000))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    const stuck = receiver[Symbol.asyncIterator]()
    expect((await stuck.next()).value?.id).toBe('0')
    const seen: string[] = []
    for (let i = 0; i < 3; ++i) {
      void (async () => {
        for await (const message of receiver) {
          seen.push(message.id)
          await pause(0)
        }
      })()
    }
    await until(() => made.stats.acknowledged === 1999)
    expect(made.pending).toBe(1)
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(idsTo(2000).slice(1))
    void stuck.next()
    await made.flush()
    await until(() => receiver.stats.accepted === 2000)
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it('are each left for themselves: the message comes again at another loop', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const sent = made.sendBatch(numbered(3))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    const left = receiver[Symbol.asyncIterator]()
    const other = receiver[Symbol.asyncIterator]()
    expect((await left.next()).value?.id).toBe('0')
    expect((await other.next()).value?.id).toBe('1')
    await left.return?.()
    const again = (await other.next()).value
    expect(again).toMatchObject({ id: '0', deliveries: 2 })
    expect((await other.next()).value?.id).toBe('2')
    void other.next()
    await sent
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })
})

describe('several next() at once', () => {
  it('accept nothing before all of the callers ask again, and then everything', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    const first = receiver.next()
    const second = receiver.next()
    const sent = made.sendBatch(numbered(3))
    expect([(await first).value?.id, (await second).value?.id]).toEqual(['0', '1'])
    expect((await receiver.next()).value?.id).toBe('2')
    await pause(30)
    expect(made.stats.acknowledged).toBe(0)
    void receiver.next()
    void receiver.next()
    expect(await sent).toEqual({ status: 'acknowledged' })
    await receiver.close()
  })

  it('never stop the acknowledgements, however many workers there are', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { maxUnacknowledged: 50 })
    for (let i = 0; i < 4; ++i) {
      void (async () => {
        while ((await receiver.next()).done !== true) await pause(0)
      })()
    }
    for (let i = 0; i < 10; ++i)
      expect(await made.sendBatch(numbered(100))).toEqual({ status: 'acknowledged' })
    await receiver.close()
  })
})

it('a loop that is left while it waits takes no message with it', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made = sender(directory)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  const left = receiver[Symbol.asyncIterator]()
  const other = receiver[Symbol.asyncIterator]()
  const waiting = left.next()
  await left.return?.()
  expect((await waiting).done).toBe(true)
  expect((await left.next()).done).toBe(true)
  const sent = made.sendBatch(numbered(1))
  expect((await other.next()).value?.id).toBe('0')
  void other.next()
  expect(await sent).toEqual({ status: 'acknowledged' })
  await receiver.close()
})

describe('several next() in one turn, with messages waiting', () => {
  it.each(['the receiver', 'one loop'])(
    'accept nothing that their callers have not seen: %s',
    async (what) => {
      const directory = temporaryDirectory()
      const listener = await listening(directory)
      const made = sender(directory)
      const sent = made.sendBatch(numbered(4))
      const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
      await until(() => receiver.stats.waiting === 4)
      const loop = what === 'the receiver' ? receiver : receiver[Symbol.asyncIterator]()
      const asked = Promise.all([loop.next(), loop.next(), loop.next()])
      expect(receiver.stats).toMatchObject({ accepted: 0, inHand: 3 })
      expect((await asked).map(({ value }) => value?.id)).toEqual(['0', '1', '2'])
      // One of the three callers asks again; the other two may still work on their messages.
      expect((await loop.next()).value?.id).toBe('3')
      expect(receiver.stats.accepted).toBe(0)
      void loop.next()
      void loop.next()
      void loop.next()
      expect(await sent).toEqual({ status: 'acknowledged' })
      expectBalance(made.stats, [receiver], 'settled')
      await receiver.close()
    },
  )

  it('accept nothing while workers in a loop are busy', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    void made.sendBatch(numbered(50)).catch(() => undefined)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    await until(() => receiver.stats.waiting === 50)
    let taken = 0
    const work = async (): Promise<void> => {
      while (taken < 40) {
        await receiver.next()
        ++taken
        await pause(1)
      }
    }
    // The first worker is stuck at its message.
    void receiver.next()
    await Promise.all([work(), work()])
    expect(receiver.stats.accepted).toBe(0)
    await receiver.close()
  })
})

it('a shared loop goes on past its limit when the application acknowledges by itself', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made = sender(directory)
  const sent = made.sendBatch(numbered(20))
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { maxUnacknowledged: 4 })
  for (const { value } of await Promise.all([receiver.next(), receiver.next()])) {
    receiver.acknowledge(value as SOCMessage)
  }
  for (let i = 2; i < 20; ++i) receiver.acknowledge((await receiver.next()).value as SOCMessage)
  expect(await sent).toEqual({ status: 'acknowledged' })
  expectBalance(made.stats, [receiver], 'settled')
  await receiver.close()
})

it('a message that is acknowledged although its loop accepts by itself is settled once', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made = sender(directory)
  const sent = made.sendBatch(numbered(4))
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  await until(() => receiver.stats.waiting === 4)
  for (let i = 0; i < 3; ++i) receiver.acknowledge((await receiver.next()).value as SOCMessage)
  await receiver.next()
  expect(receiver.stats).toMatchObject({ accepted: 3, inHand: 1 })
  void receiver.next()
  await sent
  expect(receiver.stats).toMatchObject({ accepted: 4, inHand: 0 })
  expectBalance(made.stats, [receiver], 'settled')
  await receiver.close()
})

describe('a lost connection with messages in hand', () => {
  it('hands each out once: those that are given back come again, those that are accepted do not', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory)
    const results = numbered(8).map((message) => made.send(message))
    const first = new AcknowledgingReceiver(await listener.accept(), 'first', { ledger, autoAck: false })
    const inHand = await take(first, 5)
    first.connection.destroy()
    const second = new AcknowledgingReceiver(await listener.accept(), 'second', { ledger, autoAck: false })
    // What the application still has is passed over.
    const later = await take(second, 3)
    expect(idsOf(later)).toEqual(['5', '6', '7'])
    second.acknowledge(later)
    first.acknowledge([inHand[1], inHand[3]] as SOCMessage[])
    await until(() => made.stats.acknowledged === 5)
    await first.close()
    const again = await take(second, 3)
    expect(again.map(({ id, deliveries }) => [id, deliveries])).toEqual([
      ['0', 2],
      ['2', 2],
      ['4', 2],
    ])
    // The object of the earlier hand-out settles nothing any more.
    first.acknowledge(inHand)
    await pause(30)
    expect(made.stats.acknowledged).toBe(5)
    second.acknowledge(again)
    expect(await Promise.all(results)).toEqual(Array(8).fill({ status: 'acknowledged' }))
    expectBalance(made.stats, [first, second], 'settled')
    await second.close()
  })

  it('is no loss where the receiver noticed the end before the next connection came', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory, { minBackoffMs: 50 })
    const sent = made.sendBatch(numbered(2))
    const first = new AcknowledgingReceiver(await listener.accept(), 'first', { ledger, autoAck: false })
    const [zero, one] = (await take(first, 2)) as [SOCMessage, SOCMessage]
    first.connection.destroy()
    expect((await first.next()).done).toBe(true)
    first.acknowledge(zero)
    const second = new AcknowledgingReceiver(await listener.accept(), 'second', { ledger, autoAck: false })
    void second.next()
    await pause(30)
    expect(second.stats.delivered).toBe(0)
    first.acknowledge(one)
    await sent
    expectBalance(made.stats, [first, second], 'settled')
    await second.close()
  })
})

describe('a receiver that is closed with messages in hand', () => {
  it('gives them back, and counts how often', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const made = sender(directory)
    const sent = made.sendBatch(numbered(4))
    for (let round = 1; round <= 3; ++round) {
      const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger, autoAck: false })
      const messages = await take(receiver, 2)
      expect(messages.map(({ id, deliveries }) => [id, deliveries])).toEqual([
        ['0', round],
        ['1', round],
      ])
      await receiver.close()
      expectBalance(undefined, [receiver])
    }
    const last = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
    void (async () => {
      for await (const message of last) expect(message.deliveries).toBe(Number(message.id) < 2 ? 4 : 1)
    })()
    await sent
    await last.close()
  })
})

describe('a sender that does not number its messages', () => {
  it('has them settled in this process alone', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const plain = new Sender(await dial('test', { directory }), 'plain')
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    await plain.sendBatch(numbered(3))
    await plain.close()
    const [zero, one, two] = (await take(receiver, 3)) as [SOCMessage, SOCMessage, SOCMessage]
    receiver.acknowledge(zero)
    one.release()
    two.reject('bad')
    const [again] = await take(receiver, 1)
    expect(again).toMatchObject({ id: '1', deliveries: 2 })
    receiver.acknowledge(again as SOCMessage)
    expect((await receiver.next()).done).toBe(true)
    expect(receiver.stats).toMatchObject({ received: 3, accepted: 2, rejected: 1, released: 1 })
    expect(receiver.positionOf(zero)).toBeUndefined()
    expectBalance(undefined, [receiver])
  })
})

it('a message that was not handed out by an acknowledging receiver cannot be settled', () => {
  const message = newSOCMessage('a', 1)
  expect(message.deliveries).toBe(1)
  expect(() => {
    message.release()
  }).toThrow('release: the message was not handed out by an AcknowledgingReceiver')
  expect(() => {
    message.reject()
  }).toThrow(TypeError)
})
