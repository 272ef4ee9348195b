// What a bridge promises, against a message system in memory that loses, repeats, refuses and forgets: every message once, in
// the order of its session, whatever happens in between and whichever side is killed.

import { writevSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { InBridge } from '../../lib/bridge/in-bridge.js'
import { OutBridge } from '../../lib/bridge/out-bridge.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { dial } from '../../lib/connection/dial.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { LogFiles } from '../../lib/spool/log-files.js'
import { Spool } from '../../lib/spool/spool.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf, until } from '../support/wait.js'
import { MemoryBroker, MemorySink, MemorySource } from './memory-broker.js'

const quick = { minBackoffMs: 1, maxBackoffMs: 5 }

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function wayOut(directory: string, broker: MemoryBroker, more: object = {}): Promise<OutBridge> {
  const bridge = await OutBridge.open({
    from: 'out',
    listen: { directory },
    sink: new MemorySink(broker),
    host: 'h.1',
    ...quick,
    ...more,
  })
  onTestFinished(() => bridge.close({ timeoutMs: 1 }).catch(() => undefined))
  return bridge
}

async function wayIn(directory: string, broker: MemoryBroker, more: object = {}): Promise<InBridge> {
  const bridge = await InBridge.open({
    to: 'test',
    dial: { directory },
    source: new MemorySource(broker),
    checkpointMs: 5,
    ...more,
  })
  onTestFinished(() => bridge.close({ timeoutMs: 1 }).catch(() => undefined))
  return bridge
}

function localSender(directory: string): AcknowledgedSender {
  const made = new AcknowledgedSender('out', { directory, minBackoffMs: 1, maxBackoffMs: 10 })
  onTestFinished(() => made.close({ timeoutMs: 1 }).catch(() => undefined))
  return made
}

const types = ['soc_event', 'soc_incident', 'audit.log *>']
const message = (sender: number, i: number): ReturnType<typeof newSOCMessage> =>
  newSOCMessage(types[Math.floor(i / 3) % 3] as string, { i }, { id: `${sender}:${i}` })

/** Every id once, and those of each sender in order. */
function expectExact(ids: readonly string[], senders: number, each: number): void {
  for (let sender = 0; sender < senders; ++sender) {
    const mine = ids.filter((id) => id.startsWith(`${sender}:`)).map((id) => Number(id.split(':')[1]))
    expect(mine).toEqual(Array.from({ length: each }, (_, i) => i))
  }
  expect(ids).toHaveLength(senders * each)
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

describe('the way out', () => {
  it('gathers a trickle of messages into few batches', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const out = await wayOut(directory, broker, { gatherMs: 400 })
    const sender = localSender(directory)
    for (let i = 0; i < 20; ++i) {
      void sender.send(newSOCMessage('soc_event', i))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(() => out.stats.delivered === 20)
    expect(broker.items.length).toBeLessThan(8)
  })

  it('tells repetitions of a sender without numbers from new messages', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker(1)
    let puts = 0
    broker.fate = () => (++puts % 3 === 1 ? 'lose-ack' : 'store')
    await wayOut(directory, broker, { maxBatchMessages: 5 })
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const sender = new Sender(await dial('out', { directory }), 's')
    for (let i = 0; i < 50; ++i) await sender.send(message(0, i))
    await until(() => ids.length >= 50)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expectExact(ids, 1, 50)
    void sender.close()
  })

  it('makes a dead letter of a message that the system finds too large, and goes on', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const out = await wayOut(directory, broker)
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const sender = localSender(directory)
    const text = JSON.stringify('x'.repeat(3000))
    await until(() => sender.state === 'acknowledging')
    broker.limits = { maxBatchBytes: 1000, maxLineBytes: 2000 }
    await sender.sendBatch([
      message(0, 0),
      newSOCMessage('soc_event', rawJSON(text), { id: 'large' }),
      ...Array.from({ length: 30 }, (_, i) => message(0, i + 1)),
    ])
    await until(() => ids.length >= 31)
    expectExact(ids, 1, 31)
    expect(broker.letters).toMatchObject([{ reason: 'too-large', host: 'h.1', type: 'soc_event' }])
    expect(out.stats).toMatchObject({ deadLetters: 1, pending: 0 })
  })

  it('accepts into its spool while the system is away, until that is full; then senders wait', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const spool = await Spool.open({ directory: join(directory, 'spool'), maxBytes: 20_000 })
    const out = await wayOut(directory, broker, { spool, maxBytes: 1 << 16, maxBatchMessages: 16 })
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    broker.isUp = false
    const sender = localSender(directory)
    const payload = 'x'.repeat(200)
    let accepted = 0
    for (let i = 0; i < 1000; ++i) {
      const sent = newSOCMessage('soc_event', { i, payload }, { id: `0:${i}` })
      void sender.send(sent).then(
        () => ++accepted,
        () => undefined,
      )
    }
    await until(() => accepted > 20)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(accepted).toBeLessThan(200)
    expect(out.stats.pendingBytes).toBeLessThan(1 << 18)
    expect(sender.pending).toBeGreaterThan(700)
    broker.isUp = true
    await until(() => ids.length >= 1000)
    expectExact(ids, 1, 1000)
  })
})

describe('a spool whose disk fails for good', () => {
  it('ends the way out, and the next one delivers everything once', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const path = join(directory, 'spool')
    const out = await wayOut(directory, broker, { spool: await Spool.open({ directory: path }) })
    const sender = localSender(directory)
    await sender.send(message(0, 0))
    vi.spyOn(LogFiles.prototype, 'write').mockImplementationOnce(({ descriptor }, buffers, position) => {
      writevSync(descriptor, buffers, position)
      return Promise.reject(new Error('EIO'))
    })
    vi.spyOn(LogFiles.prototype, 'truncate').mockRejectedValue(new Error('EIO'))
    onTestFinished(() => void vi.restoreAllMocks())
    const sent = sender.sendBatch([message(0, 1), message(0, 2)])
    expect(await rejectionOf(out.ended)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'maybe-kept' })
    expect(out.state).toBe('failed')
    vi.restoreAllMocks()
    await wayOut(directory, broker, { spool: await Spool.open({ directory: path }) })
    await sent
    await until(() => ids.length >= 3)
    expectExact(ids, 1, 3)
  })
})

describe('the way in', () => {
  it('makes dead letters of what is no batch and of what the receiver rejects', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    await wayOut(directory, broker)
    const sender = localSender(directory)
    const text = JSON.stringify('x'.repeat(3000))
    await sender.sendBatch([
      message(0, 0),
      newSOCMessage('soc_event', rawJSON(text), { id: 'large' }),
      message(0, 1),
    ])
    broker.storeForeign(Buffer.from('not ours'))
    await sender.send(message(0, 2))
    const { ids } = await receiving(directory, { maxMessageBytes: 2000, onInvalid: 'skip' })
    const back = await wayIn(directory, broker)
    await until(() => ids.length >= 3 && broker.letters.length === 2)
    expectExact(ids, 1, 3)
    expect(broker.letters.map(({ reason }) => reason).sort()).toEqual(['not-a-batch', 'too-large'])
    await until(() => broker.acknowledged === broker.items.length)
    expect(back.stats.deadLetters).toBe(2)
  })

  it('does not pass on what could speak for the bridge, or cannot be numbered', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const { ids, connections } = await receiving(directory)
    await wayIn(directory, broker)
    const line = (id: string, type = 'soc_event', rest = ''): string =>
      `{"type":"${type}","id":"${id}","ts":0}${rest}\n`
    const lines = [
      line('0:0'),
      line('sentinel-delivery', 'soc_heartbeat'),
      line('\\u0073entinel-delivery', 'soc_ack'),
      line('0:1'),
      line('0:x', 'soc_event', ' '),
      line('0:2'),
      'not json\n',
      line('0:3'),
    ]
    const run = { uid: 0, pid: 1, session: 'ab'.repeat(16), previous: 0, first: 1, count: 8, anchored: true }
    broker.store({ id: 'x', host: 'h', type: 'soc_event', runs: [run], lines: Buffer.from(lines.join('')) })
    await until(() => ids.length >= 4 && broker.acknowledged === 1)
    expectExact(ids, 1, 4)
    expect(broker.letters.map(({ reason }) => reason)).toEqual(['invalid', 'invalid', 'invalid', 'invalid'])
    expect(connections).toHaveLength(1)
  })

  it('stops when another bridge takes over its consumer', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    await wayOut(directory, broker)
    await receiving(directory)
    const first = await wayIn(directory, broker)
    await wayIn(directory, broker)
    await localSender(directory).send(message(0, 0))
    broker.wake()
    await expect(first.ended).rejects.toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    expect(first.state).toBe('failed')
  })

  it('reads no more than its bound while no receiver is there', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    await wayOut(directory, broker, { maxBatchMessages: 10 })
    const back = await wayIn(directory, broker, { maxBytes: 1 << 16 })
    const sender = localSender(directory)
    const payload = 'x'.repeat(400)
    for (let i = 0; i < 1000; ++i) void sender.send(newSOCMessage('soc_event', { payload }, { id: `0:${i}` }))
    await sender.flush()
    await until(() => back.stats.pendingBytes > 60_000)
    expect(back.stats.pendingBytes).toBeLessThan(80_000)
    const { ids } = await receiving(directory)
    await until(() => ids.length >= 1000)
    expectExact(ids, 1, 1000)
  })
})

describe('a way in that starts', () => {
  it('tries again when its first checkpoint fails', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const source = new MemorySource(broker)
    const save = source.saveCheckpoint.bind(source)
    let tries = 0
    source.saveCheckpoint = (bytes) => (++tries === 1 ? Promise.reject(new Error('lost')) : save(bytes))
    const bridge = await wayIn(directory, broker, { source })
    expect(bridge.state).toBe('running')
    expect(tries).toBe(2)
  })
})

describe('a way in that is killed before its checkpoint', () => {
  it('is followed by one that delivers nothing twice, however long the receiver waited', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    await wayOut(directory, broker)
    const { ids, connections } = await receiving(directory)
    const source = new MemorySource(broker)
    const first = await wayIn(directory, broker, { source })
    const { checkpoint } = broker
    source.saveCheckpoint = () => Promise.reject(new Error('no checkpoint any more'))
    await localSender(directory).sendBatch(Array.from({ length: 50 }, (_, i) => message(0, i)))
    await until(() => ids.length === 50 && first.stats.pending === 0)
    // Long enough for heartbeats, which tell the receiver what it can forget.
    await new Promise((resolve) => setTimeout(resolve, 1200))
    await first.close({ timeoutMs: 1 })
    expect(broker.checkpoint).toBe(checkpoint)
    expect(connections).toHaveLength(1)
    const second = await wayIn(directory, broker)
    await until(() => second.stats.delivered === 50)
    expect(second.stats.received).toBe(50)
    expectExact(ids, 1, 50)
  })
})
