// Turns the pauses of one object into events, at a bounded rate: a fast peer causes hundreds of pauses a second. A long
// pause is always reported.
//
//   running ──begin──▶ pausing ──at once, or 100 ms after the last report──▶ reported
//      ▲                  │                                                     │
//      ├──end, unreported─┘                                                     │
//      └─────────────────────────────end, reported──────────────────────────────┘

import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'

const REPORT_EVERY_MS = 100

/** The callbacks for pauses. */
export interface PauseEvents {
  readonly onPaused: () => void
  readonly onResumed: (pausedMs: number, pauses: number) => void
}

export class Pauses {
  readonly #events: PauseEvents
  #beganMs: number | undefined
  #isReported = false
  #pauses = 0
  #reportedMs = -Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(events: PauseEvents) {
    this.#events = events
  }

  begin(): void {
    if (this.#beganMs !== undefined) return
    this.#beganMs = monotonicMs()
    ++this.#pauses
    const waitMs = this.#reportedMs + REPORT_EVERY_MS - this.#beganMs
    if (waitMs <= 0) {
      this.#report()
      return
    }
    this.#timer = setTimeout(() => {
      this.#report()
    }, waitMs)
    this.#timer.unref()
  }

  end(): void {
    if (this.#beganMs === undefined) return
    const pausedMs = monotonicMs() - this.#beganMs
    this.#beganMs = undefined
    clearTimeout(this.#timer)
    if (!this.#isReported) return
    this.#isReported = false
    const pauses = this.#pauses
    this.#pauses = 0
    this.#events.onResumed(pausedMs, pauses)
  }

  #report(): void {
    this.#isReported = true
    this.#reportedMs = monotonicMs()
    this.#events.onPaused()
  }
}
