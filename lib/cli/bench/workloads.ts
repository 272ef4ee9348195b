// The workloads of bench, over this library and over net with NDJSON: a stream of messages in one direction, and round
// trips of single messages. Both sides parse every payload and run in separate processes.

import type { Socket } from 'node:net'

import { AbortController, monotonicMs, setImmediate } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import type { Library } from '../kit/load.js'

/** Messages written at once in the stream. */
export const BATCH = 100

export interface Workload {
  readonly kind: 'ours' | 'net'
  readonly what: 'stream' | 'round-trip'
  readonly address: string
  /** Bytes of text in each payload. */
  readonly bytes: number
  readonly durationMs: number
}

function payloadOf(bytes: number): { text: string; n: number } {
  return { text: 'x'.repeat(bytes), n: 0 }
}

/** The sending side of the stream: sends for the given time, then ends. */
export async function streamOurs(
  library: Library,
  connection: Connection,
  workload: Workload,
): Promise<void> {
  const sender = new library.Sender(connection, 'bench')
  const payload = payloadOf(workload.bytes)
  const endMs = monotonicMs() + workload.durationMs
  while (monotonicMs() < endMs) {
    const batch = Array.from({ length: BATCH }, () => library.newSOCMessage('soc_event', payload))
    await sender.sendBatch(batch)
  }
  await sender.close()
}

export async function streamNet(socket: Socket, workload: Workload): Promise<void> {
  const payload = payloadOf(workload.bytes)
  const endMs = monotonicMs() + workload.durationMs
  while (monotonicMs() < endMs) {
    const lines = Array.from(
      { length: BATCH },
      () => `${JSON.stringify({ type: 'soc_event', id: String(Date.now()), ts: 0, payload })}\n`,
    )
    const room = socket.write(lines.join(''))
    // Even with room, the event loop needs a turn, to free the memory of written chunks.
    await new Promise<void>((resolve) => {
      if (room) setImmediate(resolve)
      else socket.once('drain', resolve)
    })
  }
  await new Promise<void>((resolve) => socket.end(resolve))
}

/** The counts of a receiver. */
export interface Received {
  readonly messages: number
  readonly elapsedMs: number
}

/** Counts messages from the first one on. */
class Count {
  #messages = 0
  #startMs: number | undefined

  add({ n }: { readonly n: number }): void {
    this.#startMs ??= monotonicMs()
    if (n === 0) ++this.#messages
  }

  end(): Received {
    return { messages: this.#messages, elapsedMs: monotonicMs() - (this.#startMs ?? monotonicMs()) }
  }
}

export async function receiveOurs(library: Library, connection: Connection): Promise<Received> {
  const count = new Count()
  for await (const batch of new library.Receiver(connection, 'bench').batches()) {
    for (const message of batch) count.add(message.payload as { n: number })
  }
  return count.end()
}

/** Calls `onMessage` with each parsed line. */
export function readLines(
  socket: Socket,
  onMessage: (message: { payload: { n: number } }) => void,
): Promise<void> {
  socket.setEncoding('utf8')
  let rest = ''
  socket.on('data', (chunk: Buffer | string) => {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onMessage(JSON.parse(line) as { payload: { n: number } })
  })
  return new Promise((resolve) => {
    socket.once('close', () => {
      resolve()
    })
  })
}

export async function receiveNet(socket: Socket): Promise<Received> {
  const count = new Count()
  await readLines(socket, ({ payload }) => {
    count.add(payload)
  })
  return count.end()
}

/** Sends one message after the other and waits for each to come back. Returns how long each took, in milliseconds. */
export async function roundTripsOurs(
  library: Library,
  connection: Connection,
  workload: Workload,
  signal: AbortSignal,
): Promise<number[]> {
  const sender = new library.Sender(connection, 'bench')
  const receiver = new library.Receiver(connection, 'bench')
  const payload = payloadOf(workload.bytes)
  const durations: number[] = []
  const endMs = monotonicMs() + workload.durationMs
  for (let nowMs = monotonicMs(); nowMs < endMs && !signal.aborted;) {
    await sender.send(library.newSOCMessage('soc_event', payload))
    const { value } = await receiver.next({ signal })
    if ((value?.payload as { n: number } | undefined)?.n !== 0)
      throw new Error('the peer ended the connection')
    const afterMs = monotonicMs()
    durations.push(afterMs - nowMs)
    nowMs = afterMs
  }
  return durations
}

export async function roundTripsNet(
  socket: Socket,
  workload: Workload,
  signal: AbortSignal,
): Promise<number[]> {
  const payload = payloadOf(workload.bytes)
  const durations: number[] = []
  let onBack: (() => void) | undefined
  const ended = new AbortController()
  void readLines(socket, () => onBack?.()).then(() => {
    ended.abort()
    onBack?.()
  })
  const endMs = monotonicMs() + workload.durationMs
  for (let nowMs = monotonicMs(); nowMs < endMs && !signal.aborted;) {
    const back = new Promise<void>((resolve) => {
      onBack = resolve
    })
    socket.write(`${JSON.stringify({ type: 'soc_event', id: String(Date.now()), ts: 0, payload })}\n`)
    await back
    if (ended.signal.aborted) throw new Error('the peer ended the connection')
    const afterMs = monotonicMs()
    durations.push(afterMs - nowMs)
    nowMs = afterMs
  }
  return durations
}

/** Sends everything back. */
export async function echoOurs(library: Library, connection: Connection): Promise<void> {
  const sender = new library.Sender(connection, 'bench')
  for await (const message of new library.Receiver(connection, 'bench')) await sender.send(message)
}

export async function echoNet(socket: Socket): Promise<void> {
  await readLines(socket, (message) => {
    socket.write(`${JSON.stringify(message)}\n`)
  })
}
