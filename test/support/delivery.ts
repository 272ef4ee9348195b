// Both ends of acknowledged delivery for tests: senders that dial again at once, receivers that note what they hand out, peers
// that say what the test wants, and the sums that must hold at both ends and between them.

import { connect, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import type { Listener } from '../../lib/connection/listener.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import type { AcknowledgedSenderOptions, AcknowledgedSenderStats } from '../../lib/delivery/sender/options.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../lib/delivery/receiver/ledger.js'
import type {
  AcknowledgingReceiverOptions,
  AcknowledgingReceiverStats,
} from '../../lib/delivery/receiver/options.js'
import type { SOCMessage } from '../../lib/message/message.js'
import { imbalanceOf, type Totals } from './delivery-sums.js'
import { temporaryDirectory } from './directory.js'
import { listening } from './pair.js'
import { servePlainly } from './plain-server.js'
import { socketIn } from './platform.js'

const quick = { minBackoffMs: 1, maxBackoffMs: 20 }

/** A sender that dials again at once, closed when the test ends. */
export function sender(directory: string, options: AcknowledgedSenderOptions = {}): AcknowledgedSender {
  const made = new AcknowledgedSender('test', { directory, ...quick, ...options })
  onTestFinished(async () => {
    expectBalance(made.stats)
    await made.close({ timeoutMs: 1 }).catch(() => undefined)
    expectBalance(made.stats)
  })
  return made
}

/** A listener, and a sender that dials it. Receivers of its connections share a ledger. */
export async function senderTo(options: AcknowledgedSenderOptions = {}): Promise<{
  readonly made: AcknowledgedSender
  readonly listener: Listener
  /** The receiver of the next connection. */
  readonly receive: (options?: AcknowledgingReceiverOptions) => Promise<AcknowledgingReceiver>
}> {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const ledger = new DeliveryLedger()
  const made = sender(directory, options)
  return {
    made,
    listener,
    receive: async (receiverOptions = {}) => {
      const connection = await listener.accept()
      onTestFinished(() => {
        connection.destroy()
      })
      return new AcknowledgingReceiver(connection, 'r', { ledger, ...receiverOptions })
    },
  }
}

/** Takes the next messages of a receiver. */
export async function take(receiver: AcknowledgingReceiver, count: number): Promise<SOCMessage[]> {
  const messages: SOCMessage[] = []
  while (messages.length < count) messages.push((await receiver.next()).value as SOCMessage)
  return messages
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
  const stop = (): void => {
    listener.close()
    for (const connection of connections) connection.destroy()
  }
  onTestFinished(() => {
    stop()
    expectBalance(undefined, receivers)
  })
  return { ids, receivers, connections, stop }
}

/** Fails the test unless the counts of each end add up; with `settled`, also those of both ends together. */
export function expectBalance(
  sender: AcknowledgedSenderStats | undefined,
  receivers: readonly { readonly stats: AcknowledgingReceiverStats }[] = [],
  settled?: 'settled',
): void {
  const totals: Totals = {
    senders: sender === undefined ? [] : [sender],
    receivers: receivers.map(({ stats }) => stats),
    settled: settled !== undefined,
  }
  expect(imbalanceOf(totals)).toEqual([])
}

/** Whether the counters of a sender add up. */
export function sums(made: AcknowledgedSender): boolean {
  return imbalanceOf({ senders: [made.stats], receivers: [], settled: false }).length === 0
}

export const idsTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

/** A peer that sends what the test makes it send. */
export async function rawPeer(directory: string): Promise<{ sockets: Socket[]; lines: string[] }> {
  const sockets: Socket[] = []
  const lines: string[] = []
  await servePlainly(socketIn(directory), (socket) => {
    sockets.push(socket)
    noteLines(socket, lines)
  })
  return { sockets, lines }
}

function noteLines(socket: Socket, lines: string[]): void {
  let rest = ''
  socket.on('data', (bytes) => {
    const parts = (rest + bytes.toString()).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
}

export const SESSION = 'ab'.repeat(16)

/** A sender that sends what the test makes it send, connected to a listener. */
export function rawSender(address: string): {
  socket: Socket
  lines: string[]
  state(statement: object): void
  line(sequence: number, payload?: unknown): void
} {
  const socket = connect(address)
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  const lines: string[] = []
  noteLines(socket, lines)
  return {
    socket,
    lines,
    state: (statement) => {
      const payload = { version: 2, session: SESSION, heartbeat_ms: 1000, ...statement }
      socket.write(`${JSON.stringify({ type: 'soc_heartbeat', id: 'sentinel-delivery', ts: 0, payload })}\n`)
    },
    line: (sequence, payload = sequence) => {
      socket.write(
        `${JSON.stringify({ type: 'soc_event', id: String(sequence), ts: 0, payload, seq: sequence })}\n`,
      )
    },
  }
}

/** An acknowledgement as a line; with `greeting`, the first one of a connection. */
export function ackLine(session: string, through: number, more: object = {}): string {
  const payload = { session, through, ...more }
  return `${JSON.stringify({ type: 'soc_ack', id: 'sentinel-delivery', ts: 0, payload })}\n`
}

export const GREETING = {
  takes: { version: 2, max_bytes: 1 << 20, max_depth: 256, heartbeat_ms: 1000 },
}

interface Stated {
  readonly session: string
  readonly next: number
  readonly lowest: number
  readonly heartbeat_ms: number
}

/** The statement that a sender began with. */
export function hello(lines: string[]): Stated {
  return (JSON.parse(lines[0] ?? '') as { payload: Stated }).payload
}
