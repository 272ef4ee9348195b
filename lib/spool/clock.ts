// The clock by which messages age, in milliseconds of real time; no user can set it. While the machine runs, it follows
// the time since boot, including suspension. Only the wall clock shows how long the machine was off, and it may be
// wrong (a board without a battery starts in 1970, then jumps), so the time derived from it is bounded.

import { addon } from '../binding/addon.js'

/** The clocks of the machine. */
export interface SystemClock {
  /** An id that differs from one boot of the machine to the next; '' where the system has none. */
  readonly bootId: string
  /** Milliseconds since the start of the machine. */
  sinceBootMs(): number
  /** Unix milliseconds. */
  wallMs(): number
}

export function systemClock(): SystemClock {
  return {
    bootId: addon.bootId(),
    sinceBootMs: () => addon.millisecondsSinceBoot(),
    wallMs: () => Date.now(),
  }
}

/** The last moment recorded in the log. */
export interface LastMoment {
  readonly bootId: string
  /** Spool time at the boot of that moment. */
  readonly baseMs: number
  readonly timeMs: number
  readonly wallMs: number
}

/** Whether the machine has not been restarted since a moment. */
export function isSameBoot(system: SystemClock, last: LastMoment): boolean {
  return system.bootId === last.bootId && last.baseMs + system.sinceBootMs() >= last.timeMs - 1
}

export class SpoolClock {
  readonly #system: SystemClock
  /** Spool time at the start of the machine. */
  readonly baseMs: number

  /**
   * Continues from the last moment in the log.
   *
   * @param maxGapMs maximum time that the machine is assumed to have been off, regardless of the wall clock
   */
  constructor(system: SystemClock, last: LastMoment | undefined, maxGapMs: number) {
    this.#system = system
    if (last === undefined) {
      this.baseMs = 0
    } else if (isSameBoot(system, last)) {
      this.baseMs = last.baseMs
    } else {
      // That moment was before this start, so at least the time since then has passed.
      const sinceBootMs = system.sinceBootMs()
      const offMs = system.wallMs() - last.wallMs - sinceBootMs
      this.baseMs = last.timeMs + (offMs > 0 ? Math.min(offMs, maxGapMs) : 0)
    }
  }

  /** Spool time: only its differences mean anything. */
  nowMs(): number {
    return this.baseMs + this.#system.sinceBootMs()
  }

  wallMs(): number {
    return this.#system.wallMs()
  }

  get bootId(): string {
    return this.#system.bootId
  }
}
