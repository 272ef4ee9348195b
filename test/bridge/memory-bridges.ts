// Bridges over a message system in memory for tests: each ends with its test.

import { expect, onTestFinished } from 'vitest'

import { InBridge } from '../../lib/bridge/in-bridge.js'
import { OutBridge } from '../../lib/bridge/out-bridge.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { type MemoryBroker, MemorySink, MemorySource } from './memory-broker.js'

const quick = { minBackoffMs: 1, maxBackoffMs: 5 }

/** A way out from the local name `out`. `more` are options of OutBridge. */
export async function wayOut(directory: string, broker: MemoryBroker, more: object = {}): Promise<OutBridge> {
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

/** A way in to the local name `test`, where `receiving` listens. `more` are options of InBridge. */
export async function wayIn(directory: string, broker: MemoryBroker, more: object = {}): Promise<InBridge> {
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

/** A sender to {@link wayOut}. */
export function localSender(directory: string): AcknowledgedSender {
  const made = new AcknowledgedSender('out', { directory, minBackoffMs: 1, maxBackoffMs: 10 })
  onTestFinished(() => made.close({ timeoutMs: 1 }).catch(() => undefined))
  return made
}

const types = ['soc_event', 'soc_incident', 'audit.log *>']

/** A message whose id names its sender and its number. The types change after each third one. */
export const message = (sender: number, i: number): ReturnType<typeof newSOCMessage> =>
  newSOCMessage(types[Math.floor(i / 3) % 3] as string, { i }, { id: `${sender}:${i}` })

/** Every id once, and those of each sender in order. */
export function expectExact(ids: readonly string[], senders: number, each: number): void {
  for (let sender = 0; sender < senders; ++sender) {
    const mine = ids.filter((id) => id.startsWith(`${sender}:`)).map((id) => Number(id.split(':')[1]))
    expect(mine).toEqual(Array.from({ length: each }, (_, i) => i))
  }
  expect(ids).toHaveLength(senders * each)
}
