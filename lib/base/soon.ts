// Work that waits for a later moment, so that all who ask for it until then share one run.

import { queueMicrotask } from './globals.js'

/** Runs its work later. All calls of `ask` until then share one run. */
export class Soon {
  readonly #run: () => void
  readonly #when: (run: () => void) => unknown
  #asked = false

  /**
   * @param work should not throw: in a microtask, that is an uncaught exception
   * @param when schedules the run; default: in a microtask, at the end of the current step of JavaScript
   */
  constructor(work: () => void, when: (run: () => void) => unknown = queueMicrotask) {
    this.#when = when
    this.#run = () => {
      this.#asked = false
      work()
    }
  }

  ask(): void {
    if (this.#asked) return
    this.#asked = true
    this.#when(this.#run)
  }
}
