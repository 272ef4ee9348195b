// The runs of which the application has messages in hand, by number, so that a few numbers are found among many runs.

import { indexAtLeast } from '../../base/sorted.js'
import type { ReceivedRun } from './received-run.js'

const firstOf = (run: ReceivedRun): number => run.first

export class RunsInHand {
  /** Ascending by first number. Released messages are runs of one, inside of the range of another run. */
  readonly #numbered: ReceivedRun[] = []
  readonly #plain = new Set<ReceivedRun>()
  /** Messages of the longest run. */
  #longest = 0

  add(run: ReceivedRun): void {
    if (!run.isNumbered) {
      this.#plain.add(run)
      return
    }
    const runs = this.#numbered
    const last = runs.at(-1)
    if (last === run) return
    this.#longest = Math.max(this.#longest, run.count)
    if (last === undefined || last.first < run.first) {
      runs.push(run)
      return
    }
    const at = this.#indexOf(run.first)
    if (!this.#isAt(run, at)) runs.splice(at, 0, run)
  }

  delete(run: ReceivedRun): void {
    if (!run.isNumbered) {
      this.#plain.delete(run)
      return
    }
    const runs = this.#numbered
    for (let at = this.#indexOf(run.first); runs[at]?.first === run.first; ++at) {
      if (runs[at] !== run) continue
      runs.splice(at, 1)
      return
    }
  }

  /** All runs. A copy, so that the runs may be finished meanwhile. */
  all(): ReceivedRun[] {
    return [...this.#numbered, ...this.#plain]
  }

  /** How many of these numbers are in hand. */
  count(first: number, last: number): number {
    const runs = this.#numbered
    let count = 0
    for (let at = this.#indexOf(first - this.#longest + 1); at < runs.length; ++at) {
      const run = runs[at] as ReceivedRun
      if (run.first > last) break
      const end = Math.min(run.count, last - run.first + 1)
      for (let index = Math.max(0, first - run.first); index < end; ++index) if (run.isInHand(index)) ++count
    }
    return count
  }

  #isAt(run: ReceivedRun, index: number): boolean {
    const runs = this.#numbered
    for (let at = index; runs[at]?.first === run.first; ++at) if (runs[at] === run) return true
    return false
  }

  /** Index of the first run that begins at `number` or later. */
  #indexOf(number: number): number {
    return indexAtLeast(this.#numbered, number, firstOf)
  }
}
