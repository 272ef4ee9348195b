// Promises that wait for a number to be reached. Must not know what the number counts.

interface Waiter {
  readonly mark: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Those who wait for a count to get somewhere. */
export class Waiters {
  #waiters: Waiter[] = []

  /** Resolves once {@link wake} is told of `mark` or more. */
  wait(mark = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ mark, resolve, reject })
    })
  }

  /** Resolves those who wait for `reached` or less. */
  wake(reached = 0): void {
    if (this.#waiters.length === 0) return
    const ready = this.#waiters.filter((waiter) => waiter.mark <= reached)
    this.#waiters = this.#waiters.filter((waiter) => waiter.mark > reached)
    for (const waiter of ready) waiter.resolve()
  }

  /** Rejects all of them. */
  fail(error: Error): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
  }
}
