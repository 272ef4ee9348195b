// Local receivers and message systems that state more to a way in than was ever sent.

import { describe, expect, it, onTestFinished } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
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
