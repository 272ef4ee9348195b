// A time limit for a peer. It expires only if the peer is late, not if this process is: time in which the event loop
// was stalled is not counted, and I/O that is ready is handled before the limit is enforced.

import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'
import { MAX_TIMER_MS } from '../base/timing.js'
import { afterRound, clearRound, type RoundEnd } from './turn.js'

/** A timer that fires this much too late indicates a stall of the event loop. */
const STALL_MS = 50

/**
 *     unset ── set ──> running ──> looking ──> unset      and `onPassed` is called
 *       ^──── clear ──────┴───────────┘
 *
 * `looking`: the time is up, and what has arrived by then is read, which may take many turns of the event loop.
 */
export class Deadline {
  readonly #onPassed: () => void
  #timer: NodeJS.Timeout | undefined
  #looking: RoundEnd | undefined
  #limitMs = 0
  /** Milliseconds of stalls that may still extend the deadline. */
  #graceMs = 0
  #dueAt = 0
  /** Milliseconds by which stalls have moved `#dueAt` in total. */
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
   * Returns by how many milliseconds stalls of this process have moved this deadline so far, including a stall that the
   * timer has not noticed yet. For owners that keep due times of their own.
   */
  movedMs(): number {
    this.#forgive(monotonicMs())
    return this.#movedMs
  }

  /** Sets the deadline to `ms` milliseconds from now. Replaces an earlier deadline. */
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
    clearRound(this.#looking)
    this.#timer = undefined
    this.#looking = undefined
    this.#firesAt = Infinity
  }

  #schedule(now: number): void {
    clearTimeout(this.#timer)
    // Rounding up may exceed the longest delay of a timer, and such a timer would fire at once.
    const ms = Math.min(Math.max(1, Math.ceil(this.#dueAt - now)), MAX_TIMER_MS)
    this.#firesAt = now + ms
    this.#timer = setTimeout(() => {
      this.#onTime()
    }, ms)
    // Only the connection keeps the process alive, never this timer.
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
    this.#firesAt = now // the same stall counts once
    const graceMs = Math.min(lateMs, this.#graceMs)
    this.#graceMs -= graceMs
    const dueAt = Math.max(this.#dueAt, now + graceMs)
    this.#movedMs += dueAt - this.#dueAt
    this.#dueAt = dueAt
  }

  #lookAgain(): void {
    const dueAt = this.#dueAt
    this.#looking = afterRound(() => {
      this.#looking = undefined
      const now = monotonicMs()
      if (this.#dueAt === dueAt) this.#onPassed()
      else if (this.#dueAt > now) this.#schedule(now)
      // The peer was heard meanwhile, but so long ago that the limit has passed again. It may have sent more since.
      else this.#lookAgain()
    })
  }
}
