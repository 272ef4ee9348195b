// What a bridge promises, against a message system in memory that loses, repeats, refuses and forgets: every message once, in
// the order of its session, whatever happens in between and whichever side is killed.

import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { Spool } from '../../lib/spool/spool.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { expectExact, localSender, message, wayIn, wayOut } from './memory-bridges.js'
import { MemoryBroker } from './memory-broker.js'

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('a bridge', () => {
  it('carries messages of several senders and types, each once and in order', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const out = await wayOut(directory, broker)
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, broker)
    const senders = [0, 1, 2].map(() => localSender(directory))
    const results = await Promise.all(
      senders.map((sender, s) => sender.sendBatch(Array.from({ length: 300 }, (_, i) => message(s, i)))),
    )
    expect(results.map(({ status }) => status)).toEqual(['acknowledged', 'acknowledged', 'acknowledged'])
    await until(() => ids.length === 900)
    expectExact(ids, 3, 300)
    expect(out.stats).toMatchObject({ received: 900, delivered: 900, pending: 0, duplicates: 0 })
    await until(() => back.stats.delivered === 900 && broker.acknowledged === broker.items.length)
    expect(back.stats).toMatchObject({ received: 900, pending: 0, duplicates: 0, repeated: 0 })
  })

  it('accepts a message only once the message system has it', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    broker.isUp = false
    await wayOut(directory, broker)
    const sender = localSender(directory)
    let settled = false
    const sent = sender.send(message(0, 0)).then(({ status }) => {
      settled = true
      return status
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(settled).toBe(false)
    broker.isUp = true
    expect(await sent).toBe('acknowledged')
    expect(broker.items).toHaveLength(1)
  })

  it('puts a batch that was refused in front of those that were not', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    let puts = 0
    // The second batch is refused once, while those behind it are stored.
    broker.fate = () => (++puts === 2 ? 'refuse' : 'store')
    const out = await wayOut(directory, broker, { maxBatchMessages: 1 })
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, broker)
    await localSender(directory).sendBatch(Array.from({ length: 20 }, (_, i) => message(0, i)))
    await until(() => ids.length >= 20)
    expectExact(ids, 1, 20)
    expect(out.stats.repeated).toBeGreaterThan(0)
    // What was stored too early was skipped, and came again.
    expect(back.stats.repeated).toBeGreaterThan(0)
  })

  it.each([1, 2, 3, 4, 5, 6])(
    'is exact under faults of all kinds and kills on both sides, seed %i',
    async (seed) => {
      const directory = temporaryDirectory()
      const random = seeded(seed)
      const broker = new MemoryBroker(random() < 0.5 ? 64 : 1)
      broker.fate = () => {
        const chance = random()
        return chance < 0.05 ? 'lose' : chance < 0.1 ? 'lose-ack' : chance < 0.13 ? 'refuse' : 'store'
      }
      const spooled = seed % 2 === 0
      const options = async (): Promise<object> => ({
        maxBatchMessages: 1 + Math.floor(random() * 8),
        maxInFlight: 1 + Math.floor(random() * 8),
        ...(spooled && { spool: await Spool.open({ directory: join(directory, 'spool') }) }),
      })
      const { ids } = await receiving(directory)
      let out = await wayOut(directory, broker, await options())
      let back = await wayIn(directory, broker)
      const senders = [0, 1, 2].map(() => localSender(directory))
      const each = 400
      const sending = senders.map(async (sender, s) => {
        for (let i = 0; i < each;) {
          const count = Math.min(each - i, 1 + Math.floor(random() * 20))
          void sender.sendBatch(Array.from({ length: count }, (_, j) => message(s, i + j)))
          i += count
          await new Promise((resolve) => setTimeout(resolve, random() * 4))
        }
      })
      for (let kills = 0; kills < 8; ++kills) {
        await new Promise((resolve) => setTimeout(resolve, 10 + random() * 30))
        const chance = random()
        if (chance < 0.4) {
          await out.close({ timeoutMs: 1 })
          out = await wayOut(directory, broker, await options())
        } else if (chance < 0.8) {
          await back.close({ timeoutMs: 1 })
          back = await wayIn(directory, broker)
        } else {
          broker.isUp = false
          await new Promise((resolve) => setTimeout(resolve, 10))
          broker.isUp = true
        }
      }
      await Promise.all(sending)
      await Promise.all(senders.map((sender) => sender.flush()))
      await until(() => ids.length >= 3 * each, 60_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
      expectExact(ids, 3, each)
    },
    120_000,
  )
})
