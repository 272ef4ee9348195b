// Detects facts that occur often within a time window, separately for each key, in bounded memory.

import type { Evidence } from '../protocol.js'
import { BoundedMap } from './bounded-map.js'
import type { Fact } from './fact.js'

/** Hosts, users or addresses that are counted at the same time. */
const MAX_KEYS = 10_000

export class Burst {
  readonly #threshold: number
  readonly #windowMs: number
  /** For each key the newest facts, never more than the threshold. */
  readonly #recent = new BoundedMap<string, { time: number; evidence: Evidence }[]>(MAX_KEYS)

  constructor(threshold: number, windowMs: number) {
    this.#threshold = threshold
    this.#windowMs = windowMs
  }

  /**
   * Counts a fact, which may stand for several occurrences. Returns the new evidence, once
   * there are as many within the window as the threshold says; until then undefined.
   */
  add(key: string, { time, evidence }: Fact, times = 1): readonly Evidence[] | undefined {
    const before = this.#within(key, time)
    const was = before.length >= this.#threshold
    const added = Array.from({ length: Math.min(times, this.#threshold) }, () => ({ time, evidence }))
    const recent = [...before, ...added].slice(-this.#threshold)
    this.#recent.set(key, recent)
    if (recent.length < this.#threshold) return undefined
    return (was ? added : recent).map((entry) => entry.evidence)
  }

  /** Whether a key is over the threshold at this time. */
  isOver(key: string, time: number): boolean {
    return this.#within(key, time).length >= this.#threshold
  }

  /** Events of several sources are not in order, so the window extends both ways. */
  #within(key: string, time: number): { time: number; evidence: Evidence }[] {
    const recent = this.#recent.get(key) ?? []
    return recent.filter((entry) => Math.abs(time - entry.time) <= this.#windowMs)
  }
}
