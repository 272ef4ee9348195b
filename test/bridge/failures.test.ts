// A part of a bridge that fails ends the bridge: once, with the error of the part, and with everything else released.

import { describe, expect, it, onTestFinished, vi } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { CheckpointSaver } from '../../lib/bridge/checkpoint-saver.js'
import { InBridge } from '../../lib/bridge/in-bridge.js'
import { InboundLog } from '../../lib/bridge/inbound-log.js'
import type { DeliveryEvent } from '../../lib/delivery/sender/options.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf, until } from '../support/wait.js'
import { MemoryBroker, MemorySource } from './memory-broker.js'

const states = (events: readonly BridgeEvent[]): unknown[] =>
  events.map((event) => event.type === 'state' && event.state)

const batch = {
  host: 'h',
  type: 't',
  runs: [{ uid: 0, pid: 1, session: 'cd'.repeat(16), previous: 0, first: 1, count: 1, anchored: true }],
  lines: Buffer.from('{"type":"t","id":"1","ts":0,"payload":1}\n'),
}

/** A way in whose source counts how often it is closed. */
function wayIn(directory: string, broker = new MemoryBroker()) {
  const source = new MemorySource(broker)
  const events: BridgeEvent[] = []
  const deliveries: DeliveryEvent[] = []
  const close = vi.spyOn(source, 'close')
  const open = (): Promise<InBridge> =>
    InBridge.open({
      to: 'test',
      dial: { directory },
      source,
      checkpointMs: 5,
      onEvent: (event) => events.push(event),
      onDelivery: (event) => deliveries.push(event),
    })
  return { source, close, events, deliveries, broker, open }
}

describe('a way in', () => {
  it('fails when its local sender does', async () => {
    const directory = temporaryDirectory()
    await receiving(directory)
    const { open, close, events, deliveries, broker } = wayIn(directory)
    const bridge = await open()
    vi.spyOn(InboundLog.prototype, 'read').mockImplementation(() => {
      throw new Error('cannot read')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    broker.store({ ...batch, id: '1' })
    expect(await rejectionOf(bridge.ended)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'spool-failed' })
    expect(bridge.state).toBe('failed')
    expect(states(events)).toEqual(['running', 'failed'])
    expect(deliveries.filter(({ type }) => type === 'failed')).toHaveLength(1)
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('that cannot claim its consumer leaves no sender behind', async () => {
    const directory = temporaryDirectory()
    const { connections } = await receiving(directory)
    const { open, close, source, deliveries } = wayIn(directory)
    vi.spyOn(CheckpointSaver.prototype, 'claim').mockImplementation(async () => {
      await until(() => connections.length === 1)
      throw new Error('refused')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    vi.spyOn(source, 'close').mockRejectedValue(new Error('close failed'))
    expect(await rejectionOf(open())).toMatchObject({ message: 'refused' })
    await until(() => connections[0]?.closed === true)
    expect(deliveries.some(({ type }) => type === 'closed')).toBe(true)
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('fails when its source stops reading', async () => {
    const directory = temporaryDirectory()
    const { open, source, events } = wayIn(directory)
    source.read = () => ({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
    })
    const bridge = await open()
    expect(await rejectionOf(bridge.ended)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(states(events)).toEqual(['running', 'failed'])
  })

  it('ends even if its source cannot be closed, and says so', async () => {
    const directory = temporaryDirectory()
    const { open, source } = wayIn(directory)
    const bridge = await open()
    vi.spyOn(source, 'close').mockRejectedValue(new Error('close failed'))
    expect(await rejectionOf(bridge.close())).toMatchObject({ message: 'close failed' })
    expect(await rejectionOf(bridge.ended)).toMatchObject({ message: 'close failed' })
  })
})
