// Notices that a peer has fallen silent. Shared by both ends. Time in which this process was busy or suspended is not
// counted: the watch checks again when all that has arrived has been read.

import { clearInterval, monotonicMs, setInterval } from '../../base/globals.js'
import { afterRound, clearRound, type RoundEnd } from '../../wire/turn.js'

/** A timer that is later than this was delayed by this process. */
const LATE_MS = 100

export interface Watched {
  /** Returns a value that changes whenever something has arrived from the peer. */
  heard(): unknown
  /** Returns false while this side does not read, so that silence is not the peer's fault. */
  isListening(): boolean
  /** Called once, when the peer was silent for longer than the limit. */
  onSilent(forMs: number): void
}

export class SilenceWatch {
  readonly #limitMs: number
  readonly #watched: Watched
  readonly #tickMs: number
  #timer: NodeJS.Timeout | undefined
  /** Set while what has arrived is being read, before the watch checks again. */
  #looking: RoundEnd | undefined
  #heard: unknown
  #heardAt = monotonicMs()
  #tickAt = this.#heardAt

  /** @param limitMs milliseconds that the peer may be silent; Infinity for no limit */
  constructor(limitMs: number, watched: Watched) {
    this.#limitMs = limitMs
    this.#watched = watched
    this.#tickMs = Math.max(1, Math.min(limitMs / 4, 0x7fff_ffff))
    this.#heard = watched.heard()
    if (limitMs === Infinity) return
    this.#timer = setInterval(() => {
      this.#tick()
    }, this.#tickMs)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    clearRound(this.#looking)
    this.#looking = undefined
  }

  #tick(): void {
    const now = monotonicMs()
    const late = now - this.#tickAt > 2 * this.#tickMs + LATE_MS
    this.#tickAt = now
    if (late) this.#heardAt = now
    else if (!this.#isHeard() && now - this.#heardAt > this.#limitMs) this.#lookAgain()
  }

  #lookAgain(): void {
    const heardAt = this.#heardAt
    this.#looking ??= afterRound(() => {
      this.#looking = undefined
      // Something was read meanwhile: the clock has started again, or starts now.
      if (this.#isHeard() || this.#heardAt !== heardAt) return
      this.stop()
      this.#watched.onSilent(monotonicMs() - heardAt)
    })
  }

  #isHeard(): boolean {
    const heard = this.#watched.heard()
    if (heard === this.#heard && this.#watched.isListening()) return false
    this.#heard = heard
    this.#heardAt = monotonicMs()
    return true
  }
}
