// Limits the share of the event loop that exchanges use: long work asks here before each piece, and waits for a later
// turn when the time of this turn is used up. All exchanges of a transport share one limit.

import { monotonicMs, setImmediate } from '../../base/globals.js'

/** How long exchanges may work in one turn of the event loop before the next piece waits, in milliseconds. */
const TURN_MS = 4

/** Grants pieces of work, first come, first served. */
export class LoopShare {
  #turnBegan = 0
  #scheduled = false
  readonly #waiting: (() => void)[] = []

  /** Returns undefined if the next piece of work may be done at once, otherwise a promise for its turn. */
  readonly takeTurn = (): Promise<void> | undefined => {
    const now = monotonicMs()
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#turnBegan = now
      setImmediate(this.#nextTurn)
    }
    if (this.#waiting.length === 0 && now - this.#turnBegan < TURN_MS) return undefined
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  readonly #nextTurn = (): void => {
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#scheduled = false
      return
    }
    this.#turnBegan = monotonicMs()
    setImmediate(this.#nextTurn)
    next()
  }
}
