// Reads what clients had sent before their server was closed. Nothing tells how much of that the kernel still holds, so it
// is taken as read when the event loop has read next to nothing for some turns, or more than the kernel holds for a
// connection.

import { monotonicMs, setImmediate } from '../base/globals.js'
import { pause } from '../base/timing.js'
import { readingOf, type Connection } from '../connection/connection.js'
import { isBehind } from '../wire/turn.js'
import { drain } from './draining.js'

/** Milliseconds for connections and messages in transit. */
const IN_TRANSIT_MS = 20
/** Minimum turns of the event loop in that time, in case it is busy: one to accept, one to read, and the same again. */
const IN_TRANSIT_TURNS = 4
/** More turns than the addon reads a connection alone before it looks at the others (kMostAlone in ready_reader.cc). */
const QUIET_TURNS = 12
/** Bytes of the smallest read (kCrowdReadBytes in ready_reader.cc). One that had fewer has left nothing. */
const READ_BYTES = 4096
/** More than the kernel holds for a connection, unless an administrator has raised its limits. */
const KERNEL_BYTES = 1 << 20
/** Milliseconds between looks at readers that do not want more for now. */
const HELD_MS = 1

/** Bytes read of a connection: when its server was closed, and at the last look. */
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
  /** Much was read, or waits for its turn. */
  | 'moving'

/**
 * Resolves when what was sent to the connections before has been read; after half of `timeoutMs` at the latest, so that
 * their handlers have time to finish. Drains a connection that is still being sent to when it has been read that far.
 */
export async function catchUp(open: ReadonlyMap<Connection, unknown>, timeoutMs: number): Promise<void> {
  const untilMs = monotonicMs() + timeoutMs / 2
  const progress = new Map<Connection, Progress>()
  look(open, progress)
  await pause(Math.min(IN_TRANSIT_MS, timeoutMs), undefined, 'close')
  for (let i = 0; i < IN_TRANSIT_TURNS; ++i) await nextTurn()
  for (let quietTurns = 0; quietTurns < QUIET_TURNS && monotonicMs() < untilMs;) {
    const found = look(open, progress)
    quietTurns = found === 'quiet' ? quietTurns + 1 : 0
    await (found === 'held' ? pause(HELD_MS, undefined, 'close') : nextTurn())
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function look(open: ReadonlyMap<Connection, unknown>, progress: Map<Connection, Progress>): Look {
  let found: Look = isBehind() ? 'moving' : 'quiet'
  for (const connection of open.keys()) {
    const reading = readingOf(connection)
    if (reading === undefined) continue
    const { bytes, flows } = reading
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
