// What is remembered of one session: limits that a sender cannot push past, and reports that reach the sender whole.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { NumberFlow } from '../../../lib/delivery/receiver/number-flow.js'
import { MAX_REMEMBERED, Session } from '../../../lib/delivery/receiver/session.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { rawSender, SESSION } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

const begin = { session: SESSION, lowest: 1, heartbeatMs: 1000, gone: undefined }

function flowOf(session: Session, next: number): NumberFlow {
  return new NumberFlow(session, { ...begin, next }, { onLost: () => undefined, onRefused: () => undefined })
}

describe('a sender that never raises its lowest number', () => {
  it('is refused past the limit of rejections', () => {
    const session = new Session(0, SESSION, 1)
    for (let number = 2; number <= MAX_REMEMBERED + 1; ++number) session.reject(number, 'no', false)
    const flow = flowOf(session, MAX_REMEMBERED + 2)
    flow.onLines(MAX_REMEMBERED + 2, 1)
    session.reject(MAX_REMEMBERED + 2, 'no', false)
    expect(() => {
      flow.onLines(MAX_REMEMBERED + 3, 1)
    }).toThrow(expect.objectContaining({ reason: 'rejections' }))
  })

  it('is refused past the limit of gaps', () => {
    const session = new Session(0, SESSION, 1)
    for (let i = 1; i <= MAX_REMEMBERED + 1; ++i) session.giveUp(2 * i, 2 * i)
    const next = 2 * MAX_REMEMBERED + 4
    expect(() => {
      flowOf(session, next).onStatement({ ...begin, next })
    }).toThrow(expect.objectContaining({ reason: 'islands' }))
  })

  it('hears each rejection once on a connection, in order, whatever order they come in', () => {
    const session = new Session(0, SESSION, 1)
    const reader = {
      onFenced: () => [],
      onSettled: () => undefined,
      onFreed: () => undefined,
      countInHand: () => 0,
    }
    session.attach(reader)
    for (const number of [9, 3, 5]) session.reject(number, `no ${number}`, false)
    const all = [3, 5, 9].map((number) => [number, number, `no ${number}`])
    const accepted = [
      [3, 3],
      [5, 5],
      [9, 9],
    ]
    expect(session.acknowledgement()).toEqual({
      through: 0,
      ranges: [...all, ...accepted],
      more: false,
      later: false,
    })
    expect(session.acknowledgement().ranges).toEqual(accepted)
    session.attach({ ...reader })
    expect(session.acknowledgement().ranges.slice(0, 3)).toEqual(all)
  })
})

it('accepted ranges that do not fit into one acknowledgement follow by turns, and once all are told, no more', () => {
  const session = new Session(0, SESSION, 1)
  for (let i = 1; i <= 150; ++i) session.reject(2 * i, 'no', false)
  const reader = {
    onFenced: () => [],
    onSettled: () => undefined,
    onFreed: () => undefined,
    countInHand: () => 0,
  }
  session.attach(reader)
  const told = new Set<number>()
  let acknowledgements = 0
  for (let more = true; more; ++acknowledgements) {
    const { ranges, more: rejections, later } = session.acknowledgement()
    expect(ranges.length).toBeLessThanOrEqual(64)
    for (const [first, , reason] of ranges) if (reason === undefined) told.add(first)
    more = rejections || later
  }
  expect(told.size).toBe(150)
  expect(acknowledgements).toBeLessThan(8)
  // A heartbeat repeats some of them.
  expect(session.acknowledgement()).toMatchObject({ more: false, later: false })
})

it('rejections that do not fit into one acknowledgement follow at once', async () => {
  const listener = await listening(temporaryDirectory())
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
  raw.state({ next: 1, lowest: 1, heartbeat_ms: 3_600_000 })
  for (let number = 1; number <= 301; ++number) raw.line(number)
  // The first one stays in hand, so nothing else is acknowledged through it.
  await receiver.next()
  for (let i = 0; i < 300; ++i) ((await receiver.next()).value as SOCMessage).reject(`no ${i}`)
  await until(() => raw.lines.join('').split('"no ').length - 1 === 300)
  await receiver.close()
})

it('messages in hand are not counted as lost when their sender gives them up', async () => {
  const listener = await listening(temporaryDirectory())
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
  raw.state({ next: 1, lowest: 1 })
  for (let number = 1; number <= 3; ++number) raw.line(number)
  const messages: SOCMessage[] = []
  while (messages.length < 3) messages.push((await receiver.next()).value as SOCMessage)
  raw.state({ next: 10, lowest: 10, gone: [4, 9] })
  await until(() => receiver.stats.gaps > 0)
  expect(receiver.stats.lost).toBe(6)
  receiver.acknowledge(messages)
  expect(receiver.stats).toMatchObject({ lost: 6, accepted: 3, inHand: 0 })
  await receiver.close()
})

it('a message cannot be released for ever', async () => {
  const listener = await listening(temporaryDirectory())
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
  raw.state({ next: 1, lowest: 1 })
  raw.line(1)
  const message = (await receiver.next()).value as SOCMessage
  expect(() => {
    message.release({ delayMs: Infinity })
  }).toThrow(RangeError)
  expect(receiver.stats).toMatchObject({ inHand: 1, released: 0 })
  await expect(receiver.handle(() => undefined, { retryDelayMs: Infinity })).rejects.toThrow(RangeError)
  await receiver.close()
})
