// Keeps a sender connected: dials, uses the connection, and dials again when it has ended, until it is stopped or no
// peer responds for too long. The wait doubles with each attempt, and is randomized between half and all of it, so that
// senders that lost the same peer do not return together.

import type { Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import { monotonicMs } from '../../base/globals.js'
import { pause } from '../../base/timing.js'

/** A connection that lasted this long counts as successful, even if no messages were settled on it. */
const GOOD_AFTER_MS = 1000
const MAX_DOUBLINGS = 30

export interface RedialOptions {
  /** Dials the same address each time, whatever the working directory is by then. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>
  readonly minBackoffMs: number
  readonly maxBackoffMs: number
  readonly giveUpAfterMs: number
}

/** How the use of a connection ended. */
export interface Use {
  /** Whether its peer acknowledges, or was sent messages without acknowledgement. */
  readonly answered: boolean
  /** Whether messages were settled on it. Otherwise the next wait is longer than the last one. */
  readonly useful: boolean
  /** Why it ended, unless this side ended it. */
  readonly error: IpcError | undefined
}

export interface RedialEvents {
  /** Resolves when the connection has ended. */
  use(connection: Connection): Promise<Use>
  /** Called before a wait: the next attempt follows in `delayMs`. */
  onRetrying(error: IpcError, tries: number, delayMs: number): void
  /** Called when no peer has responded for too long. There are no further attempts. */
  onGivenUp(error: IpcError): void
}

/** Resolves when `stop` is aborted or it gives up. */
export async function keepConnected(
  name: string,
  options: RedialOptions,
  events: RedialEvents,
  stop: AbortSignal,
): Promise<void> {
  let tries = 0
  let answeredAt = monotonicMs()
  while (!stop.aborted) {
    const startedAt = monotonicMs()
    const { answered, useful, error } = await connectOnce(options.dial, events, stop)
    if (stop.aborted) return
    const now = monotonicMs()
    if (answered) {
      answeredAt = now
      if (useful || now - startedAt > GOOD_AFTER_MS) tries = 0
    }
    const silentMs = now - answeredAt
    if (silentMs >= options.giveUpAfterMs) {
      const why = `${name}: no peer answered for ${Math.round(silentMs)} ms`
      events.onGivenUp(new IpcError('ERR_IPC_TIMEOUT', why, { cause: error }))
      return
    }
    const limitMs = Math.min(options.maxBackoffMs, options.minBackoffMs * 2 ** Math.min(tries, MAX_DOUBLINGS))
    ++tries
    // The last attempt happens when the time is up, not a whole wait later.
    const delayMs = Math.min(limitMs * (0.5 + Math.random() / 2), options.giveUpAfterMs - silentMs)
    if (error !== undefined) events.onRetrying(error, tries, delayMs)
    await pause(delayMs, stop, name).catch(() => undefined)
  }
}

async function connectOnce(
  dial: RedialOptions['dial'],
  events: RedialEvents,
  stop: AbortSignal,
): Promise<Use> {
  let connection
  try {
    connection = await dial(stop)
  } catch (error) {
    return { answered: false, useful: false, error: error as IpcError }
  }
  if (stop.aborted) {
    connection.destroy()
    return { answered: false, useful: false, error: undefined }
  }
  return events.use(connection)
}
