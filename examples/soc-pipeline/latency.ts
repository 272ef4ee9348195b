// A histogram of latencies in fixed memory: sixteen steps for each power of two, so a quantile is at most 6 % too high.

import type { Latency } from './protocol.js'

const STEPS = 16
const STEP_BITS = 4
const LONGEST_MICROS = 2 ** 31 - 1

export class LatencyHistogram {
  readonly #counts = new Float64Array((31 - STEP_BITS + 1) * STEPS)
  #total = 0

  add(micros: number): void {
    const value = Math.min(Math.max(Math.round(micros), 0), LONGEST_MICROS)
    const at = indexOf(value)
    this.#counts[at] = (this.#counts[at] as number) + 1
    ++this.#total
  }

  summary(): Latency {
    return { p50: this.#quantile(0.5), p99: this.#quantile(0.99) }
  }

  #quantile(share: number): number | undefined {
    if (this.#total === 0) return undefined
    let left = Math.ceil(this.#total * share)
    for (const [at, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return upperBound(at)
    }
    return LONGEST_MICROS
  }
}

function indexOf(value: number): number {
  if (value < STEPS) return value
  const exponent = 31 - Math.clz32(value)
  return (exponent - STEP_BITS + 1) * STEPS + ((value >> (exponent - STEP_BITS)) & (STEPS - 1))
}

/** The largest value that {@link indexOf} puts at this place. */
function upperBound(at: number): number {
  if (at < STEPS) return at
  const shift = Math.floor(at / STEPS) - 1
  return (STEPS + (at % STEPS) + 1) * 2 ** shift - 1
}
