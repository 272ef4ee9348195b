// The life of a bridge that both directions share: its state, its events, and its end.
//
//     starting ──▶ running ◀──▶ waiting
//         └───────────┴────────────┴──▶ closed | failed

import { AbortController } from '../base/globals.js'
import { callUser } from '../base/user-code.js'
import type { BridgeEvent, BridgeState } from './bridge.js'

export class BridgeLife {
  readonly ended: Promise<void>
  readonly #stop = new AbortController()
  readonly #onEvent: ((event: BridgeEvent) => void) | undefined
  #state: BridgeState = 'starting'
  #error: Error | undefined
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor(onEvent: ((event: BridgeEvent) => void) | undefined) {
    this.#onEvent = onEvent
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The caller need not wait: the state and an event say the same.
    this.ended.catch(() => undefined)
  }

  get state(): BridgeState {
    return this.#state
  }

  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'failed'
  }

  /** Fires when the bridge ends. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  to(state: 'running' | 'waiting', error?: Error): void {
    if (this.isOver || this.#state === state) return
    this.#state = state
    this.emit({ type: 'state', state, error })
  }

  /** Ends the bridge: nothing new begins. */
  end(error?: Error): void {
    if (this.isOver) return
    this.#error = error
    this.#state = error === undefined ? 'closed' : 'failed'
    this.#stop.abort()
    this.emit({ type: 'state', state: this.#state, error })
  }

  /** Everything is released: settles `ended`. */
  finish(): void {
    if (this.#error === undefined) this.#resolve()
    else this.#reject(this.#error)
  }

  emit(event: BridgeEvent): void {
    if (this.#onEvent !== undefined) callUser('onEvent', this.#onEvent, event)
  }
}
