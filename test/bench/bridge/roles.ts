// The processes of the bridge benchmark. Each gets its task as JSON, reports `ready`, waits for `go`, and reports how many
// milliseconds its work took.

import { jetstream, jetstreamManager, type PubAck } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import {
  AcknowledgedSender,
  AcknowledgingReceiver,
  DeliveryLedger,
  listen,
  newSOCMessage,
  rawJSON,
} from 'sentinel-ipc'
import { InBridge, NatsSink, NatsSource, OutBridge } from 'sentinel-ipc/nats'

import { payloadTexts, plainMessage } from '../input/line.js'

export interface Task {
  readonly role: 'client-producer' | 'client-consumer' | 'sender' | 'out' | 'in' | 'receiver'
  readonly servers: string
  readonly directory: string
  readonly messages: number
  /** Messages that the client has on their way at once. */
  readonly window: number
  /** Most messages of a batch of ours. */
  readonly batch: number
}

const CHUNK = 512

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const { directory, servers, messages, window, batch } = task

function report(value: object): void {
  process.send?.(value)
}

/** Resolves when the driver says so. */
function go(): Promise<void> {
  return new Promise((resolve) => {
    process.once('message', () => {
      resolve()
    })
    report({ ready: true })
  })
}

async function timed(work: () => Promise<void>): Promise<void> {
  await go()
  const began = performance.now()
  await work()
  report({ ms: performance.now() - began })
}

/** The client alone: each message is published and acknowledged for itself, `window` at once. */
async function clientProducer(): Promise<void> {
  const nc = await connect({ servers })
  const js = jetstream(nc)
  const lines = payloadTexts().map((_, i) => Buffer.from(JSON.stringify(plainMessage(i))))
  await timed(async () => {
    const under: Promise<PubAck>[] = []
    for (let i = 0; i < messages; ++i) {
      under.push(js.publish('sentinel.host.soc_event', lines[i % lines.length]))
      if (under.length >= window) await under.shift()
    }
    await Promise.all(under)
  })
  await nc.close()
}

/** The client alone: each message is parsed and acknowledged. */
async function clientConsumer(): Promise<void> {
  const nc = await connect({ servers })
  const manager = await jetstreamManager(nc)
  await manager.consumers.add('SENTINEL', {
    durable_name: 'client',
    ack_policy: 'explicit',
    max_ack_pending: 10_000,
  })
  const consumer = await jetstream(nc).consumers.get('SENTINEL', 'client')
  await timed(async () => {
    let left = messages
    const iterator = await consumer.consume({ max_messages: 1000 })
    for await (const message of iterator) {
      message.json()
      message.ack()
      if (--left === 0) break
    }
    await nc.flush()
  })
  await nc.close()
}

async function sender(): Promise<void> {
  const made = new AcknowledgedSender('bench-out', { directory, maxBackoffMs: 50 })
  const payloads = payloadTexts().map((text) => rawJSON(text))
  await timed(async () => {
    for (let i = 0; i < messages; i += CHUNK) {
      const count = Math.min(CHUNK, messages - i)
      void made.sendBatch(
        Array.from({ length: count }, (_, j) =>
          newSOCMessage('soc_event', payloads[(i + j) % payloads.length]),
        ),
      )
      await made.drained()
    }
    await made.flush()
  })
  await made.close()
}

async function out(): Promise<void> {
  const bridge = await OutBridge.open({
    from: 'bench-out',
    listen: { directory },
    sink: new NatsSink({ servers }),
    host: 'host',
    maxBatchMessages: batch,
    maxInFlight: batch === 1 ? window : 32,
  })
  await go()
  report({ ms: 0 })
  process.once('disconnect', () => void bridge.close({ timeoutMs: 1 }))
  await bridge.ended
}

async function inward(): Promise<void> {
  const bridge = await InBridge.open({
    to: 'bench-in',
    dial: { directory },
    source: new NatsSource({ servers, consumer: 'ours' }),
  })
  await go()
  report({ ms: 0 })
  process.once('disconnect', () => void bridge.close({ timeoutMs: 1 }))
  await bridge.ended
}

async function receiver(): Promise<void> {
  const ledger = new DeliveryLedger()
  const listener = await listen('bench-in', { directory })
  await timed(async () => {
    let left = messages
    for await (const connection of listener) {
      const made = new AcknowledgingReceiver(connection, 'bench', { ledger })
      for await (const run of made.batches()) {
        for (const message of run) if (message.payload !== undefined) --left
        if (left <= 0) break
      }
      if (left <= 0) break
    }
  })
  listener.close()
}

const roles: Readonly<Record<Task['role'], () => Promise<void>>> = {
  'client-producer': clientProducer,
  'client-consumer': clientConsumer,
  sender,
  out,
  in: inward,
  receiver,
}
await roles[task.role]()
process.exit()
