// Messages and errors in the order in which they were read, from the first unprocessed one on.

import type { IpcError } from '../../base/errors.js'
import { Fifo } from '../../base/fifo.js'
import { ReceivedRun } from './received-run.js'

/** The size that an error counts for. */
export const ERROR_BYTES = 512
/** Maximum number of waiting errors. Further ones are only counted. */
const MAX_ERRORS = 64

export class ReceivedQueue {
  readonly #entries = new Fifo<ReceivedRun | IpcError>()
  #errors = 0

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** The oldest entry. */
  get front(): ReceivedRun | IpcError | undefined {
    return this.#entries.first
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
    if (!(this.#entries.shift() instanceof ReceivedRun)) --this.#errors
  }

  /** Removes and returns all runs. Errors stay, to be reported. */
  takeRuns(): ReceivedRun[] {
    const runs: ReceivedRun[] = []
    for (const entry of this.#entries.clear()) {
      if (entry instanceof ReceivedRun) runs.push(entry)
      else this.#entries.push(entry)
    }
    return runs
  }
}
