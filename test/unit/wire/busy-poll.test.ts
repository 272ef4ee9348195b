// Busy polling delivers messages, does not starve other work of the event loop, and stops when it does not pay.

import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { PollWord } from '../../../lib/binding/abi.js'
import { pollWords, toPollRequest } from '../../../lib/wire/busy-poll.js'
import type { BusyPollOptions } from '../../../lib/wire/busy-poll.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'

const busyPoll = { maxMicroseconds: 50 }

/** How often the thread has waited in a loop, and how often in vain. */
function polls(): { all: number; lost: number } {
  const lost = pollWords[PollWord.lost] as number
  return { all: (pollWords[PollWord.gained] as number) + lost, lost }
}

/** Returns how long each answer took, in milliseconds. */
async function toAndFro(connection: Connection, receiver: Receiver, times: number): Promise<number[]> {
  const sender = new Sender(connection, 'questions')
  const took = []
  for (let i = 0; i < times; ++i) {
    const begin = performance.now()
    await sender.send(newSOCMessage('soc_event', i))
    expect((await receiver.next()).value?.payload).toBe(i)
    took.push(performance.now() - begin)
  }
  return took
}

/** A connection to a process that answers each message. */
async function answeredBy(options: BusyPollOptions): Promise<Connection> {
  const directory = temporaryDirectory()
  const listener = await listening(directory, { busyPoll: options })
  const child = startChild('answering', { directory, busyPoll: options })
  await child.report()
  return listener.accept()
}

/** Messages that come one at a time, with so long between them. */
async function slowly(receiver: Receiver, sender: Sender, times: number): Promise<void> {
  for (let i = 0; i < times; ++i) {
    const next = receiver.next()
    await sleep(1)
    await sender.send(newSOCMessage('soc_event', i))
    expect((await next).value?.payload).toBe(i)
  }
}

describe('busy polling', () => {
  // First: a thread whose polls were in vain, as those of other tests are, polls at one wait in 1,025 only.
  it.skipIf(availableParallelism() < 2)(
    'has the answer of another process without sleeping',
    { timeout: 60_000 },
    async ({ skip }) => {
      const connection = await answeredBy({ maxMicroseconds: 1000 })
      const receiver = new Receiver(connection, 'answers')
      const before = polls()
      const gained = (): number => polls().all - polls().lost - (before.all - before.lost)
      // Where other processes are busy, it may take a while until both have a processor at a time.
      const giveUp = performance.now() + 20_000
      const took = []
      while (gained() === 0 && performance.now() < giveUp)
        took.push(...(await toAndFro(connection, receiver, 20)))
      const median = took.toSorted((a, b) => a - b)[took.length >> 1] as number
      // An emulated processor, for one, may never answer within the longest poll of 1 ms.
      skip(gained() === 0 && median > 0.25, `an answer takes ${median.toFixed(2)} ms here`)
      expect(gained()).toBeGreaterThan(0)
    },
  )

  it.each([0, -1, 1.5, 1001, NaN])('refuses to poll for %f µs', (maxMicroseconds) => {
    expect(() => toPollRequest({ maxMicroseconds })).toThrow(RangeError)
  })

  it('brings every message, in order, and then the end', async () => {
    const pair = await connectedPair()
    const sender = new Sender(pair.client, 's')
    const receiver = new Receiver(pair.server, 'r', { busyPoll })
    const sent = Array.from({ length: 3000 }, (_, i) =>
      newSOCMessage('soc_event', { i, text: 'x'.repeat(i % 700) }),
    )
    const sending = sender.sendBatch(sent).then(() => sender.close())
    const received: unknown[] = []
    for await (const { payload } of receiver) received.push(payload)
    await sending
    expect(received).toEqual(sent.map(({ payload }) => payload))
  })

  it(
    'is taken over from the connection, and is done at waits of its receivers',
    { timeout: 60_000 },
    async () => {
      const pair = await connectedPair({ busyPoll })
      const receiver = new Receiver(pair.server, 'r')
      const sender = new Sender(pair.client, 's')
      const before = polls().all
      // After polls in vain, as those of the tests before may be, one wait in 1,025 polls. A poll that something else of
      // the event loop ends is not counted, and the next wait polls again.
      for (let waits = 0; polls().all === before && waits < 2050; waits += 10)
        await slowly(receiver, sender, 10)
      expect(polls().all - before).toBeGreaterThan(0)
    },
  )

  it('stops by itself when nothing comes', async () => {
    const pair = await connectedPair()
    const before = polls()
    const waiting = new Receiver(pair.server, 'r', { busyPoll }).next()
    await sleep(50)
    expect(polls().all - before.all).toBeLessThanOrEqual(1)
    await new Sender(pair.client, 's').send(newSOCMessage('soc_event', 1))
    expect((await waiting).value?.payload).toBe(1)
  })

  it('is left alone where it is not wanted', async () => {
    const pair = await connectedPair({ busyPoll })
    const before = polls()
    await slowly(new Receiver(pair.server, 'r', { busyPoll: false }), new Sender(pair.client, 's'), 10)
    expect(polls()).toEqual(before)
  })

  it('is given up by default where messages take their time', async () => {
    const pair = await connectedPair()
    const before = polls()
    await slowly(new Receiver(pair.server, 'r'), new Sender(pair.client, 's'), 300)
    // After each loss in a row it is tried a quarter as often.
    expect(polls().lost - before.lost).toBeLessThanOrEqual(6)
  })

  it('lets timers and other connections have their turn while messages go to and fro without end', async () => {
    const connection = await answeredBy({ maxMicroseconds: 1000 })
    const other = await connectedPair()
    const receiver = new Receiver(connection, 'answers')
    // Were they starved, this would go on until the test is given up.
    let over = false
    let rounds = 0
    const talking = (async () => {
      while (!over) {
        await toAndFro(connection, receiver, 10)
        rounds += 10
      }
    })()
    await slowly(new Receiver(other.server, 'r'), new Sender(other.client, 's'), 20)
    over = true
    await talking
    expect(rounds).toBeGreaterThan(0)
  })

  it('gives the end to one who waits when the connection is closed here', async () => {
    const pair = await connectedPair()
    const receiver = new Receiver(pair.server, 'r', { busyPoll })
    const waiting = receiver.next()
    await receiver.close()
    expect(await waiting).toEqual({ value: undefined, done: true })
  })
})
