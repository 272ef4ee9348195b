// The runs that were given to a connection and are not settled yet, in the order of their numbers, and how far the present
// connection has written them. Outlives the connections; must not know them.

import { NumberSet } from '../protocol/number-set.js'
import type { Run } from './run.js'

/** Lines of a run are settled, by index, which were not before. */
type OnSettled = (run: Run, begin: number, end: number) => void

export class SendWindow {
  #runs: Run[] = []
  /** Index of the run to be written next. Those before it were written. */
  #cursor = 0
  /** Settled, whatever their outcome, or given up before they were sent. */
  readonly #settled: NumberSet
  /** Number that follows the last run. */
  #next: number

  /** @param settledThrough every number up to here was settled by an earlier process */
  constructor(settledThrough: number) {
    this.#settled = new NumberSet(settledThrough)
    this.#next = settledThrough + 1
  }

  /** Every number below this one is settled or given up. */
  get lowest(): number {
    return this.#settled.through + 1
  }

  /**
   * Adds the next run. Numbers between it and the one before were given up. Calls `onSettled` with lines that turn out to
   * be settled already.
   */
  add(run: Run, onSettled: OnSettled): void {
    if (run.first > this.#next) this.#settled.add(this.#next, run.first - 1)
    this.#next = Math.max(this.#next, run.last + 1)
    if (run.left < run.count || run.first <= this.#settled.highest) this.#match(run, onSettled)
    if (run.left > 0) this.#runs.push(run)
  }

  /** A new connection begins with the oldest run. */
  rewind(): void {
    for (const run of this.#runs) run.held = false
    this.#cursor = 0
  }

  /** The run that is to be written next. */
  get current(): Run | undefined {
    return this.#runs[this.#cursor]
  }

  /** {@link current} was written. */
  advance(): void {
    ++this.#cursor
  }

  /** Settles numbers; calls `onSettled` with each stretch of lines that was not settled before. */
  settle(first: number, last: number, onSettled: OnSettled): void {
    this.#settled.add(first, last)
    const runs = this.#runs
    const begin = this.#indexOf(first)
    let finished = 0
    let finishedBehindCursor = 0
    let end = begin
    for (let run = runs[end]; run !== undefined && run.first <= last; run = runs[++end]) {
      const each = run
      run.settle(first - run.first, Math.min(last - run.first + 1, run.count), (from, to) => {
        onSettled(each, from, to)
      })
      if (run.left > 0) continue
      ++finished
      if (end < this.#cursor) ++finishedBehindCursor
    }
    if (finished === 0) return
    if (finished === end - begin) {
      runs.splice(begin, finished)
    } else {
      let kept = begin
      for (let i = begin; i < end; ++i) {
        const run = runs[i] as Run
        if (run.left > 0) runs[kept++] = run
      }
      runs.splice(kept, end - kept)
    }
    this.#cursor -= finishedBehindCursor
  }

  /** Empties the window; returns its runs. */
  clear(): Run[] {
    const runs = this.#runs
    this.#runs = []
    this.#cursor = 0
    return runs
  }

  /** Brings a run and the set together: either may know of settled lines that the other does not. */
  #match(run: Run, onSettled: OnSettled): void {
    let from = run.first
    const settle = (begin: number, end: number): void => {
      run.settle(begin, end, (newBegin, newEnd) => {
        onSettled(run, newBegin, newEnd)
      })
    }
    for (const { first, last } of this.#settled.missing(run.first, run.last)) {
      settle(from - run.first, first - run.first)
      from = last + 1
    }
    settle(from - run.first, run.count)
    run.forEachSettled((begin, end) => this.#settled.add(run.first + begin, run.first + end - 1))
  }

  /** Index of the first run that ends at `number` or later. */
  #indexOf(number: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle] as Run).last < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
