// The runs that were given to a connection and are not settled yet, in order, and how far the current connection has
// written them. Outlives connections; must not know them.

import { indexAtLeast } from '../../base/sorted.js'
import { NumberSet } from '../protocol/number-set.js'
import type { Run } from './run.js'

const lastOf = (run: Run): number => run.last

/** Called with newly settled lines of a run, by index. */
type OnSettled = (run: Run, begin: number, end: number) => void

export class SendWindow {
  #runs: Run[] = []
  /** Index of the run to be written next. All runs before it were written. */
  #cursor = 0
  /** Numbers that are settled, with any outcome, or were given up before they were sent. */
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
   * Adds the next run. Numbers between it and the one before were given up. Calls `onSettled` with lines that turn out
   * to be settled already.
   */
  add(run: Run, onSettled: OnSettled): void {
    if (run.first > this.#next) this.#settled.add(this.#next, run.first - 1)
    this.#next = Math.max(this.#next, run.last + 1)
    if (run.left < run.count || run.first <= this.#settled.highest) this.#match(run, onSettled)
    if (run.left > 0) this.#runs.push(run)
  }

  /** Starts again with the oldest run, for a new connection. */
  rewind(): void {
    for (const run of this.#runs) run.held = false
    this.#cursor = 0
  }

  /** The run to be written next. */
  get current(): Run | undefined {
    return this.#runs[this.#cursor]
  }

  /** Moves on after {@link current} was written. */
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

  /** Merges a run's settled lines and the set: either may contain some that the other does not. */
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
    return indexAtLeast(this.#runs, number, lastOf)
  }
}
