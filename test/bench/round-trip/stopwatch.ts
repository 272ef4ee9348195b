// Takes the time of each round trip into an HDR histogram (three significant digits), for as long as it was told.

import { createHistogram } from 'node:perf_hooks'

import type { Figures, RoleContext } from '../harness/scenario.js'

const NS_PER_MS = 1e6
const LONGEST_NS = 60e9

export class Stopwatch {
  readonly #histogram = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: 3 })
  readonly #measureFrom: number
  readonly #end: number
  #current = 0
  #startedAt = 0

  constructor(context: RoleContext) {
    this.#measureFrom = performance.now() + context.number('warmUpMs')
    this.#end = this.#measureFrom + context.number('measureMs')
  }

  /** Number of the round trip that is about to begin or under way. */
  get current(): number {
    return this.#current
  }

  start(): void {
    this.#startedAt = performance.now()
  }

  /** Figures after the last round trip. */
  stop(): Figures | undefined {
    const now = performance.now()
    ++this.#current
    if (this.#startedAt >= this.#measureFrom)
      this.#histogram.record(Math.max(1, Math.round((now - this.#startedAt) * NS_PER_MS)))
    if (now < this.#end || this.#histogram.count === 0) return undefined
    const us = (percentile: number): number => this.#histogram.percentile(percentile) / 1000
    return {
      p50Us: us(50),
      p90Us: us(90),
      p99Us: us(99),
      p999Us: us(99.9),
      maxUs: this.#histogram.max / 1000,
    }
  }
}
