// Keeps a sender connected: dials, has a link use the connection, and dials again when that has ended, until it is stopped
// or nobody answers for too long. Must not know messages.

import { monotonicMs } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import { dial, type DialOptions } from '../../connection/dial.js'
import { IpcError } from '../../base/errors.js'
import { pause } from '../../base/timing.js'
import { Backoff } from './backoff.js'

export interface RedialOptions {
  readonly dial: DialOptions
  readonly minBackoffMs: number
  readonly maxBackoffMs: number
  readonly giveUpAfterMs: number
}

export interface RedialEvents {
  /** Resolves when the connection has ended: whether its peer has answered, and why it ended, where there is a reason. */
  use(connection: Connection): Promise<{ readonly answered: boolean; readonly error: IpcError | undefined }>
  /** Nobody was reached; the next try comes in `delayMs`. */
  onRetrying(error: IpcError, tries: number, delayMs: number): void
  /** Nobody has answered for too long; it is over. */
  onGivenUp(error: IpcError): void
}

/** Resolves when `stop` is aborted or it gives up. */
export async function keepConnected(
  name: string,
  options: RedialOptions,
  events: RedialEvents,
  stop: AbortSignal,
): Promise<void> {
  const backoff = new Backoff(options.minBackoffMs, options.maxBackoffMs)
  let answeredAt = monotonicMs()
  while (!stop.aborted) {
    const { answered, error } = await connectOnce(name, options.dial, events, stop)
    if (stop.aborted) return
    if (answered) {
      backoff.reset()
      answeredAt = monotonicMs()
    }
    const silentMs = monotonicMs() - answeredAt
    if (silentMs > options.giveUpAfterMs) {
      const cause = error
      const why = `${name}: no peer answered for ${Math.round(silentMs)} ms`
      events.onGivenUp(new IpcError('ERR_IPC_TIMEOUT', why, { cause }))
      return
    }
    const delayMs = backoff.next()
    if (error !== undefined) events.onRetrying(error, backoff.tries, delayMs)
    await pause(delayMs, stop, name).catch(() => undefined)
  }
}

async function connectOnce(
  name: string,
  options: DialOptions,
  events: RedialEvents,
  stop: AbortSignal,
): ReturnType<RedialEvents['use']> {
  let connection
  try {
    connection = await dial(name, { ...options, signal: stop })
  } catch (error) {
    return { answered: false, error: error as IpcError }
  }
  if (stop.aborted) {
    connection.destroy()
    return { answered: false, error: undefined }
  }
  return events.use(connection)
}
