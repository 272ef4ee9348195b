// The way in against a message system in memory: what it sets aside, how much it reads ahead, and how its checkpoints fail.

import { describe, expect, it } from 'vitest'

import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { expectExact, localSender, message, wayIn, wayOut } from './memory-bridges.js'
import { MemoryBroker, MemorySource } from './memory-broker.js'

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
