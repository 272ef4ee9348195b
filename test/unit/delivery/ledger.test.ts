// What a receiving process remembers of its senders: everything that may come again, and nothing else.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger, type ForgottenSession } from '../../../lib/delivery/receiver/ledger.js'
import type { Listener } from '../../../lib/connection/listener.js'
import { rawSender, receiving, sender, SESSION } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

const hex = (number: number): string => number.toString(16).padStart(32, '0')

/** A session that comes and goes; with `lines`, it leaves before it hears what became of them. */
async function visit(
  listener: Listener,
  ledger: DeliveryLedger,
  session: string,
  lines: number,
): Promise<number> {
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
  let seen = 0
  const reading = (async () => {
    for await (const { id } of receiver) if (id !== '') ++seen
  })()
  raw.state({ session, next: 1, lowest: 1 })
  for (let number = 1; number <= lines; ++number) raw.line(number)
  await until(() => seen + receiver.stats.duplicates === lines && raw.lines.length > 0)
  raw.socket.end()
  await reading.catch(() => undefined)
  await receiver.close()
  return seen
}

describe('the ledger', () => {
  it('does not remember sessions of which nothing can come again, however many there are', async () => {
    const listener = await listening(temporaryDirectory())
    const ledger = new DeliveryLedger({ maxSessionsPerUser: 4 })
    expect(await visit(listener, ledger, SESSION, 3)).toBe(3)
    for (let i = 0; i < 20; ++i) await visit(listener, ledger, hex(i), 0)
    expect(ledger.stats).toEqual({ sessions: 1, forgotten: 0 })
    expect(await visit(listener, ledger, SESSION, 3)).toBe(0)
  })

  it('says so when the limit makes it forget one that may come again', async () => {
    const listener = await listening(temporaryDirectory())
    const forgotten: ForgottenSession[] = []
    const ledger = new DeliveryLedger({
      maxSessionsPerUser: 4,
      onForgotten: (session) => forgotten.push(session),
    })
    for (let i = 0; i < 6; ++i) await visit(listener, ledger, hex(i), 2)
    expect(ledger.stats.forgotten).toBe(1)
    expect(forgotten).toEqual([{ uid: process.getuid?.() ?? -1, session: hex(0), settledThrough: 2 }])
    expect(await visit(listener, ledger, hex(5), 2)).toBe(0)
    expect(await visit(listener, ledger, hex(0), 2)).toBe(2)
  })

  it('is empty when its senders have gone in peace', async () => {
    const directory = temporaryDirectory()
    const ledger = new DeliveryLedger()
    const { receivers } = await receiving(directory, { ledger })
    const made = sender(directory)
    await made.sendBatch(numbered(100))
    await made.close()
    await until(() => receivers[0]?.connection.closed === true && ledger.size === 0)
    expect(ledger.stats).toEqual({ sessions: 0, forgotten: 0 })
  })

  it('begins where an earlier process was, in order and out of order', async () => {
    const listener = await listening(temporaryDirectory())
    const ledger = new DeliveryLedger()
    const uid = process.getuid?.() ?? -1
    ledger.resumeFrom({ uid, session: SESSION, sequence: 2 }, [4, 6])
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger, autoAck: false })
    raw.state({ next: 1, lowest: 1 })
    for (let number = 1; number <= 7; ++number) raw.line(number)
    const seen = []
    for (let i = 0; i < 3; ++i) seen.push((await receiver.next()).value)
    expect(seen.map((message) => message?.id)).toEqual(['3', '5', '7'])
    expect(seen.map((message) => message && receiver.positionOf(message))).toEqual(
      [3, 5, 7].map((sequence) => ({ uid, session: SESSION, sequence })),
    )
    await receiver.close()
  })

  it.each([
    [{ uid: 0, session: 'x', sequence: 1 }, TypeError],
    [{ uid: 0, session: SESSION, sequence: -1 }, RangeError],
    [{ uid: -1, session: SESSION, sequence: 1 }, RangeError],
  ])('refuses the position %j', (position, type) => {
    expect(() => {
      new DeliveryLedger().resumeFrom(position)
    }).toThrow(type)
    expect(() => new DeliveryLedger({ maxSessionsPerUser: 0 })).toThrow(RangeError)
  })

  it.each([[[1, Number.NaN]], [[1, 0]], [[2.5]], [[-1]]])('refuses the finished numbers %j', (finished) => {
    const ledger = new DeliveryLedger()
    expect(() => {
      ledger.resumeFrom({ uid: 0, session: SESSION, sequence: 1 }, finished)
    }).toThrow(RangeError)
    expect(ledger.size).toBe(0)
  })
})
