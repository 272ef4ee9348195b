// Both ends of acknowledged delivery for tests: senders that dial again at once, receivers that note what they hand out, and
// a scripted peer.

import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../lib/delivery/receiver/ledger.js'
import type { AcknowledgedSenderOptions } from '../../lib/delivery/sender/options.js'
import type { AcknowledgingReceiverOptions } from '../../lib/delivery/receiver/options.js'
import { listening } from './pair.js'
import { servePlainly } from './plain-server.js'
import { socketIn } from './platform.js'

const quick = { minBackoffMs: 1, maxBackoffMs: 20 }

/** A sender that dials again at once, closed when the test ends. */
export function sender(directory: string, options: AcknowledgedSenderOptions = {}): AcknowledgedSender {
  const made = new AcknowledgedSender('test', { directory, ...quick, ...options })
  onTestFinished(async () => {
    await made.close({ timeoutMs: 1 }).catch(() => undefined)
  })
  return made
}

/** Accepts all connections and notes what each receiver hands out. */
export async function receiving(
  directory: string,
  options: AcknowledgingReceiverOptions = {},
): Promise<{ ids: string[]; receivers: AcknowledgingReceiver[]; connections: Connection[]; stop(): void }> {
  const listener = await listening(directory)
  const ledger = options.ledger ?? new DeliveryLedger()
  const ids: string[] = []
  const receivers: AcknowledgingReceiver[] = []
  const connections: Connection[] = []
  void (async () => {
    for await (const connection of listener) {
      const receiver = new AcknowledgingReceiver(connection, 'r', { ...options, ledger })
      receivers.push(receiver)
      connections.push(connection)
      void (async () => {
        for await (const message of receiver) ids.push(message.id)
      })().catch(() => undefined)
    }
  })()
  onTestFinished(() => {
    for (const connection of connections) connection.destroy()
  })
  return {
    ids,
    receivers,
    connections,
    stop: () => {
      listener.close()
      for (const connection of connections) connection.destroy()
    },
  }
}

export const idsTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

/** Whether the counters add up. */
export function sums(made: AcknowledgedSender): boolean {
  const { accepted, acknowledged, written, pending, dropped, droppedBy } = made.stats
  const byReason = Object.values(droppedBy).reduce((sum, count) => sum + count, 0)
  return accepted === acknowledged + written + pending + dropped && dropped === byReason
}

/** A peer of which the test decides what it says. */
export async function rawPeer(directory: string): Promise<{ sockets: Socket[]; lines: string[] }> {
  const sockets: Socket[] = []
  const lines: string[] = []
  await servePlainly(socketIn(directory), (socket) => {
    sockets.push(socket)
    let rest = ''
    socket.on('data', (bytes) => {
      const parts = (rest + bytes.toString()).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
  })
  return { sockets, lines }
}

/** The position that a sender began with. */
export function hello(lines: string[]): { session: string; next: number; heartbeat_ms: number } {
  return (JSON.parse(lines[0] ?? '') as { payload: { session: string; next: number; heartbeat_ms: number } })
    .payload
}
