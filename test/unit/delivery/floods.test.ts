// Peers that make work with control messages: they are stopped after a bounded number, and each costs little whatever is in hand.
// Honest peers, however much they have to say, are not.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { ReceivedRun } from '../../../lib/delivery/receiver/received-run.js'
import { RunsInHand } from '../../../lib/delivery/receiver/runs-in-hand.js'
import { MAX_REMEMBERED, Session } from '../../../lib/delivery/receiver/session.js'
import type { DeliveryEvent } from '../../../lib/delivery/sender/options.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import {
  ackLine,
  expectBalance,
  GREETING,
  hello,
  rawPeer,
  rawSender,
  sender,
  senderTo,
  SESSION,
  take,
} from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { numbered } from '../../support/messages.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('a flood of', () => {
  type Raw = ReturnType<typeof rawSender>
  it.each<[what: string, say: (raw: Raw, i: number) => void]>([
    [
      'heartbeats',
      (raw) => {
        raw.state({ next: 1, lowest: 1 })
      },
    ],
    [
      'numbers that are given up',
      (raw, i) => {
        raw.state({ next: i + 2, lowest: 1, gone: [i + 1, i + 1] })
      },
    ],
    [
      'rising numbers',
      (raw, i) => {
        raw.state({ next: i + 2, lowest: i + 2, gone: [i + 1, i + 1] })
      },
    ],
  ])('%s ends the connection after some', async (_what, say) => {
    const listener = await listening(temporaryDirectory())
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    raw.state({ next: 1, lowest: 1 })
    for (let i = 0; i < 5000; ++i) say(raw, i)
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_INVALID_MESSAGE',
      reason: 'flood',
    })
    expect(receiver.stats.gaps).toBeLessThan(500)
    expect((await receiver.next()).done).toBe(true)
  })

  it.each([
    ['acknowledgements of nothing', {}],
    ['acknowledgements of the same', { ranges: Array(64).fill([1, 1, 'no']) as unknown }],
  ])('%s ends the connection after some', async (_what, said) => {
    const directory = temporaryDirectory()
    const { sockets, lines } = await rawPeer(directory)
    const events: DeliveryEvent[] = []
    const made = sender(directory, { onEvent: (event) => events.push(event) })
    void made.sendBatch(numbered(2)).catch(() => undefined)
    await until(() => lines.length > 0)
    const { session } = hello(lines)
    sockets[0]?.write(ackLine(session, 0, GREETING))
    await until(() => lines.length > 2)
    sockets[0]?.write(ackLine(session, 0, said).repeat(10_000))
    await until(() => events.some(({ type }) => type === 'retrying'))
    expect(events.filter(({ type }) => type === 'retrying')).toMatchObject([{ error: { reason: 'flood' } }])
    expect(events.filter(({ type }) => type === 'rejected').length).toBeLessThan(2)
  })
})

describe('no flood', () => {
  it('are heartbeats at the shortest interval', async () => {
    const { made, receive } = await senderTo({ heartbeatMs: 10, peerTimeoutMs: 60_000 })
    const receiver = await receive({ minHeartbeatMs: 10, idleTimeoutMs: 60_000 })
    void receiver.next()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(made.stats.connections).toBe(1)
    expect(made.state).toBe('acknowledging')
    await receiver.close()
  })

  it('is a jump in front of each line, with as many accepted and rejected between, all of which are told', async () => {
    const { made, receive } = await senderTo()
    const count = 6000
    const sent = made.sendBatch(numbered(count))
    const first = await receive({ autoAck: false })
    const messages = await take(first, count)
    messages.forEach((message, i) => {
      if (i % 4 === 1) first.acknowledge(message)
      else if (i % 4 === 3) message.reject(`no ${i}`)
    })
    await until(() => made.pending === count / 2)
    first.connection.destroy()
    const second = await receive({ autoAck: false })
    await first.close()
    second.acknowledge(await take(second, count / 2))
    expect(await sent).toMatchObject({ status: 'rejected', rejected: count / 4 })
    expect(made.stats.connections).toBe(2)
    expectBalance(made.stats, [first, second], 'settled')
    await second.close()
  })
})

describe('what one statement costs does not grow with what is remembered', () => {
  const COUNT = 1 << 16
  /** Processor time, which others on a busy machine do not lengthen much. */
  const within = (ms: number, work: () => void): void => {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(ms)
  }
  const reader = {
    onFenced: () => [],
    onSettled: () => undefined,
    onFreed: () => undefined,
    countInHand: () => 0,
  }

  it('messages in hand, each read apart', () => {
    const settler = { release: () => undefined, reject: () => undefined }
    const runs = new RunsInHand()
    const all: ReceivedRun[] = []
    for (let i = 1; i <= COUNT; ++i) {
      const run = new ReceivedRun(settler, [newSOCMessage('a', 1)], 2 * i, 100)
      run.handOut(0, 1)
      runs.add(run)
      all.push(run)
    }
    within(5000, () => {
      let found = 0
      for (let i = 1; i <= COUNT; ++i) found += runs.count(2 * i - 1, 2 * i + 1)
      expect(found).toBe(COUNT)
    })
    within(5000, () => {
      for (const run of all.reverse()) runs.delete(run)
    })
    expect(runs.count(1, Infinity)).toBe(0)
  })

  it('messages in hand at an earlier connection', () => {
    const session = new Session(0, SESSION, 1)
    session.attach({ ...reader, onFenced: () => Array.from({ length: COUNT }, (_, i) => 2 * i + 2) })
    session.attach(reader)
    within(5000, () => {
      let lost = 0
      for (let i = 1; i <= COUNT; ++i) lost += session.giveUp(2 * i - 1, 2 * i)
      expect(lost).toBe(COUNT)
    })
  })

  it('rejections that the sender may not know of', () => {
    const session = new Session(0, SESSION, 1)
    for (let number = 1; number <= MAX_REMEMBERED; ++number) session.reject(number, 'no', false)
    within(5000, () => {
      for (let lowest = 2; lowest <= MAX_REMEMBERED; ++lowest) session.state(lowest)
    })
    session.attach(reader)
    expect(session.acknowledgement().ranges).toEqual([[MAX_REMEMBERED, MAX_REMEMBERED, 'no']])
  })
})

it('the runs in hand are found whatever order they are handed out in', () => {
  const settler = { release: () => undefined, reject: () => undefined }
  const messages = (count: number): SOCMessage[] => numbered(count)
  const runs = new RunsInHand()
  const made = [
    [10, 5],
    [20, 1],
    [12, 1],
    [1, 3],
    [15, 2],
  ].map(([first = 0, count = 0]) => {
    const run = new ReceivedRun(settler, messages(count), first, 10)
    run.handOut(0, count)
    runs.add(run)
    runs.add(run)
    return run
  })
  const plain = new ReceivedRun(settler, messages(2), 0, 10)
  runs.add(plain)
  expect(runs.all().map(({ first }) => first)).toEqual([1, 10, 12, 15, 20, 0])
  // Number 12 is in hand in two runs here, which a dispatcher never does.
  expect([runs.count(1, 100), runs.count(3, 11), runs.count(12, 12), runs.count(17, 19)]).toEqual([
    12, 3, 2, 0,
  ])
  for (const run of [...made, plain]) runs.delete(run)
  expect(runs.all()).toEqual([])
})

it('a ledger keeps nothing of a flood', async () => {
  const listener = await listening(temporaryDirectory())
  const ledger = new DeliveryLedger()
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
  for (let i = 0; i < 200; ++i) raw.state({ next: 1, lowest: 1 })
  await rejectionOf(receiver.next())
  await receiver.next()
  expect(ledger.size).toBe(0)
})
