// Waits between tries to reach a peer: they double up to a limit, and each is any part of it by chance, so that senders
// that lost the same peer do not come back together.

export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  #tries = 0

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs
    this.#maxMs = maxMs
  }

  /** Tries since the last success. */
  get tries(): number {
    return this.#tries
  }

  /** How long to wait before the next try, in milliseconds. */
  next(): number {
    const limitMs = Math.min(this.#maxMs, this.#minMs * 2 ** Math.min(this.#tries, 30))
    ++this.#tries
    return Math.random() * limitMs
  }

  reset(): void {
    this.#tries = 0
  }
}
