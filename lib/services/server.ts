// Serves a listener: runs one handler for each connection, confines every failure to the connection it belongs to, and
// drains on close.

import { offAbort, onAbort } from '../base/abort.js'
import { hasCode, IpcError } from '../base/errors.js'
import { AbortController, monotonicMs } from '../base/globals.js'
import { callback, checkOptions, wrongKind } from '../base/options.js'
import { checkTimeout, MAX_TIMER_MS, pause, waitAtMost } from '../base/timing.js'
import { callUser, reportUserError } from '../base/user-code.js'
import { Waiters } from '../base/waiters.js'
import type { Connection } from '../connection/connection.js'
import type { Listener } from '../connection/listener.js'
import { forget, observe } from '../observe/registry.js'
import { catchUp } from './catch-up.js'
import { drain } from './draining.js'
import {
  CLOSE_TABLE,
  SERVE_TABLE,
  type ServeOptions,
  type ServerCloseOptions,
  type ServerCloseResult,
  type ServerStats,
} from './server-options.js'
import { Serving, type ConnectionHandler } from './serving.js'

/** Milliseconds between consecutive failed accepts. */
const FIRST_RETRY_MS = 10
const LONGEST_RETRY_MS = 1000

/**
 * The life of a server. Closing only the listener does not change the state; no new connections arrive then.
 *
 *     serving ──close()──▶ catching-up ──20 ms, and read──▶ draining ──last handler has finished, or timeoutMs──▶ closed
 */
type ServerState = 'serving' | 'catching-up' | 'draining' | 'closed'

// Set by the static block of Server, whose constructor is private.
let createServer: (listener: Listener, handler: ConnectionHandler, options: ServeOptions) => Server

/** Runs a handler for each connection of a listener. Made by {@link serve}. */
export class Server {
  readonly #listener: Listener
  readonly #handler: ConnectionHandler
  readonly #onError: ServeOptions['onError']
  readonly #signal: AbortSignal | undefined
  readonly #accepting = new AbortController()
  readonly #open = new Map<Connection, Serving>()
  readonly #drained = new Waiters()
  #state: ServerState = 'serving'
  #closing: Promise<ServerCloseResult> | undefined
  #accepted = 0
  #served = 0
  #failed = 0
  #aborted = 0
  #acceptErrors = 0
  readonly #onSignal = (): void => {
    void this.close()
  }

  private constructor(listener: Listener, handler: ConnectionHandler, options: ServeOptions) {
    this.#listener = listener
    this.#handler = handler
    this.#onError = options.onError
    this.#signal = options.signal
    observe('server', this)
    if (this.#signal?.aborted === true) void this.close()
    else if (this.#signal !== undefined) onAbort(this.#signal, this.#onSignal)
    void this.#acceptAll()
  }

  static {
    createServer = (listener, handler, options) => new this(listener, handler, options)
  }

  /** The connections whose handler has not finished, oldest first. */
  get connections(): IterableIterator<Connection> {
    return this.#open.keys()
  }

  /** Counts since the server was made. */
  get stats(): ServerStats {
    return {
      accepted: this.#accepted,
      open: this.#open.size,
      served: this.#served,
      failed: this.#failed,
      aborted: this.#aborted,
      acceptErrors: this.#acceptErrors,
    }
  }

  /**
   * Closes the listener and drains. For another 20 ms, connections and messages in transit are accepted, and longer as
   * far as clients had sent more before: up to 1 MiB of each connection, for at most half of `timeoutMs`. Then the
   * server stops reading from all connections. A receiver hands out the messages that it has read, then its stream
   * ends, so that a handler that loops over its messages finishes on its own. The connection of a `Publisher`'s
   * subscriber that has no reader closes after the messages already published are written. Handlers can still send:
   * replies and acknowledgements reach the peer before the connection closes. Handlers that have not finished after
   * `timeoutMs` are aborted: their connection is destroyed and their signal fires. Safe to call again; never rejects.
   *
   * A plain sender cannot know how far its messages were read: where half of `timeoutMs` is too short, some stay unread
   * in the kernel. Use an `AcknowledgedSender` if no message may be lost.
   *
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options: ServerCloseOptions = {}): Promise<ServerCloseResult> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_TABLE)
    return (this.#closing ??= this.#close(checkTimeout(timeoutMs)))
  }

  /** As {@link close} without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<ServerCloseResult> {
    const endMs = monotonicMs() + timeoutMs
    this.#state = 'catching-up'
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onSignal)
    await catchUp(this.#open, timeoutMs)
    this.#state = 'draining'
    this.#accepting.abort()
    this.#listener.close()
    for (const connection of [...this.#open.keys()]) drain(connection)
    if (this.#open.size > 0) {
      const leftMs = Math.max(1, Math.min(endMs - monotonicMs(), MAX_TIMER_MS))
      await waitAtMost(this.#drained.wait(), leftMs, () => {
        this.#abortAll(timeoutMs)
      })
    }
    this.#state = 'closed'
    forget(this)
    return { served: this.#served, aborted: this.#aborted }
  }

  get #accepts(): boolean {
    return this.#state === 'serving' || this.#state === 'catching-up'
  }

  async #acceptAll(): Promise<void> {
    let retryMs = FIRST_RETRY_MS
    while (this.#accepts) {
      try {
        const connection = await this.#listener.accept({ signal: this.#accepting.signal })
        retryMs = FIRST_RETRY_MS
        this.#take(connection)
      } catch (error) {
        if (!this.#accepts || hasCode(error, 'ERR_IPC_CLOSED')) return
        ++this.#acceptErrors
        this.#report(error, undefined)
        await pause(retryMs, this.#accepting.signal, 'accept').catch(() => undefined)
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)
      }
    }
  }

  #take(connection: Connection): void {
    // Accepted in the same turn in which the server was closed.
    if (!this.#accepts) {
      connection.destroy()
      return
    }
    const serving = new Serving(connection)
    ++this.#accepted
    this.#open.set(connection, serving)
    void this.#run(connection, serving)
  }

  /** Never rejects. */
  async #run(connection: Connection, serving: Serving): Promise<void> {
    await Promise.resolve() // the handler gets a microtask of its own
    let failure: { readonly error: unknown } | undefined
    try {
      // Other code may have destroyed it in the meantime: it is in `connections` already.
      if (!connection.closed) await this.#handler(connection, serving)
      serving.finish()
      await connection.close()
    } catch (error) {
      serving.finish()
      failure = { error }
      connection.destroy()
    }
    // Already counted if the server has aborted it.
    if (!this.#open.delete(connection)) return
    ++this.#served
    if (failure !== undefined) {
      ++this.#failed
      this.#report(failure.error, connection)
    }
    if (this.#open.size === 0) this.#drained.wake()
  }

  #abortAll(timeoutMs: number): void {
    const given = [...this.#open]
    this.#open.clear()
    this.#aborted += given.length
    this.#drained.wake()
    const reason = new IpcError(
      'ERR_IPC_TIMEOUT',
      `the server was closed, and the handler of this connection did not finish within ${timeoutMs} ms`,
    )
    for (const [connection, serving] of given) {
      connection.destroy()
      serving.abort(reason)
    }
  }

  #report(error: unknown, connection: Connection | undefined): void {
    if (this.#onError === undefined) reportUserError('handler of serve', error)
    else callUser('onError of serve', this.#onError, error, connection)
  }
}

/**
 * Serves the connections of a listener until it is closed (Go: the loop over `Accept` with a goroutine each). The
 * handler runs once for each connection, and the connection closes when the handler returns. Any failure of a
 * connection (the handler throws, a line is invalid, a limit is reached, the peer resets it) ends that connection, is
 * passed to `onError`, and affects nothing else. A failed accept, for example with EMFILE, is passed to `onError` too,
 * and tried again.
 *
 * The listener then belongs to the server, which closes it.
 *
 * @throws TypeError for a listener or handler of the wrong kind, or options that are not allowed
 */
export function serve(listener: Listener, handler: ConnectionHandler, options: ServeOptions = {}): Server {
  if (typeof (listener as Partial<Listener> | null | undefined)?.accept !== 'function') {
    throw wrongKind('listener of serve', 'a Listener', listener)
  }
  callback(handler, 'handler of serve')
  return createServer(listener, handler, checkOptions('serve', options, SERVE_TABLE))
}
