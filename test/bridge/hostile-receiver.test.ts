// Local receivers and message systems that state more to a way in than was ever sent.

import { describe, expect, it, onTestFinished } from 'vitest'

import { pause } from '../../lib/base/timing.js'
import type { BridgeDeadLetter, BridgeEvent } from '../../lib/bridge/bridge.js'
import { MOST_AHEAD } from '../../lib/bridge/inbound-log.js'
import { InBridge } from '../../lib/bridge/in-bridge.js'
import type { DeliveryEvent } from '../../lib/delivery/sender/options.js'
import { ackLine, GREETING, hello, rawPeer, receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { MemoryBroker, MemorySource } from './memory-broker.js'

describe('a receiver behind a way in', () => {
  it.each([
    ['rejects numbers that were never sent', { ranges: [[1, 9e15, 'no']] }],
    ['accepts numbers that were never sent', { ranges: [[5e6, 5e6]] }],
    ['has everything, also what was never sent', { through: 5e6 }],
  ])('that %s loses its connection, and the bridge goes on', async (_what, said) => {
    const directory = temporaryDirectory()
    const { sockets, lines } = await rawPeer(directory)
    const deliveries: DeliveryEvent[] = []
    const events: BridgeEvent[] = []
    const bridge = await InBridge.open({
      to: 'test',
      dial: { directory },
      source: new MemorySource(new MemoryBroker()),
      onEvent: (event) => events.push(event),
      onDelivery: (event) => deliveries.push(event),
    })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => lines.length > 0)
    sockets[0]?.write(ackLine(hello(lines).session, 0, { ...GREETING, ...said }))
    await until(() => sockets.length > 1 && deliveries.some((event) => 'error' in event))
    expect(deliveries.find((event) => 'error' in event)).toMatchObject({ error: { reason: 'beyond' } })
    expect(bridge.state).toBe('running')
    expect(events.map((event) => event.type === 'state' && event.state)).toEqual(['running'])
  })
})

describe('a way in that is far ahead of its checkpoint', () => {
  it('saves one at once, and reads no more until it is saved', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const broker = new MemoryBroker()
    const each = 1 << 16
    const batches = MOST_AHEAD / each + 1
    const run = { uid: 0, pid: 1, session: 'cd'.repeat(16), count: each, anchored: true }
    const lines = Buffer.from('{"type":"t","id":"1","ts":0,"payload":1}\n'.repeat(each))
    for (let i = 0; i < batches; ++i) {
      const runs = [{ ...run, previous: i * each, first: i * each + 1 }]
      broker.items.push({ position: i + 1, batch: { host: 'h', type: 't', runs, lines } })
    }
    const source = new MemorySource(broker)
    const save = source.saveCheckpoint.bind(source)
    let saves = 0
    let go = (): void => undefined
    const held = new Promise<void>((resolve) => (go = resolve))
    source.saveCheckpoint = async (bytes) => {
      if (++saves > 1) await held
      await save(bytes)
    }
    const bridge = await InBridge.open({ to: 'test', dial: { directory }, source, checkpointMs: 60_000 })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => bridge.stats.delivered === MOST_AHEAD && saves === 2)
    expect(bridge.stats.received).toBe(MOST_AHEAD)
    go()
    await until(() => bridge.stats.delivered === batches * each)
    expect(ids).toHaveLength(batches * each)
  }, 60_000)
})

describe('a message system with items that no bridge has stored', () => {
  const run = { uid: 0, pid: 1, session: 'cd'.repeat(16), previous: 0, first: 1, anchored: true }
  const batch = { host: 'h', type: 't' }
  const lineOf = (id: string): string => `{"type":"t","id":"${id}","ts":0}\n`

  it('may hold more messages in one item than the bridge is ever ahead, also for the next bridge', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const broker = new MemoryBroker()
    const count = 2 * MOST_AHEAD + 2
    broker.store({
      ...batch,
      id: 'a',
      runs: [{ ...run, count }],
      lines: Buffer.from(lineOf('1').repeat(count)),
    })
    const first = new MemorySource(broker)
    const dead: BridgeDeadLetter[] = []
    const hasDead = async (letter: BridgeDeadLetter): Promise<void> => void dead.push(letter)
    first.putDeadLetter = hasDead
    const save = first.saveCheckpoint.bind(first)
    let saves = 0
    // The receiver gets to know the messages, and no checkpoint does.
    first.saveCheckpoint = async (bytes) => {
      if (++saves > 1) throw new Error('lost')
      await save(bytes)
    }
    const before = await InBridge.open({ to: 'test', dial: { directory }, source: first, checkpointMs: 10 })
    await until(() => before.stats.delivered === count || dead.length > 0)
    await before.close({ timeoutMs: 1 })
    // The next messages of the same session are not taken to be missing.
    const runs = [{ ...run, previous: count, first: count + 1, count: 1, anchored: false }]
    broker.store({ ...batch, id: 'b', runs, lines: Buffer.from(lineOf('after')) })
    const second = new MemorySource(broker)
    second.putDeadLetter = hasDead
    const bridge = await InBridge.open({ to: 'test', dial: { directory }, source: second })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => ids.at(-1) === 'after')
    expect(dead.at(-1)).toMatchObject({ ...batch, reason: 'not-a-batch' })
    expect(dead.at(-1)?.data).toHaveLength(lineOf('1').length * count)
  }, 60_000)

  it('makes one dead letter of an item with many lines that are not messages', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const broker = new MemoryBroker()
    const count = 2000
    const lines = Buffer.from(lineOf('1') + 'x\n'.repeat(count - 2) + lineOf('2'))
    broker.store({ ...batch, id: 'a', runs: [{ ...run, count }], lines })
    const bridge = await InBridge.open({ to: 'test', dial: { directory }, source: new MemorySource(broker) })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => ids.length === 2 && broker.letters.length > 0)
    expect(broker.letters).toMatchObject([{ ...batch, reason: 'invalid' }])
    expect(broker.letters[0]?.data.toString()).toBe('x\n'.repeat(count - 2))
  })

  it('does not make the bridge hold more than its bound while dead letters cannot be stored', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const broker = new MemoryBroker()
    const data = Buffer.alloc(1 << 16, 'x')
    for (let i = 0; i < 20; ++i) broker.storeForeign(data)
    for (let i = 0; i < 20; ++i) {
      const lines = Buffer.concat([data, Buffer.from('\n')])
      broker.store({ ...batch, id: `a${i}`, runs: [{ ...run, first: i + 1, count: 1 }], lines })
    }
    const runs = [{ ...run, first: 21, count: 1 }]
    broker.store({ ...batch, id: 'b', runs, lines: Buffer.from(lineOf('after')) })
    const source = new MemorySource(broker)
    let refuses = true
    const put = source.putDeadLetter.bind(source)
    source.putDeadLetter = async (letter) => {
      if (refuses) throw new Error('no permission')
      await put(letter)
    }
    const bridge = await InBridge.open({ to: 'test', dial: { directory }, source, maxBytes: 1 << 18 })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => bridge.stats.batches >= 4)
    await pause(100, undefined, 'the test')
    expect(bridge.stats.batches).toBeLessThanOrEqual(5)
    expect(bridge.stats.pendingBytes).toBeGreaterThanOrEqual(1 << 18)
    refuses = false
    await until(() => ids.includes('after'))
    expect(broker.letters).toHaveLength(40)
    await until(() => bridge.stats.pendingBytes === 0)
  })
})

describe('a message system that states more messages than a batch has lines', () => {
  it('does not keep the bridge busy with them', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const broker = new MemoryBroker()
    const run = { uid: 0, pid: 1, session: 'cd'.repeat(16), previous: 0, first: 1, anchored: true }
    const lines = (...names: string[]): Buffer =>
      Buffer.from(names.map((id) => `{"type":"t","id":"${id}","ts":0,"payload":1}\n`).join(''))
    const batch = { host: 'h', type: 't' }
    broker.store({ ...batch, id: 'a', runs: [{ ...run, count: 1 }], lines: lines('1') })
    // The first line is known, so the others are cut out.
    broker.store({ ...batch, id: 'b', runs: [{ ...run, count: 9e9 }], lines: lines('1', '2') })
    const other = { ...run, session: 'ef'.repeat(16), count: 1 }
    broker.store({ ...batch, id: 'c', runs: [other], lines: lines('3') })
    const bridge = await InBridge.open({ to: 'test', dial: { directory }, source: new MemorySource(broker) })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }))
    await until(() => ids.includes('3'))
    expect(ids).toEqual(['1', '2', '3'])
  })
})
