// What admitted peers can make this process do before its event loop gets a turn, in lines and bytes; docs/run-log.md has the
// time that it takes.

import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'

import { TurnCost } from '../../lib/binding/abi.js'
import type { Connection } from '../../lib/connection/connection.js'
import { AcknowledgingReceiver } from '../../lib/delivery/index.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { rawSender, SESSION } from '../support/delivery.js'
import { listening, rawTo, rawToReceiver } from '../support/pair.js'
import { until } from '../support/wait.js'

interface Counts {
  readonly received: number
  readonly invalid: number
  readonly bytes: number
}

/** Processor time of the longest line, with fields and without. */
interface FieldTimes {
  readonly name: string
  readonly foundMs: number
  readonly plainMs: number
}

interface Most {
  messages: number
  refused: number
  bytes: number
}

/** Between two of our own immediates lie at most two turns: one before the first reading, one after it. */
const TURNS = 2

/** The most of each that came between two turns of the event loop, until `counts` says that all is there. */
async function mostAtOnce(counts: () => Counts, done: () => boolean): Promise<Most> {
  const most = { messages: 0, refused: 0, bytes: 0 }
  let before = counts()
  while (!done()) {
    await new Promise((resolve) => setImmediate(resolve))
    const now = counts()
    most.messages = Math.max(most.messages, now.received - before.received)
    most.refused = Math.max(most.refused, now.invalid - before.invalid)
    most.bytes = Math.max(most.bytes, now.bytes - before.bytes)
    before = now
  }
  return most
}

async function drain(receiver: Receiver | AcknowledgingReceiver): Promise<void> {
  for (;;) {
    try {
      if ((await receiver.next()).done === true) return
    } catch {
      // an invalid line
    }
  }
}

function write(raw: Socket, line: string, bytes: number): number {
  const lines = Math.ceil(bytes / Buffer.byteLength(line))
  raw.write(line.repeat(lines))
  return lines
}

async function connections(count: number): Promise<{ raw: Socket; server: Connection }[]> {
  const listener = await listening(temporaryDirectory(), { maxInvalidPerSecondPerUser: Infinity })
  const pairs: { raw: Socket; server: Connection }[] = []
  for (let i = 0; i < count; ++i) pairs.push(await rawTo(listener))
  return pairs
}

const statement = `${JSON.stringify({
  type: 'soc_heartbeat',
  id: 'sentinel-delivery',
  ts: 0,
  payload: { version: 2, session: SESSION, heartbeat_ms: 1000, next: 1, lowest: 1 },
})}\n`

const MESSAGE = '{"type":"a"}\n'

describe('one turn of the event loop', () => {
  it.each([
    ['messages', MESSAGE],
    ['messages that are not ASCII', '{"type":"é"}\n'],
    ['messages with escapes', '{"type":"\\u0061"}\n'],
    ['deep messages', `{"type":"a","payload":${'['.repeat(250)}${']'.repeat(250)}}\n`],
    ['garbage', 'x\n'],
    ['open strings', '"\n'],
    ['lines that are nested too deeply', `${'['.repeat(300)}\n`],
  ])('takes a bounded number of %s', async (_what, line) => {
    const { raw, receiver } = await rawToReceiver({ maxInvalid: Infinity })
    const drained = drain(receiver)
    const lines = write(raw, line, 400_000)
    raw.end()
    const most = await mostAtOnce(
      () => receiver.stats,
      () => receiver.stats.received + receiver.stats.invalid === lines,
    )
    await drained
    expect(most.messages).toBeLessThanOrEqual(TURNS * TurnCost.units)
    expect(most.refused).toBeLessThanOrEqual((TURNS * TurnCost.units) / TurnCost.refusedLine)
  })

  it('takes a bounded number of bytes, and one long line', async () => {
    const { raw, receiver } = await rawToReceiver()
    const drained = drain(receiver)
    // Three make 1.5 times the bytes of a turn.
    const lines = write(raw, `{"type":"a","payload":[${'1,'.repeat(250_000)}1]}\n`, 6 << 20)
    raw.end()
    const most = await mostAtOnce(
      () => receiver.stats,
      () => receiver.stats.received === lines,
    )
    await drained
    expect(most.messages).toBeLessThanOrEqual(TURNS * 2)
    expect(most.bytes).toBeLessThanOrEqual(TURNS * (TurnCost.units * TurnCost.bytesPerUnit + (1 << 20)))
  })

  it('takes a bounded number of lines of all connections together, and serves each in its turn', async () => {
    const pairs = await connections(100)
    const receivers = pairs.map(({ server }) => new Receiver(server, 'receiver'))
    const drained = receivers.map(drain)
    const lines = pairs.map(({ raw }) => write(raw, MESSAGE, 60_000))[0] ?? 0
    for (const { raw } of pairs) raw.end()
    let finishedFirst = 0
    const received = (): number[] => receivers.map(({ stats }) => stats.received)
    const most = await mostAtOnce(
      () => {
        const each = received()
        if (Math.min(...each) === 0) finishedFirst = each.filter((one) => one === lines).length
        return { received: each.reduce((sum, one) => sum + one), invalid: 0, bytes: 0 }
      },
      () => received().every((one) => one === lines),
    )
    await Promise.all(drained)
    expect(most.messages).toBeLessThanOrEqual(TURNS * TurnCost.units)
    // Each takes several turns. A connection that was the only ready one before may be read once more than the others.
    expect(finishedFirst).toBeLessThanOrEqual(1)
  })

  it('is not for the lines of one connection that were kept alone, nor for those of another that arrive', async () => {
    const [one, other] = (await connections(2)) as [
      { raw: Socket; server: Connection },
      { raw: Socket; server: Connection },
    ]
    const flooded = new Receiver(one.server, 'one')
    const quiet = new Receiver(other.server, 'other')
    const drained = [drain(flooded), drain(quiet)]
    // Each read of them takes several turns.
    const lines = write(one.raw, MESSAGE, 2_000_000)
    await until(() => flooded.stats.received > 0)
    write(other.raw, MESSAGE, 100_000)
    other.raw.end()
    await drained[1]
    expect(flooded.stats.received).toBeLessThan(lines)
    one.raw.end()
    await drained[0]
    expect(flooded.stats.received).toBe(lines)
  })

  it.each([
    ['numbered messages', (i: number) => `{"type":"a","seq":${i + 1}}\n`],
    ['numbered messages with holes', (i: number) => `{"type":"a","seq":${2 * i + 1}}\n`],
    ['statements', () => statement],
    ['garbage', () => 'x\n'],
  ])('takes a bounded number of %s of an acknowledged flow', async (_what, line) => {
    const listener = await listening(temporaryDirectory(), { maxInvalidPerSecondPerUser: Infinity })
    const sender = rawSender(listener.address)
    const connection = await listener.accept()
    const receiver = new AcknowledgingReceiver(connection, 'receiver', { maxInvalid: Infinity })
    const drained = drain(receiver)
    sender.socket.write(statement)
    sender.socket.end(Array.from({ length: 10_000 }, (_, i) => line(i)).join(''))
    const most = await mostAtOnce(
      () => receiver.stats,
      () => connection.closed,
    )
    await drained
    expect(receiver.stats.bytes).toBeGreaterThan(0)
    expect(most.messages).toBeLessThanOrEqual(TURNS * TurnCost.units)
    expect(most.refused).toBeLessThanOrEqual((TURNS * TurnCost.units) / TurnCost.refusedLine)
  })

  it('notices the ends of a bounded number of unread connections', async () => {
    const pairs = await connections(300)
    for (const { raw } of pairs) raw.destroy()
    const closed = (): number => pairs.filter(({ server }) => server.closed).length
    const most = await mostAtOnce(
      () => ({ received: closed(), invalid: 0, bytes: 0 }),
      () => closed() === pairs.length,
    )
    expect(most.messages).toBeLessThanOrEqual(128)
  })

  it('takes hardly longer for the longest line if the receiver has fields, whatever its names', async () => {
    // The bytes of a turn are bounded, so the time of the longest line is what counts.
    const cases = await startChild('hostile-fields', {}).report<FieldTimes[]>()
    expect(cases.length).toBeGreaterThanOrEqual(5)
    for (const { name, foundMs, plainMs } of cases) {
      expect(foundMs, `${name}: ${foundMs} ms instead of ${plainMs} ms`).toBeLessThan(3.5 * plainMs + 1)
    }
  }, 120_000)

  it('leaves timers their turn while peers send without end', async () => {
    const { raw, receiver } = await rawToReceiver({ maxInvalid: Infinity })
    const drained = drain(receiver)
    const lines = write(raw, 'x\n', 100_000)
    let timers = 0
    const timer = setInterval(() => ++timers, 1)
    await until(() => receiver.stats.invalid === lines)
    clearInterval(timer)
    raw.end()
    await drained
    expect(timers).toBeGreaterThan(lines / ((TurnCost.units / TurnCost.refusedLine) * 20))
  })
})
