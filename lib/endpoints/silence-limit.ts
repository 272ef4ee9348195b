// How long a peer may be silent: until its first message, and between two reads. One timer a receiver that wants one.

/** Why a limit was passed. */
export type Silence = 'no-first-message' | 'idle'

export class SilenceLimit {
  readonly #idleMs: number
  readonly #onSilence: (why: Silence, afterMs: number) => void
  #idle: NodeJS.Timeout | undefined
  #first: NodeJS.Timeout | undefined

  constructor(
    idleMs: number | undefined,
    firstMessageMs: number | undefined,
    onSilence: (why: Silence, afterMs: number) => void,
  ) {
    this.#idleMs = idleMs ?? 0
    this.#onSilence = onSilence
    if (firstMessageMs !== undefined) {
      this.#first = setTimeout(() => {
        this.end()
        onSilence('no-first-message', firstMessageMs)
      }, firstMessageMs)
    }
    this.resume()
  }

  /** Bytes have come. */
  heard(): void {
    this.#idle?.refresh()
  }

  /** A message has come. */
  understood(): void {
    if (this.#first === undefined) return
    clearTimeout(this.#first)
    this.#first = undefined
  }

  /** Nobody reads now, so silence is not the peer's. */
  pause(): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
  }

  resume(): void {
    if (this.#idleMs === 0 || this.#idle !== undefined) return
    this.#idle = setTimeout(() => {
      this.end()
      this.#onSilence('idle', this.#idleMs)
    }, this.#idleMs)
  }

  end(): void {
    this.pause()
    this.understood()
  }
}
