// Many senders at one bridge, and many hosts at one way in: nothing is lost, batches stay large, and a checkpoint stays small.

import { expect, it, onTestFinished } from 'vitest'

import type { BatchRun } from '../../lib/bridge/bridge.js'
import { InBridge } from '../../lib/bridge/in-bridge.js'
import { OutBridge } from '../../lib/bridge/out-bridge.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { MemoryBroker, MemorySink, MemorySource } from './memory-broker.js'

const SENDERS = 1000
const EACH = 30
const TYPES = ['soc_event', 'soc_incident', 'audit']

it('1,000 senders that mix types share one bridge and large batches', async () => {
  const directory = temporaryDirectory()
  const broker = new MemoryBroker()
  const out = await OutBridge.open({
    from: 'out',
    listen: {
      directory,
      backlog: 1024,
      maxConnections: 2000,
      maxConnectionsPerUser: 2000,
      maxNewConnectionsPerSecondPerUser: 100_000,
    },
    sink: new MemorySink(broker),
    host: 'h',
  })
  const { ids } = await receiving(directory)
  const back = await InBridge.open({
    to: 'test',
    dial: { directory },
    source: new MemorySource(broker),
    checkpointMs: 10,
  })
  const senders = Array.from(
    { length: SENDERS },
    () => new AcknowledgedSender('out', { directory, maxBackoffMs: 500, heartbeatMs: 60_000 }),
  )
  onTestFinished(async () => {
    await Promise.all(senders.map((sender) => sender.close({ timeoutMs: 1 }).catch(() => undefined)))
    await out.close({ timeoutMs: 1 })
    await back.close({ timeoutMs: 1 })
  })
  await Promise.all(
    senders.map((sender, s) =>
      sender.sendBatch(
        Array.from({ length: EACH }, (_, i) => newSOCMessage(TYPES[i % 3] as string, i, { id: `${s}:${i}` })),
      ),
    ),
  )
  await until(() => ids.length >= SENDERS * EACH, 60_000)
  const next = new Map<string, number>()
  for (const id of ids) {
    const [sender = '', number = ''] = id.split(':')
    expect(Number(number)).toBe(next.get(sender) ?? 0)
    next.set(sender, Number(number) + 1)
  }
  expect(ids).toHaveLength(SENDERS * EACH)
  // Each sender changes its type with every message. One at a time that would be a batch for each.
  expect(broker.items.length).toBeLessThan((SENDERS * EACH) / 10)
  await until(() => back.stats.delivered === SENDERS * EACH && broker.acknowledged === broker.items.length)
  expect(broker.checkpoint?.bytes.length).toBeLessThan(SENDERS * 22 + 200)
}, 120_000)

it('a way in remembers the sessions of 10,000 hosts, and takes their repetitions for what they are', async () => {
  const directory = temporaryDirectory()
  const broker = new MemoryBroker(0)
  const { ids } = await receiving(directory)
  const back = await InBridge.open({ to: 'test', dial: { directory }, source: new MemorySource(broker) })
  onTestFinished(() => back.close({ timeoutMs: 1 }))
  const store = (host: number, first: number): void => {
    const session = host.toString(16).padStart(32, '0')
    const run: BatchRun = { uid: 0, pid: 1, session, previous: first - 1, first, count: 1, anchored: true }
    const lines = Buffer.from(`{"type":"soc_event","id":"${host}:${first}","ts":0}\n`)
    broker.store({ id: '', host: `host-${host}`, type: 'soc_event', runs: [run], lines })
  }
  const hosts = 10_000
  for (let host = 0; host < hosts; ++host) store(host, 1)
  for (let host = 0; host < hosts; ++host) store(host, 1)
  await until(() => ids.length >= hosts && back.stats.duplicates === hosts)
  expect(new Set(ids).size).toBe(hosts)
  await until(() => broker.acknowledged === 2 * hosts)
  expect(broker.checkpoint?.bytes.length).toBeLessThan(hosts * 22 + 200)
}, 60_000)
