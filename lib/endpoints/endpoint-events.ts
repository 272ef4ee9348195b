// Reports the lifecycle events of one sender or receiver. Make one only if something listens: most endpoints never need
// it.

import type { IpcError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import { report, type LifecycleChange, type LifecycleRole, type OnEvent } from '../observe/lifecycle.js'
import { Pauses } from '../observe/pauses.js'

/** A sender or receiver. Its connection may change. */
export interface ObservedEndpoint {
  readonly name: string
  readonly connection: Connection
}

export class EndpointEvents {
  readonly #endpoint: ObservedEndpoint
  readonly #role: LifecycleRole
  readonly #onEvent: OnEvent | undefined
  readonly #pauses: Pauses

  constructor(endpoint: ObservedEndpoint, role: LifecycleRole, onEvent: OnEvent | undefined) {
    this.#endpoint = endpoint
    this.#role = role
    this.#onEvent = onEvent
    const isReceiver = role === 'receiver' || role === 'acknowledging-receiver'
    this.#pauses = new Pauses({
      onPaused: () => {
        this.#report({ type: 'paused', reason: isReceiver ? 'application' : 'peer' })
      },
      onResumed: (pausedMs, pauses) => {
        this.#report({ type: isReceiver ? 'resumed' : 'drained', pausedMs, pauses })
      },
    })
  }

  paused(): void {
    this.#pauses.begin()
  }

  resumed(): void {
    this.#pauses.end()
  }

  retrying(error: IpcError, tries: number, delayMs: number): void {
    this.#report({ type: 'retrying', error, tries, delayMs })
  }

  /** `error` is the reason why the connection was lost, or undefined for an intended end. */
  ended(error: Error | undefined): void {
    this.#pauses.end()
    this.#report({ type: error === undefined ? 'closed' : 'lost', error })
  }

  #report(change: LifecycleChange): void {
    const { name, connection } = this.#endpoint
    report(
      this.#onEvent,
      { role: this.#role, name, address: connection.address, connection: connection.id },
      change,
    )
  }
}
