// Promises that wait for a count to reach a mark.

interface Waiter {
  readonly mark: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The waits for one count. */
export class Waiters {
  #waiters: Waiter[] = []

  /** Resolves when {@link wake} is called with `mark` or more; rejects with the error of {@link fail}. */
  wait(mark = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ mark, resolve, reject })
    })
  }

  /** Resolves the waits whose mark is `reached` or less. */
  wake(reached = 0): void {
    if (this.#waiters.length === 0) return
    const ready = this.#waiters.filter((waiter) => waiter.mark <= reached)
    this.#waiters = this.#waiters.filter((waiter) => waiter.mark > reached)
    for (const waiter of ready) waiter.resolve()
  }

  /** Rejects all waits. */
  fail(error: Error): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
  }
}
