// A time limit on something that a peer does. It runs out only if the peer is late, not if this process is: time in which
// the event loop stood still does not count, and I/O that is ready is handled before the limit is enforced.

import { clearImmediate, clearTimeout, monotonicMs, setImmediate, setTimeout } from '../base/globals.js'
import { MAX_TIMER_MS } from '../base/timing.js'

/** A timer that fires this much too late shows that the event loop stood still. */
const STALL_MS = 50

/**
 *     unset ── set ──> running ──> looking ──> unset      and `onPassed` is called
 *       ^──── clear ──────┴───────────┘
 *
 * `looking`: the time is up, and the event loop handles I/O once more.
 */
export class Deadline {
  readonly #onPassed: () => void
  #timer: NodeJS.Timeout | undefined
  #looking: NodeJS.Immediate | undefined
  #limitMs = 0
  /** How much of its own standstill this process may still forgive itself. */
  #graceMs = 0
  #dueAt = 0
  /** How far standstills have moved `#dueAt`, in all. */
  #movedMs = 0
  /** When the timer should fire. Moving a deadline does not touch the timer: it is restarted if it fires too early. */
  #firesAt = Infinity

  constructor(onPassed: () => void) {
    this.#onPassed = onPassed
  }

  get running(): boolean {
    return this.#timer !== undefined || this.#looking !== undefined
  }

  /**
   * How far standstills of this process have moved this deadline so far, in milliseconds; includes one that the timer has yet
   * to notice. For owners that keep due times of their own.
   */
  movedMs(): number {
    this.#forgive(monotonicMs())
    return this.#movedMs
  }

  /** Lets the time run out in `ms`, counted from now. Moves the deadline if there is one. */
  set(ms: number): void {
    this.#limitMs = ms
    this.#graceMs = ms
    const now = monotonicMs()
    this.#dueAt = now + ms
    if (this.#looking === undefined && this.#dueAt < this.#firesAt) this.#schedule(now)
  }

  /** Restarts the running time. */
  extend(): void {
    this.#graceMs = this.#limitMs
    this.#dueAt = monotonicMs() + this.#limitMs
  }

  clear(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#looking)
    this.#timer = undefined
    this.#looking = undefined
    this.#firesAt = Infinity
  }

  #schedule(now: number): void {
    clearTimeout(this.#timer)
    // Rounding may take the longest time over what a timer can wait, and such a timer fires at once.
    const ms = Math.min(Math.max(1, Math.ceil(this.#dueAt - now)), MAX_TIMER_MS)
    this.#firesAt = now + ms
    this.#timer = setTimeout(() => {
      this.#onTime()
    }, ms)
    // The connection keeps the process alive, if anything does.
    this.#timer.unref()
  }

  #onTime(): void {
    const now = monotonicMs()
    this.#forgive(now)
    this.#timer = undefined
    this.#firesAt = Infinity
    if (this.#dueAt > now) this.#schedule(now)
    else this.#lookAgain()
  }

  #forgive(now: number): void {
    const lateMs = now - this.#firesAt
    if (lateMs <= STALL_MS) return
    this.#firesAt = now // the same standstill is forgiven once
    const graceMs = Math.min(lateMs, this.#graceMs)
    this.#graceMs -= graceMs
    const dueAt = Math.max(this.#dueAt, now + graceMs)
    this.#movedMs += dueAt - this.#dueAt
    this.#dueAt = dueAt
  }

  #lookAgain(): void {
    this.#looking = setImmediate(() => {
      this.#looking = undefined
      const now = monotonicMs()
      if (this.#dueAt > now) this.#schedule(now)
      else this.#onPassed()
    })
  }
}
