// Numbers in ascending order, added mostly at the end and taken away mostly at the beginning, each in constant time.

import { indexAtLeast, itself } from '../../base/sorted.js'

/** The array is compacted when at least this many numbers, and at least half of the array, were taken. */
const COMPACT_AT = 1024

export class AscendingNumbers {
  #numbers: number[]
  #head = 0

  /** @param numbers ascending; kept */
  constructor(numbers: number[] = []) {
    this.#numbers = numbers
  }

  get first(): number | undefined {
    return this.#numbers[this.#head]
  }

  get size(): number {
    return this.#numbers.length - this.#head
  }

  add(number: number): void {
    const numbers = this.#numbers
    if (this.size === 0 || (numbers.at(-1) as number) < number) numbers.push(number)
    else numbers.splice(this.#indexOf(number), 0, number)
  }

  /** Removes and returns the first numbers, at most `count`. */
  take(count: number): number[] {
    const taken = this.#numbers.slice(this.#head, this.#head + count)
    this.#drop(taken.length)
    return taken
  }

  /** Removes and returns all numbers below this one. */
  takeBelow(number: number): number[] {
    return this.take(this.#indexOf(number) - this.#head)
  }

  /** Yields the numbers from `first` through `last`. */
  *within(first: number, last: number): Iterable<number> {
    const numbers = this.#numbers
    for (let at = this.#indexOf(first); at < numbers.length; ++at) {
      const number = numbers[at] as number
      if (number > last) return
      yield number
    }
  }

  copy(): AscendingNumbers {
    return new AscendingNumbers(this.#numbers.slice(this.#head))
  }

  #drop(count: number): void {
    this.#head += count
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#numbers.length) return
    this.#numbers = this.#numbers.slice(this.#head)
    this.#head = 0
  }

  /** Index of the first one that is `number` or more. */
  #indexOf(number: number): number {
    return indexAtLeast(this.#numbers, number, itself, this.#head)
  }
}
