// Messages and errors in the order read, from the first one that was not looked at yet.

import type { IpcError } from '../../base/errors.js'
import { ReceivedRun } from './received-run.js'
import { MAX_WAITING } from './tally.js'

/** The size that an error counts for. */
export const ERROR_BYTES = 512
/** Most errors that wait. Further ones are counted alone. */
const MAX_ERRORS = 64

export class ReceivedQueue {
  #entries: (ReceivedRun | IpcError)[] = []
  #head = 0
  #errors = 0

  get isEmpty(): boolean {
    return this.#head === this.#entries.length
  }

  /** The oldest entry. */
  get front(): ReceivedRun | IpcError | undefined {
    return this.#entries[this.#head]
  }

  /** Whether one more error would be kept. */
  get takesErrors(): boolean {
    return this.#errors < MAX_ERRORS
  }

  push(entry: ReceivedRun | IpcError): void {
    if (!(entry instanceof ReceivedRun)) ++this.#errors
    this.#entries.push(entry)
  }

  /** Removes the oldest entry. */
  shift(): void {
    if (!(this.front instanceof ReceivedRun)) --this.#errors
    if (++this.#head < this.#entries.length) {
      if (this.#head < MAX_WAITING) return
      this.#entries = this.#entries.slice(this.#head)
    } else {
      this.#entries = []
    }
    this.#head = 0
  }

  /** Takes all runs out. Errors stay, to be reported. */
  takeRuns(): ReceivedRun[] {
    const runs: ReceivedRun[] = []
    const errors: IpcError[] = []
    for (const entry of this.#entries.slice(this.#head)) {
      if (entry instanceof ReceivedRun) runs.push(entry)
      else errors.push(entry)
    }
    this.#entries = errors
    this.#head = 0
    return runs
  }
}
