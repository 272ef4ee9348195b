// Notices that a peer has fallen silent. Shared by both ends. If this process was busy or suspended, that is not the
// peer's silence: the watch checks again after the event loop has read what has arrived.

import { clearInterval, monotonicMs, setImmediate, setInterval } from '../../base/globals.js'

/** A timer later than this was delayed by this process itself. */
const LATE_MS = 100

export interface Watched {
  /** Changes whenever something has come from the peer. */
  heard(): unknown
  /** False while it is not the peer's turn to speak. */
  isListening(): boolean
  /** Called once, when the peer was silent for longer than the limit. */
  onSilent(forMs: number): void
}

export class SilenceWatch {
  readonly #limitMs: number
  readonly #watched: Watched
  readonly #tickMs: number
  #timer: NodeJS.Timeout | undefined
  #heard: unknown
  #heardAt = monotonicMs()
  #tickAt = this.#heardAt

  /** @param limitMs how long the peer may be silent; Infinity: for ever */
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
  }

  #tick(): void {
    const now = monotonicMs()
    const late = now - this.#tickAt > 2 * this.#tickMs + LATE_MS
    this.#tickAt = now
    if (late) this.#heardAt = now
    else if (!this.#isHeard() && now - this.#heardAt > this.#limitMs) {
      // Timers run before input is read, so let the event loop first read what has arrived meanwhile.
      setImmediate(() => {
        setImmediate(() => {
          this.#lookAgain()
        })
      })
    }
  }

  #lookAgain(): void {
    if (this.#timer === undefined || this.#isHeard()) return
    this.stop()
    this.#watched.onSilent(monotonicMs() - this.#heardAt)
  }

  #isHeard(): boolean {
    const heard = this.#watched.heard()
    if (heard === this.#heard && this.#watched.isListening()) return false
    this.#heard = heard
    this.#heardAt = monotonicMs()
    return true
  }
}
