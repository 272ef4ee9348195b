// Bounds the work that control messages of a peer cause: each one without news takes a token. Tokens accrue with time
// and with useful work of the peer, so an honest peer never runs out.

import { monotonicMs } from '../../base/globals.js'
import { violation } from './control.js'

/** More than two heartbeats at the shortest interval, which is 10 ms. */
const TOKENS_PER_SECOND = 500

export class ControlBudget {
  readonly #burst: number
  readonly #what: string
  #tokens: number
  #filledAt = monotonicMs()

  /**
   * @param burst maximum number of control messages at once
   * @param what the control messages, for the error
   */
  constructor(burst: number, what: string) {
    this.#burst = burst
    this.#what = what
    this.#tokens = burst
  }

  /** Adds tokens for useful work of the peer, about which it may send control messages. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + tokens)
  }

  /** @throws {IpcError} ERR_IPC_INVALID_MESSAGE, reason `flood`, if the peer has sent too many */
  spend(): void {
    if (this.#tokens < 1) this.#fill()
    if (this.#tokens < 1) {
      throw violation('flood', `more ${this.#what} than any honest peer: over ${TOKENS_PER_SECOND} a second`)
    }
    --this.#tokens
  }

  #fill(): void {
    const now = monotonicMs()
    this.earn(((now - this.#filledAt) / 1000) * TOKENS_PER_SECOND)
    this.#filledAt = now
  }
}
