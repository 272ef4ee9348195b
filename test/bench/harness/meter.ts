// Counts messages over a period: skips the start, in which code is still being compiled, and then measures for the
// given time.

export class Meter {
  readonly #warmUpMs: number
  readonly #measureMs: number
  #startedAt = 0
  #measuringSince = 0
  #endedAt = 0
  #count = 0

  constructor(warmUpMs: number, measureMs: number) {
    this.#warmUpMs = warmUpMs
    this.#measureMs = measureMs
  }

  get warmingUp(): boolean {
    return this.#measuringSince === 0
  }

  /** Counts what just arrived. True when the time is over. To be called once for each read, not for each message. */
  add(messages: number): boolean {
    const now = performance.now()
    if (this.#startedAt === 0) this.#startedAt = now
    if (this.#measuringSince === 0) {
      if (now - this.#startedAt >= this.#warmUpMs) this.#measuringSince = now
      return false
    }
    this.#count += messages
    this.#endedAt = now
    return now - this.#measuringSince >= this.#measureMs
  }

  /** Messages a second. */
  get rate(): number {
    return (this.#count * 1000) / (this.#endedAt - this.#measuringSince)
  }
}
