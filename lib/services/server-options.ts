// The options, results and counts of a server: their meaning, defaults and checks.

import { callback, milliseconds, signal, type OptionTable } from '../base/options.js'
import type { Connection } from '../connection/connection.js'

/** Options of {@link serve}. */
export interface ServeOptions {
  /**
   * Called with the error of a handler, and with the error of a failed accept (then without a connection). An error
   * that the callback throws is reported as an error of user code. Default: the error itself is reported that way: on
   * the diagnostics channel `sentinel-ipc:user-error`, or where nothing subscribes to it, as a warning of the process.
   */
  readonly onError?: (error: unknown, connection: Connection | undefined) => void
  /** Closes the server when it fires, as {@link Server.close} without options. */
  readonly signal?: AbortSignal
}

/** Options of {@link Server.close}. */
export interface ServerCloseOptions {
  /** Milliseconds that handlers may take to finish. Default: {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number
}

/** The outcome of {@link Server.close}: connections since the server was made. */
export interface ServerCloseResult {
  /** Connections whose handler finished, with or without an error. */
  readonly served: number
  /** Connections aborted because their handler did not finish in time. */
  readonly aborted: number
}

/** Counts since the server was made: accepted = open + served + aborted. */
export interface ServerStats {
  /** Connections accepted. */
  readonly accepted: number
  /** Connections whose handler has not finished. */
  readonly open: number
  /** Connections whose handler finished, with or without an error, and those closed before it began. */
  readonly served: number
  /** Served connections that ended with an error. */
  readonly failed: number
  /** Connections aborted by `close`. */
  readonly aborted: number
  /** Failed accepts, for example because the process ran out of descriptors. */
  readonly acceptErrors: number
}

export const SERVE_TABLE: OptionTable<ServeOptions> = { onError: callback, signal }

export const CLOSE_TABLE: OptionTable<ServerCloseOptions> = { timeoutMs: milliseconds }
