// Reads what clients had sent before their server was closed. The system does not report how much of it the kernel
// still holds. So everything counts as read when a whole round of reading has found next to nothing; and a single
// connection, when more was read from it than the kernel holds for one.

import { monotonicMs } from '../base/globals.js'
import { pause } from '../base/timing.js'
import { inputOf, type Connection } from '../connection/connection.js'
import { afterRound } from '../wire/turn.js'
import { drain } from './draining.js'

/** Milliseconds for connections and messages in transit. */
const IN_TRANSIT_MS = 20
/** Rounds in that time, in case the event loop is busy: one to accept, and one to read. */
const IN_TRANSIT_ROUNDS = 2
/** Bytes of the smallest read (kCrowdReadBytes in ready_reader.cc). A round that read fewer has left nothing. */
const READ_BYTES = 4096
/** More than the kernel holds for a connection, unless an administrator has raised its limits. */
const KERNEL_BYTES = 1 << 20
/** Milliseconds between looks at readers that do not want more for now. */
const HELD_MS = 1

/** Bytes read from a connection: when its server was closed, and at the last look. */
interface Progress {
  readonly first: number
  last: number
}

/** What one look at all connections has found. */
type Look =
  /** Next to nothing was read. */
  | 'quiet'
  /** The same, but a reader or the account of a user does not want more for now. */
  | 'held'
  /** Much was read. */
  | 'moving'

/**
 * Resolves when everything that peers had sent on the connections before this call has been read; after half of
 * `timeoutMs` at the latest, so that handlers have time to finish. A connection whose peer keeps sending is drained
 * once {@link KERNEL_BYTES} were read from it.
 */
export async function catchUp(open: ReadonlyMap<Connection, unknown>, timeoutMs: number): Promise<void> {
  const untilMs = monotonicMs() + timeoutMs / 2
  const progress = new Map<Connection, Progress>()
  look(open, progress)
  await pause(Math.min(IN_TRANSIT_MS, timeoutMs), undefined, 'close')
  for (let i = 0; i < IN_TRANSIT_ROUNDS; ++i) await round()
  while (monotonicMs() < untilMs) {
    await round()
    const found = look(open, progress)
    if (found === 'quiet') return
    if (found === 'held') await pause(HELD_MS, undefined, 'close')
  }
}

function round(): Promise<void> {
  return new Promise((resolve) => {
    afterRound(resolve)
  })
}

function look(open: ReadonlyMap<Connection, unknown>, progress: Map<Connection, Progress>): Look {
  let found: Look = 'quiet'
  for (const connection of open.keys()) {
    const input = inputOf(connection)
    if (input === undefined || input.ended) continue
    const { bytes, flows } = input
    const before = progress.get(connection)
    if (before === undefined) {
      progress.set(connection, { first: bytes, last: bytes })
      found = 'moving'
      continue
    }
    if (bytes - before.first >= KERNEL_BYTES) drain(connection)
    else if (bytes - before.last >= READ_BYTES) found = 'moving'
    else if (!flows && found === 'quiet') found = 'held'
    before.last = bytes
  }
  return found
}
