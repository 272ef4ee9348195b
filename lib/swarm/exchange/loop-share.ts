// The share of the event loop that exchanges may take: long work asks here before each piece of it, and waits for a later
// turn when this one has had enough. All exchanges of a transport have one share together, whatever their number.

import { monotonicMs, setImmediate } from '../../base/globals.js'

/** How long exchanges may work in one turn of the event loop before the next piece waits, in milliseconds. */
const TURN_MS = 4

/** Hands out the event loop piece by piece, first come, first served. */
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
