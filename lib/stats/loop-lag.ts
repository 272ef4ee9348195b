// Measures how late timers fire, as a sign of how busy the event loop is. Runs only while snapshots are taken.

import { clearInterval, monotonicMs, setInterval } from '../base/globals.js'

const EVERY_MS = 100
/** The measurement stops after this time without a reader. */
const UNREAD_MS = 10_000

export class LoopLag {
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #worstMs = 0
  #readMs = 0

  /** Returns the longest delay since the last call, in milliseconds. */
  take(): number {
    const now = monotonicMs()
    this.#readMs = now
    if (this.#timer === undefined) {
      this.#dueMs = now + EVERY_MS
      this.#timer = setInterval(() => {
        this.#tick()
      }, EVERY_MS).unref()
    }
    // The timer that is due now counts as well.
    const worst = Math.max(this.#worstMs, now - this.#dueMs, 0)
    this.#worstMs = 0
    return Math.round(worst * 10) / 10
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #tick(): void {
    const now = monotonicMs()
    this.#worstMs = Math.max(this.#worstMs, now - this.#dueMs)
    this.#dueMs = now + EVERY_MS
    if (now - this.#readMs > UNREAD_MS) this.stop()
  }
}
