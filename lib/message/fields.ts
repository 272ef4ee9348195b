// The fields that a receiver requested, and where the addon found them in the lines of a read. Values are made on
// demand. Must not know messages.

import { wrongKind } from '../base/options.js'
import { FieldWord } from '../binding/abi.js'
import { checkPointer } from './json-pointer.js'
import { RecentStrings } from './recent-strings.js'

/** The pointers that a receiver requested. */
export class FieldSet {
  readonly pointers: readonly string[]
  /** Words of a row of these fields; see {@link FieldWord}. */
  readonly rowWords: number
  /** Values of these fields. */
  readonly recentStrings = new RecentStrings()
  readonly #indexes: ReadonlyMap<string, number>

  /** @throws TypeError or RangeError unless the value is a list of 1 to 16 different pointers. `what` names it. */
  constructor(pointers: unknown, what: string) {
    if (!Array.isArray(pointers)) throw wrongKind(what, 'a list of JSON Pointers', pointers)
    if (pointers.length === 0 || pointers.length > FieldWord.most) {
      throw new RangeError(`${what} must be 1 to ${FieldWord.most} JSON Pointers, not ${pointers.length}`)
    }
    const indexes = new Map<string, number>()
    for (const pointer of pointers as unknown[]) {
      checkPointer(pointer, `${what}: each`)
      if (indexes.has(pointer))
        throw new TypeError(`${what} must not contain ${JSON.stringify(pointer)} twice`)
      indexes.set(pointer, indexes.size)
    }
    this.pointers = [...indexes.keys()]
    this.rowWords = FieldWord.first + indexes.size * FieldWord.each
    this.#indexes = indexes
  }

  /** Returns the index of a pointer in the list; undefined if it was not requested. */
  indexOf(pointer: string): number | undefined {
    return this.#indexes.get(pointer)
  }
}

/** The positions of the fields in the lines of one step of a read. All messages of the step share the object. */
export class FieldTable {
  readonly set: FieldSet
  /** Rows in the order of the lines; see {@link FieldWord}. */
  readonly #words: Int32Array
  /** Index of the first word of the row found last. */
  #row = 0

  /** Takes over the rows, whose `lineStart` must be set. */
  constructor(set: FieldSet, words: Int32Array) {
    this.set = set
    this.#words = words
  }

  /** Returns the index of the row for the line that begins at `lineStart` of the read window. */
  rowOf(lineStart: number): number {
    const words = this.#words
    const row = this.#row
    if (words[row] === lineStart) return row
    // Messages are mostly processed in their order.
    const next = row + this.set.rowWords
    return (this.#row = next < words.length && words[next] === lineStart ? next : this.#search(lineStart))
  }

  /** Returns where the value of a field begins in the read window; equal to its end if the field is missing. */
  startOf(row: number, field: number): number {
    return this.#words[row + FieldWord.first + field * FieldWord.each] as number
  }

  endOf(row: number, field: number): number {
    return this.#words[row + FieldWord.first + field * FieldWord.each + 1] as number
  }

  #search(lineStart: number): number {
    const { rowWords } = this.set
    let low = 0
    let high = this.#words.length / rowWords - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#words[middle * rowWords] as number) <= lineStart) low = middle
      else high = middle - 1
    }
    return low * rowWords
  }
}
