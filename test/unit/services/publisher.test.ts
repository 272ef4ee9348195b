// Publisher: one encoding for all subscribers, filters, a bound each, and subscribers that stall or go.

import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { Publisher, type PublisherOptions } from '../../../lib/services/publisher.js'
import type { Subscriber } from '../../../lib/services/subscriber.js'
import { temporaryDirectory } from '../../support/directory.js'
import { idsFrom, numbered } from '../../support/messages.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

interface Pair {
  readonly client: Connection
  readonly server: Connection
}

async function pairs(count: number): Promise<Pair[]> {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made: Pair[] = []
  for (let i = 0; i < count; ++i) {
    const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    made.push({ client, server })
  }
  onTestFinished(() => {
    for (const { client, server } of made) {
      client.destroy()
      server.destroy()
    }
  })
  return made
}

async function pair(): Promise<Pair> {
  const [made] = await pairs(1)
  return made as Pair
}

/** A publisher with one subscriber that reads nothing and has taken what the kernel holds. */
async function stalled(
  options: PublisherOptions,
): Promise<Pair & { publisher: Publisher; subscriber: Subscriber; sent: number }> {
  const made = await pair()
  const publisher = new Publisher(options)
  const subscriber = publisher.add(made.server)
  let sent = 0
  while (subscriber.stats.pending === 0) {
    publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000), { id: String(sent++) }))
    await Promise.resolve()
    await Promise.resolve()
  }
  return { ...made, publisher, subscriber, sent }
}

const adds = ({ stats }: Subscriber): boolean =>
  stats.offered === stats.written + stats.pending + stats.dropped

async function idsUntilEnd(connection: Connection): Promise<number[]> {
  const ids: number[] = []
  for await (const { id } of new Receiver(connection, 'r')) ids.push(Number(id))
  return ids
}

describe('Publisher', () => {
  it('publishes to all subscribers, in order', async () => {
    const made = await pairs(5)
    const publisher = new Publisher()
    const reading = made.map(({ client }) => idsFrom(new Receiver(client, 'r'), 1000))
    for (const { server } of made) publisher.add(server)
    for (const message of numbered(1000)) publisher.publish(message)
    const ids = Array.from({ length: 1000 }, (_, i) => String(i))
    expect(await Promise.all(reading)).toEqual(Array(5).fill(ids))
    expect([...publisher.subscribers].map(({ stats }) => stats)).toEqual(
      Array(5).fill({ offered: 1000, written: 1000, pending: 0, pendingBytes: 0, dropped: 0 }),
    )
    expect(publisher.published).toBe(1000)
  })

  it('publishes every kind of message byte for byte as a sender sends it', async () => {
    const [{ client, server }, other] = (await pairs(2)) as [Pair, Pair]
    const received = (async () => {
      const { value } = await new Receiver(other.client, 'f').next()
      return value
    })()
    await new Sender(other.server, 's').send(newSOCMessage('soc_event', { forwarded: 'ü' }, { id: 'f' }))
    const forwarded = await received
    const messages = [
      newSOCMessage('soc_event', { a: 1 }),
      newSOCMessage('soc_heartbeat'),
      newSOCMessage('custom "type"', 'ü\u2028', { id: '', timestamp: -5 }),
      newSOCMessage('raw', rawJSON('{"n":12345678901234567890}'), { id: 'r' }),
      newSOCMessage('raw', rawJSON(Buffer.from('[1]')), { id: 'b' }),
      newSOCMessage('soc_event', 'x'.repeat(200_000), { id: 'large' }),
      ...(forwarded === undefined ? [] : [forwarded]),
    ]
    const publisher = new Publisher()
    publisher.add(server)
    const reading = (async () => {
      const got = []
      for await (const { type, id, timestamp, rawPayload } of new Receiver(client, 'r')) {
        got.push({ type, id, timestamp, rawPayload })
      }
      return got
    })()
    for (const message of messages) publisher.publish(message)
    await publisher.close()
    expect(await reading).toEqual(
      messages.map(({ type, id, timestamp, rawPayload }) => ({
        type,
        id,
        timestamp,
        rawPayload: type === 'raw' && id === 'b' ? '[1]' : rawPayload,
      })),
    )
  })

  it('refuses what is no message, and publishes nothing of it', async () => {
    const { client, server } = await pair()
    const publisher = new Publisher()
    publisher.add(server)
    const publish = (message: unknown) => () => {
      publisher.publish(message as never)
    }
    expect(publish(newSOCMessage('t', rawJSON('{')))).toThrow(/not one JSON value/)
    expect(publish(newSOCMessage('t', rawJSON('1\n2')))).toThrow(/not one JSON value/)
    expect(publish(newSOCMessage('t', 'x'.repeat(2_000_000)))).toThrow(/2000068 bytes/)
    expect(publish({ type: 't' })).toThrow(/publish takes a SOCMessage, not a plain object/)
    publisher.publish(newSOCMessage('t', 1, { id: '7' }))
    const reading = idsUntilEnd(client)
    await publisher.close()
    expect(await reading).toEqual([7])
    expect(publish(newSOCMessage('t'))).toThrow(/the publisher is closed/)
    expect(() => publisher.add(server)).toThrow(/the publisher is closed/)
  })

  it('gives each subscriber the types that it wants', async () => {
    const made = await pairs(4)
    const publisher = new Publisher()
    const wanted = [['a'], ['b', 'a'], ['none'], undefined]
    const reading = made.map(({ client }) => idsUntilEnd(client))
    for (const [i, { server }] of made.entries()) {
      const types = wanted[i]
      publisher.add(server, types === undefined ? {} : { types })
    }
    for (let i = 0; i < 90; ++i) {
      publisher.publish(newSOCMessage('abc'.charAt(i % 3), i, { id: String(i) }))
      if (i % 7 === 0) await Promise.resolve()
    }
    await publisher.close()
    const all = Array.from({ length: 90 }, (_, i) => i)
    expect(await Promise.all(reading)).toEqual([
      all.filter((i) => i % 3 === 0),
      all.filter((i) => i % 3 < 2),
      [],
      all,
    ])
    expect(() => new Publisher().add(made[0]?.server as Connection, { types: 'a' })).toThrow(/not a string/)
  })

  it('gives a new subscriber nothing that was published before', async () => {
    const [first, second] = (await pairs(2)) as [Pair, Pair]
    const publisher = new Publisher()
    const reading = [idsUntilEnd(first.client), idsUntilEnd(second.client)]
    publisher.add(first.server)
    expect(() => publisher.add(first.server)).toThrow(/subscriber already/)
    publisher.publish(newSOCMessage('t', 1, { id: '1' }))
    publisher.add(second.server)
    publisher.publish(newSOCMessage('t', 1, { id: '2' }))
    await publisher.close()
    expect(await Promise.all(reading)).toEqual([[1, 2], [2]])
  })

  it('shares a connection with a sender, whose lines stay whole', async () => {
    const { client, server } = await pair()
    const publisher = new Publisher({ maxPendingBytes: 64 << 20 })
    const sender = new Sender(server, 's')
    const subscriber = publisher.add(server)
    const sends = []
    for (let i = 0; i < 2000; ++i) {
      publisher.publish(newSOCMessage('p', 'x'.repeat(500), { id: String(i) }))
      sends.push(sender.send(newSOCMessage('s', rawJSON('"raw"'), { id: String(i) })))
      if (i % 10 === 0) await Promise.resolve()
    }
    const ids: Record<string, number[]> = { p: [], s: [] }
    const receiver = new Receiver(client, 'r')
    for (let i = 0; i < 4000; ++i) {
      const { value } = await receiver.next()
      ids[value?.type ?? '']?.push(Number(value?.id))
    }
    await Promise.all(sends)
    const all = Array.from({ length: 2000 }, (_, i) => i)
    expect(ids).toEqual({ p: all, s: all })
    expect(subscriber.stats).toMatchObject({ written: 2000, dropped: 0 })
  })

  it('forgets subscribers whose connection ends, and those that unsubscribe', async () => {
    const made = await pairs(3)
    const publisher = new Publisher()
    const [first, second, third] = made.map(({ server }) => publisher.add(server))
    made[0]?.server.destroy()
    second?.unsubscribe()
    await until(() => [...publisher.subscribers].length === 1)
    publisher.publish(newSOCMessage('t'))
    await Promise.resolve()
    expect([first, second, third].map((subscriber) => subscriber?.stats.offered)).toEqual([0, 0, 1])
    expect(made[1]?.server.closed).toBe(false)
    made[2]?.client.destroy() // noticed although the connection is not read
    await until(() => [...publisher.subscribers].length === 0)
  })
})

describe('A subscriber that does not read', () => {
  const maxPendingBytes = 20_000

  it('loses the oldest messages that wait', async () => {
    const { client, publisher, subscriber, sent } = await stalled({ maxPendingBytes: maxPendingBytes * 20 })
    for (let i = sent; i < sent + 5000; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000), { id: String(i) }))
      if (i % 5 === 0) await Promise.resolve()
      expect(subscriber.stats.pendingBytes).toBeLessThanOrEqual(maxPendingBytes * 20 + 70_000)
      expect(adds(subscriber)).toBe(true)
    }
    await Promise.resolve()
    const { dropped, pendingBytes } = subscriber.stats
    expect(dropped).toBeGreaterThan(4000)
    expect(pendingBytes).toBeLessThanOrEqual(maxPendingBytes * 20)
    expect(pendingBytes).toBeGreaterThan(maxPendingBytes * 9)
    const reading = idsUntilEnd(client)
    await publisher.close()
    const ids = await reading
    expect(ids.at(-1)).toBe(sent + 4999)
    expect(ids).toHaveLength(sent + 5000 - dropped)
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
    expect(subscriber.stats).toMatchObject({ pending: 0, dropped })
  })

  it('loses no more than needed where the bound is below a batch', async () => {
    const { client, publisher, subscriber, sent } = await stalled({ maxPendingBytes: 5000 })
    for (let i = sent; i < sent + 50; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(100), { id: String(i) }))
    }
    await Promise.resolve()
    expect(adds(subscriber)).toBe(true)
    const reading = idsUntilEnd(client)
    await publisher.close()
    expect((await reading).at(-1)).toBe(sent + 49)
    expect(subscriber.stats.dropped).toBeGreaterThan(0)
  })

  it('loses the newest messages, with one hole, under drop-newest', async () => {
    const { client, publisher, subscriber, sent } = await stalled({ maxPendingBytes, onFull: 'drop-newest' })
    for (let i = sent; i < sent + 500; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000), { id: String(i) }))
      if (i % 5 === 0) await Promise.resolve()
      expect(adds(subscriber)).toBe(true)
    }
    await Promise.resolve()
    const { dropped } = subscriber.stats
    expect(dropped).toBeGreaterThan(400)
    const receiver = new Receiver(client, 'r')
    const ids = (await idsFrom(receiver, sent + 500 - dropped)).map(Number)
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, i) => i))
    await until(() => subscriber.stats.pending === 0)
    publisher.publish(newSOCMessage('soc_event', 1, { id: 'again' }))
    expect((await receiver.next()).value?.id).toBe('again')
  })

  it('is disconnected under disconnect', async () => {
    const { server, publisher, subscriber } = await stalled({ maxPendingBytes, onFull: 'disconnect' })
    for (let i = 0; i < 500; ++i) publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000)))
    await server.whenClosed()
    expect([...publisher.subscribers]).toEqual([])
    expect(subscriber.stats.pending).toBe(0)
    expect(adds(subscriber)).toBe(true)
  })

  it('does not keep close from ending', async () => {
    const { publisher, server, subscriber } = await stalled({})
    await publisher.close({ timeoutMs: 30 })
    expect(server.closed).toBe(true)
    expect(subscriber.stats.dropped).toBeGreaterThan(0)
    expect(adds(subscriber)).toBe(true)
  })

  it('keeps nothing from the others', async () => {
    const made = await pairs(3)
    const publisher = new Publisher({ maxPendingBytes })
    for (const { server } of made) publisher.add(server)
    const total = 20_000
    const [, ...others] = made
    const reading = others.map(async ({ client }) => {
      const ids = []
      for await (const run of new Receiver(client, 'r').batches())
        for (const { id } of run) ids.push(Number(id))
      return ids
    })
    for (let i = 0; i < total; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(100), { id: String(i) }))
      if (i % 20 === 0) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const [slow, ...quick] = publisher.subscribers
    await until(() => quick.every(({ stats }) => stats.pending === 0))
    for (const { stats } of quick) expect(stats).toMatchObject({ written: total, dropped: 0 })
    expect(slow?.stats.dropped).toBeGreaterThan(0)
    await publisher.close({ timeoutMs: 20 })
    const all = Array.from({ length: total }, (_, i) => i)
    expect(await Promise.all(reading)).toEqual([all, all])
  })
})
