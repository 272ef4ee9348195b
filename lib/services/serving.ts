// One connection of a server and its handler, from the call of the handler to its end.

import { IpcError } from '../base/errors.js'
import type { AbortController } from '../base/globals.js'
import { userAbortController } from '../base/user-signal.js'
import { onClosed, wasDestroyed, type Connection } from '../connection/connection.js'

/** Passed to a {@link ConnectionHandler} beside the connection. */
export interface ConnectionContext {
  /**
   * Fires when the connection is destroyed while the handler runs: by the server, because `close` has waited
   * `timeoutMs` (ERR_IPC_TIMEOUT), or by other code of this process (ERR_IPC_CLOSED). Does not fire when the peer ends the
   * connection.
   */
  readonly signal: AbortSignal
}

/**
 * Serves one connection. The connection is closed when the handler returns, or its promise settles. Not called for a
 * connection that is closed before.
 */
export type ConnectionHandler = (connection: Connection, context: ConnectionContext) => unknown

/**
 * One connection and its handler.
 *
 *     running ──the handler returns or throws──▶ finished
 *        └──the connection is destroyed──▶ aborted
 */
export class Serving implements ConnectionContext {
  readonly #connection: Connection
  #state: 'running' | 'finished' | 'aborted' = 'running'
  #controller: AbortController | undefined
  #reason: IpcError | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Made on first access, because most handlers never use it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = userAbortController('listener on the signal of a connection')
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
      else
        onClosed(this.#connection, () => {
          this.#onClosed()
        })
    }
    return this.#controller.signal
  }

  finish(): void {
    if (this.#state === 'running') this.#state = 'finished'
  }

  abort(reason: IpcError): void {
    if (this.#state !== 'running') return
    this.#state = 'aborted'
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  #onClosed(): void {
    if (!wasDestroyed(this.#connection)) return
    const { address } = this.#connection
    this.abort(
      new IpcError('ERR_IPC_CLOSED', `the connection to ${address} was destroyed while its handler ran`),
    )
  }
}
