// Bridges over a real NATS server for tests: each ends with its test.

import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { hostname } from 'node:os'
import { onTestFinished } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { bridgeCommand } from '../../lib/bridge/command.js'
import { InBridge } from '../../lib/bridge/in-bridge.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { NatsSource } from '../../lib/bridge/nats-source.js'
import { OutBridge } from '../../lib/bridge/out-bridge.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { NatsServer } from './nats-server.js'

export const host = hostname()

/** Starts a server that ends with the test. */
export async function server(directory: string, config = ''): Promise<NatsServer> {
  const started = await NatsServer.start(directory, config)
  onTestFinished(() => started.kill())
  return started
}

/** A way out from the local name `out`. `more` are options of OutBridge. */
export async function wayOut(directory: string, servers: string, more: object = {}): Promise<OutBridge> {
  const bridge = await OutBridge.open({
    from: 'out',
    listen: { directory },
    sink: new NatsSink({ servers, ackTimeoutMs: 1000 }),
    host,
    ...more,
  })
  onTestFinished(() => bridge.close({ timeoutMs: 1 }).catch(() => undefined))
  return bridge
}

/** A way in to the local name `test`, where `receiving` listens. `more` are options of NatsSource. */
export async function wayIn(
  directory: string,
  servers: string,
  more: object = {},
  onEvent: (event: BridgeEvent) => void = () => undefined,
): Promise<InBridge> {
  const bridge = await InBridge.open({
    to: 'test',
    dial: { directory },
    source: new NatsSource({ servers, consumer: 'in', ...more }),
    checkpointMs: 10,
    onEvent,
  })
  onTestFinished(() => bridge.close({ timeoutMs: 1 }).catch(() => undefined))
  return bridge
}

/** A sender to {@link wayOut}. */
export function localSender(directory: string, more: object = {}): AcknowledgedSender {
  const options = { directory, minBackoffMs: 1, maxBackoffMs: 20, ...more }
  const made = new AcknowledgedSender('out', options)
  onTestFinished(() => made.close({ timeoutMs: 1 }).catch(() => undefined))
  return made
}

export const message = (i: number, type = 'soc_event'): ReturnType<typeof newSOCMessage> =>
  newSOCMessage(type, { i }, { id: String(i) })

export const messagesTo = (count: number): ReturnType<typeof newSOCMessage>[] =>
  Array.from({ length: count }, (_, i) => message(i))

/** Calls `work` with a manager of streams and consumers. */
export async function managing<Value>(
  servers: string,
  work: (manager: JetStreamManager) => Promise<Value>,
): Promise<Value> {
  const nc = await connect({ servers })
  try {
    return await work(await jetstreamManager(nc))
  } finally {
    await nc.close()
  }
}

/** A command under way. */
export interface Run {
  readonly code: Promise<number>
  readonly out: () => string
  readonly errors: () => string
  readonly stop: () => void
}

/** Runs `sentinel-ipc bridge` until it ends, or the test does. */
export function run(...argv: string[]): Run {
  let out = ''
  let errors = ''
  const controller = new AbortController()
  const code = bridgeCommand(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (errors += text) },
    signal: controller.signal,
  })
  const stop = (): void => {
    controller.abort()
  }
  onTestFinished(async () => {
    stop()
    await code
  })
  return { code, out: () => out, errors: () => errors, stop }
}
