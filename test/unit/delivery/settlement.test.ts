// Every hand-out has a hold of its own: several loops at once, any order of settlement, several connections of one session, and
// connections that are lost with messages in hand.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { dial } from '../../../lib/connection/dial.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { expectBalance, idsTo, senderTo, take } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const idsOf = (messages: readonly SOCMessage[]): string[] => messages.map(({ id }) => id)
const ACKNOWLEDGED = { status: 'acknowledged' }

describe('several loops over one receiver', () => {
  it('have a hold each: one that is stuck keeps its message, and the others go on', async () => {
    const { made, receive } = await senderTo()
    void made.sendBatch(numbered(2000))
    const receiver = await receive()
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
    const { made, receive } = await senderTo()
    const sent = made.sendBatch(numbered(3))
    const receiver = await receive()
    const left = receiver[Symbol.asyncIterator]()
    const other = receiver[Symbol.asyncIterator]()
    expect((await left.next()).value?.id).toBe('0')
    expect((await other.next()).value?.id).toBe('1')
    await left.return?.()
    expect((await other.next()).value).toMatchObject({ id: '0', deliveries: 2 })
    expect((await other.next()).value?.id).toBe('2')
    void other.next()
    await sent
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it('that one of them leaves while it waits takes no message along', async () => {
    const { made, receive } = await senderTo()
    const receiver = await receive()
    const left = receiver[Symbol.asyncIterator]()
    const other = receiver[Symbol.asyncIterator]()
    const waiting = left.next()
    await left.return?.()
    expect((await waiting).done).toBe(true)
    expect((await left.next()).done).toBe(true)
    const sent = made.sendBatch(numbered(1))
    expect((await other.next()).value?.id).toBe('0')
    void other.next()
    expect(await sent).toEqual(ACKNOWLEDGED)
    await receiver.close()
  })
})

describe('with autoAck, a second call of a loop while one is under way', () => {
  type Loop = Pick<AcknowledgingReceiver, 'next'>
  const loops: [what: string, begin: (receiver: AcknowledgingReceiver) => Loop][] = [
    ['the receiver itself', (receiver) => receiver],
    ['one loop', (receiver) => receiver[Symbol.asyncIterator]()],
    ['one loop of runs', (receiver) => receiver.batches() as unknown as Loop],
  ]

  it.each(loops)('is refused while the first one waits: %s', async (_what, begin) => {
    const { made, receive } = await senderTo()
    const receiver = await receive()
    const loop = begin(receiver)
    const first = loop.next()
    const error = await rejectionOf(loop.next())
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toContain('autoAck: false')
    // The refusal changes nothing: the loop of the first caller goes on, and is acknowledged.
    const sent = made.sendBatch(numbered(1))
    await first
    expect(receiver.stats).toMatchObject({ accepted: 0, inHand: 1 })
    void loop.next()
    expect(await sent).toEqual(ACKNOWLEDGED)
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
  })

  it.each(loops)('is refused before the first caller has seen its message: %s', async (_what, begin) => {
    const { made, receive } = await senderTo()
    void made.sendBatch(numbered(4)).catch(() => undefined)
    const receiver = await receive()
    await until(() => receiver.stats.waiting === 4)
    const loop = begin(receiver)
    const [first, second, third] = await Promise.allSettled([loop.next(), loop.next(), loop.next()])
    expect([first.status, second.status, third.status]).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(receiver.stats.accepted).toBe(0)
    await receiver.close()
  })

  it('tells two workers, and nothing that the other one has in hand is accepted', async () => {
    const { made, receive } = await senderTo()
    const sent = made.sendBatch(numbered(20))
    const receiver = await receive()
    const finished: string[] = []
    const work = async (): Promise<void> => {
      for (let result = await receiver.next(); result.done !== true; result = await receiver.next()) {
        await pause(1)
        finished.push(result.value.id)
      }
    }
    const workers = Promise.allSettled([work(), work()])
    expect(await sent).toEqual(ACKNOWLEDGED)
    expect(finished).toEqual(idsTo(20))
    await receiver.close()
    expect((await workers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('is no matter where the application acknowledges by itself', async () => {
    const { made, receive } = await senderTo()
    const sent = made.sendBatch(numbered(20))
    const receiver = await receive({ autoAck: false, maxUnacknowledged: 4 })
    const work = async (): Promise<void> => {
      for (let result = await receiver.next(); result.done !== true; result = await receiver.next()) {
        await pause(0)
        receiver.acknowledge(result.value)
      }
    }
    const workers = Promise.all([work(), work(), work()])
    expect(await sent).toEqual(ACKNOWLEDGED)
    expectBalance(made.stats, [receiver], 'settled')
    await receiver.close()
    await workers
  })
})

describe('next({ signal })', () => {
  it.each([true, false])(
    'withdraws the wait alone: the next call gets the message (autoAck: %s)',
    async (autoAck) => {
      const { made, receive } = await senderTo()
      const receiver = await receive({ autoAck })
      const abort = new AbortController()
      const withdrawn = rejectionOf(receiver.next({ signal: abort.signal }))
      abort.abort(new Error('enough'))
      expect(await withdrawn).toMatchObject({ code: 'ERR_IPC_ABORTED', cause: { message: 'enough' } })
      const sent = made.sendBatch(numbered(1))
      await until(() => receiver.stats.waiting === 1)
      const { value } = await receiver.next({ signal: new AbortController().signal })
      expect((value as SOCMessage).id).toBe('0')
      receiver.acknowledge(value as SOCMessage)
      expect(await sent).toEqual(ACKNOWLEDGED)
      expectBalance(made.stats, [receiver], 'settled')
      await receiver.close()
    },
  )

  it('refuses what is no signal, and accepts nothing by that', async () => {
    const { made, receive } = await senderTo()
    void made.sendBatch(numbered(2)).catch(() => undefined)
    const receiver = await receive()
    await receiver.next()
    for (const wrong of [{ signal: 'soon' }, { signl: new AbortController().signal }, 5]) {
      expect(await rejectionOf(receiver.next(wrong as never))).toBeInstanceOf(TypeError)
    }
    expect(receiver.stats).toMatchObject({ accepted: 0, inHand: 1 })
    expect((await receiver.next()).value?.id).toBe('1')
    await receiver.close()
  })

  it('that has fired before accepts nothing', async () => {
    const { made, receive } = await senderTo()
    void made.sendBatch(numbered(2)).catch(() => undefined)
    const receiver = await receive()
    await receiver.next()
    expect(await rejectionOf(receiver.next({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
    expect(receiver.stats).toMatchObject({ accepted: 0, inHand: 1 })
    await receiver.close()
  })
})

it('a message that is acknowledged although its loop accepts by itself is settled once', async () => {
  const { made, receive } = await senderTo()
  const sent = made.sendBatch(numbered(4))
  const receiver = await receive()
  await until(() => receiver.stats.waiting === 4)
  for (const message of await take(receiver, 3)) receiver.acknowledge(message)
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
    const { made, receive } = await senderTo()
    const results = numbered(8).map((message) => made.send(message))
    const first = await receive({ autoAck: false })
    const inHand = await take(first, 5)
    first.connection.destroy()
    const second = await receive({ autoAck: false })
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
    expect(await Promise.all(results)).toEqual(Array(8).fill(ACKNOWLEDGED))
    expectBalance(made.stats, [first, second], 'settled')
    await second.close()
  })

  it('is no loss where the receiver noticed the end before the next connection came', async () => {
    const { made, receive } = await senderTo({ minBackoffMs: 50 })
    const sent = made.sendBatch(numbered(2))
    const first = await receive({ autoAck: false })
    const [zero, one] = (await take(first, 2)) as [SOCMessage, SOCMessage]
    first.connection.destroy()
    expect((await first.next()).done).toBe(true)
    first.acknowledge(zero)
    const second = await receive({ autoAck: false })
    void second.next()
    await pause(30)
    expect(second.stats.delivered).toBe(0)
    first.acknowledge(one)
    await sent
    expectBalance(made.stats, [first, second], 'settled')
    await second.close()
  })
})

it('a receiver that is closed with messages in hand gives them back, and counts how often', async () => {
  const { made, receive } = await senderTo()
  const sent = made.sendBatch(numbered(4))
  for (let round = 1; round <= 3; ++round) {
    const receiver = await receive({ autoAck: false })
    const messages = await take(receiver, 2)
    expect(messages.map(({ id, deliveries }) => [id, deliveries])).toEqual([
      ['0', round],
      ['1', round],
    ])
    await receiver.close()
    expectBalance(undefined, [receiver])
  }
  const last = await receive()
  void (async () => {
    for await (const message of last) expect(message.deliveries).toBe(Number(message.id) < 2 ? 4 : 1)
  })()
  await sent
  await last.close()
})

it('a message that is handed out in the turn in which its receiver is closed has been given back', async () => {
  const { made, receive } = await senderTo()
  const sent = made.sendBatch(numbered(1))
  const receiver = await receive({ autoAck: false })
  const [message] = await take(receiver, 1)
  const next = receiver.next()
  message?.release()
  const closing = receiver.close()
  const { value: late } = await next
  expect(late).toMatchObject({ id: '0', deliveries: 2 })
  receiver.acknowledge(late as SOCMessage)
  await closing
  const other = await receive({ autoAck: false })
  const [again] = await take(other, 1)
  expect(again).toMatchObject({ id: '0', deliveries: 3 })
  other.acknowledge(again as SOCMessage)
  expect(await sent).toEqual(ACKNOWLEDGED)
  expectBalance(made.stats, [receiver, other], 'settled')
  await other.close()
})

it('a receiver that is closed has told everything that is settled, however many gaps there are', async () => {
  const { made, receive } = await senderTo()
  void made.sendBatch(numbered(1000)).catch(() => undefined)
  const receiver = await receive({ autoAck: false, ackDelayMs: 1000 })
  const messages = await take(receiver, 1000)
  receiver.acknowledge(messages.filter((_, i) => i % 2 === 1))
  await receiver.close()
  await until(() => made.stats.acknowledged === 500)
  expectBalance(made.stats, [receiver])
})

it('a sender that does not number its messages has them settled in this process alone', async () => {
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
