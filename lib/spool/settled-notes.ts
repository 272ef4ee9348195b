// Collects the numbers that are settled or given up, and records them in the log a moment later, many at a time.
//
//   noted ──20 ms──▶ being recorded ──written──▶ recorded
//     ▲                   └──write fails──┐
//     └────────again after a second───────┘

import { clearTimeout, setTimeout } from '../base/globals.js'
import { Ranges, type Range } from './ranges.js'

/** Settlements within this time are recorded together. */
const RECORD_AFTER_MS = 20
/** Milliseconds until a failed write is tried again. */
const RETRY_AFTER_MS = 1000

/** Writes ranges into the log, and calls one of the two callbacks. */
export type WriteRanges = (
  ranges: readonly Range[],
  outcome: { readonly onWritten: () => void; readonly onFailed: () => void },
) => void

export class SettledNotes {
  readonly #write: WriteRanges
  readonly #settledThrough: () => number
  readonly #onRecorded: () => void
  readonly #waiting = new Ranges()
  #timer: NodeJS.Timeout | undefined
  #closed = false
  #recordedThrough: number

  /**
   * @param write writes ranges into the log
   * @param settledThrough the number through which everything is settled now
   * @param onRecorded called each time the timer has had them written: a good moment to shrink the log
   */
  constructor(write: WriteRanges, settledThrough: () => number, onRecorded: () => void) {
    this.#write = write
    this.#settledThrough = settledThrough
    this.#recordedThrough = settledThrough()
    this.#onRecorded = onRecorded
  }

  /** Everything through this number is recorded as settled: it does not reappear after a crash. */
  get recordedThrough(): number {
    return this.#recordedThrough
  }

  /** Notes numbers that are gone. */
  add(first: number, through: number): void {
    this.#waiting.add(first, through)
    this.soon()
  }

  /** Schedules the recording, after which the log may shrink. */
  soon(): void {
    this.#schedule(RECORD_AFTER_MS)
  }

  /** Schedules the recording for a time when the disk may work again. */
  later(): void {
    this.#schedule(RETRY_AFTER_MS)
  }

  /** Stops the timer. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** Records the waiting numbers now. */
  flush(): void {
    if (this.#waiting.size === 0) return
    const ranges = [...this.#waiting.list()]
    const settledThrough = this.#settledThrough()
    this.#waiting.clear()
    this.#write(ranges, {
      onWritten: () => {
        // An earlier attempt may have failed meanwhile.
        const [unrecorded] = this.#waiting.list()
        const through = Math.min(settledThrough, (unrecorded?.[0] ?? Infinity) - 1)
        this.#recordedThrough = Math.max(this.#recordedThrough, through)
      },
      onFailed: () => {
        for (const [first, through] of ranges) this.#waiting.add(first, through)
        this.later()
      },
    })
  }

  #schedule(afterMs: number): void {
    if (this.#closed || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush()
      this.#onRecorded()
    }, afterMs)
    // A disk that stays full must not keep the process alive.
    if (afterMs === RETRY_AFTER_MS) this.#timer.unref()
  }
}
