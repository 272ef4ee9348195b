// A set of numbers as ranges.

/** First and last number, both included. */
export type Range = readonly [first: number, through: number]

export class Ranges {
  #ranges: [number, number][] = []
  #normal = true

  get size(): number {
    return this.#ranges.length
  }

  add(first: number, through: number): void {
    if (through < first) return
    const last = this.#ranges.at(-1)
    if (last === undefined) {
      this.#ranges.push([first, through])
    } else if (first >= last[0] && first <= last[1] + 1) {
      if (through > last[1]) last[1] = through
    } else {
      if (first < last[0]) this.#normal = false
      this.#ranges.push([first, through])
    }
  }

  /** Ascending, and neither overlapping nor touching. */
  list(): readonly Range[] {
    if (this.#normal) return this.#ranges
    const sorted = this.#ranges.sort((one, other) => one[0] - other[0])
    this.#ranges = []
    this.#normal = true
    for (const [first, through] of sorted) this.add(first, through)
    return this.#ranges
  }

  /** How many of the numbers from `first` to `through` are in the set. */
  countWithin(first: number, through: number): number {
    let count = 0
    for (const [begin, end] of this.list()) {
      if (begin > through) break
      count += Math.max(0, Math.min(end, through) - Math.max(begin, first) + 1)
    }
    return count
  }

  clear(): void {
    this.#ranges = []
    this.#normal = true
  }
}
