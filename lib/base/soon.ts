// Work that waits for the end of the current step of JavaScript, so that all of its callers share one run.

import { queueMicrotask } from './globals.js'

/** Runs its work in a microtask. All calls of `ask` until then share one run. */
export class Soon {
  readonly #run: () => void
  #asked = false

  /** @param work should not throw: in a microtask, that is an uncaught exception */
  constructor(work: () => void) {
    this.#run = () => {
      this.#asked = false
      work()
    }
  }

  ask(): void {
    if (this.#asked) return
    this.#asked = true
    queueMicrotask(this.#run)
  }
}
