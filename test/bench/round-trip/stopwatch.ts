// Takes the time of each round trip and gives exact percentiles: all samples are kept, in memory made beforehand.

import type { Figures, RoleContext } from '../harness/scenario.js'
import { percentile } from '../harness/statistics.js'

export class Stopwatch {
  readonly #warmUp: number
  readonly #samples: Float64Array
  #done = 0
  #startedAt = 0

  constructor(context: RoleContext) {
    this.#warmUp = context.number('warmUp')
    this.#samples = new Float64Array(context.number('roundTrips'))
  }

  /** Number of the round trip that is about to begin or under way. */
  get current(): number {
    return this.#done
  }

  start(): void {
    this.#startedAt = performance.now()
  }

  /** Figures after the last round trip. */
  stop(): Figures | undefined {
    const tookMs = performance.now() - this.#startedAt
    const sample = this.#done++ - this.#warmUp
    if (sample >= 0) this.#samples[sample] = tookMs
    if (sample + 1 < this.#samples.length) return undefined
    return {
      p50Us: percentile(this.#samples, 0.5) * 1000,
      p99Us: percentile(this.#samples, 0.99) * 1000,
    }
  }
}
