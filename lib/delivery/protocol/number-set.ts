// A set of message numbers that fills from below: all numbers through a first one, and separate ranges ("islands")
// beyond it. Both ends of a session keep the settled numbers in such a set.

import { indexAtLeast } from '../../base/sorted.js'

export interface Island {
  first: number
  last: number
}

const lastOf = (island: Island): number => island.last

export class NumberSet {
  #through: number
  /** Ascending; neither overlapping, nor touching each other or #through. */
  #islands: Island[] = []

  constructor(through: number) {
    this.#through = through
  }

  /** Every number from 1 through this one is in the set. */
  get through(): number {
    return this.#through
  }

  /** The highest number in the set. */
  get highest(): number {
    return this.#islands.at(-1)?.last ?? this.#through
  }

  /** The ranges in the set beyond {@link through}, ascending. */
  get islands(): readonly Readonly<Island>[] {
    return this.#islands
  }

  has(number: number): boolean {
    if (number <= this.#through) return true
    if (number > this.highest) return false
    const island = this.#islands[this.indexOfIsland(number)]
    return island !== undefined && island.first <= number
  }

  /** Adds the numbers from `first` through `last`; returns how many of them are new. */
  add(first: number, last: number): number {
    let from = first
    if (from <= this.#through) from = this.#through + 1
    if (last < from) return 0
    const islands = this.#islands
    if (islands.length === 0) {
      if (from === this.#through + 1) this.#through = last
      else islands.push({ first: from, last })
      return last - from + 1
    }
    let added = last - from + 1
    // Islands that overlap or touch [from, last] are merged.
    const begin = this.indexOfIsland(from - 1)
    let end = begin
    const merged = { first: from, last }
    for (
      let island = islands[end];
      island !== undefined && island.first <= last + 1;
      island = islands[++end]
    ) {
      added -= Math.max(0, Math.min(island.last, last) - Math.max(island.first, from) + 1)
      merged.first = Math.min(merged.first, island.first)
      merged.last = Math.max(merged.last, island.last)
    }
    if (merged.first === this.#through + 1) {
      this.#through = merged.last
      islands.splice(0, end)
    } else {
      islands.splice(begin, end - begin, merged)
    }
    return added
  }

  /** Returns the numbers from `first` through `last` that are not in the set, as ascending ranges. */
  missing(first: number, last: number): Island[] {
    const ranges: Island[] = []
    let from = Math.max(first, this.#through + 1)
    for (let i = this.indexOfIsland(from); from <= last; ++i) {
      const island = this.#islands[i]
      if (island === undefined || island.first > last) {
        ranges.push({ first: from, last })
        break
      }
      if (island.first > from) ranges.push({ first: from, last: island.first - 1 })
      from = Math.max(from, island.last + 1)
    }
    return ranges
  }

  /** Returns the index of the first island that ends at `number` or later; the number of islands if there is none. */
  indexOfIsland(number: number): number {
    return indexAtLeast(this.#islands, number, lastOf)
  }
}
