// Tracing channels for the traffic of connections: `sentinel-ipc:send` for each batch that is written, and
// `sentinel-ipc:receive` for the lines of each read that are handed over. Without subscribers no object is made. The
// check happens once per batch or read, never per message.

import { tracingChannel } from 'node:diagnostics_channel'

import type { PeerIdentity } from '../peer/peer.js'

/**
 * The message of the events of `tracing:sentinel-ipc:send:*` and `tracing:sentinel-ipc:receive:*`. All events of a
 * batch share one object.
 */
export interface BatchTrace {
  /** The `id` of the connection. */
  readonly connection: number
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  /** The peer at the other end. */
  readonly peer: PeerIdentity
  /** Lines in the batch; for a read, the lines that end in it, valid or not. */
  readonly lines: number
  /** Bytes of the batch or the read; 0 if the lines are the rest of an earlier read. */
  readonly bytes: number
  /** In `error` events: why the batch could not be written. */
  readonly error?: unknown
}

/** The connection that a batch belongs to. */
export interface TraceSource {
  readonly id: number
  readonly address: string
  readonly peer: PeerIdentity
}

const sends = tracingChannel<BatchTrace, BatchTrace>('sentinel-ipc:send')
const receives = tracingChannel<BatchTrace, BatchTrace>('sentinel-ipc:receive')

/** Whether anything subscribes to batches that are written. */
export function tracesSends(): boolean {
  return sends.hasSubscribers
}

/** Whether anything subscribes to lines that are handed over. */
export function tracesReceives(): boolean {
  return receives.hasSubscribers
}

/**
 * Writes a batch: `start` and `end` around the call, `asyncStart` and `asyncEnd` when the kernel has all of it, or
 * `error`.
 */
export function traceSend(source: TraceSource, batch: Uint8Array, write: () => Promise<void>): void {
  const { id, address, peer } = source
  const trace = { connection: id, address, peer, lines: linesOf(batch), bytes: batch.length }
  // A caller that waits for the batch gets the error from the writer.
  sends.tracePromise(write, trace).catch(() => undefined)
}

/** Hands lines over: `start` and `end` around the call. */
export function traceReceive<Result>(
  source: TraceSource,
  lines: number,
  bytes: number,
  handOver: () => Result,
): Result {
  const { id, address, peer } = source
  return receives.traceSync(handOver, { connection: id, address, peer, lines, bytes })
}

function linesOf(batch: Uint8Array): number {
  let lines = 0
  for (let at = batch.indexOf(10); at >= 0; at = batch.indexOf(10, at + 1)) ++lines
  return lines
}
