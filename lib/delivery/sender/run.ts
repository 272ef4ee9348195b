// Numbered lines that are written together, and which of them are settled.

import { forEachStretch } from '../protocol/lines.js'

export class Run {
  /** Number of the first line. */
  readonly first: number
  readonly count: number
  readonly lines: Buffer
  /** The kernel may still read `lines`, so their memory must not be reused even if they are settled. */
  held = false
  /** Lines that are not settled. */
  #left: number
  /** Lines before this index are settled. */
  #begin = 0
  /** 1 for each settled line; undefined while only lines before #begin are settled. */
  #settled: Uint8Array | undefined

  /** @param settled 1 for each line that is already settled, and therefore empty */
  constructor(first: number, count: number, lines: Buffer, settled?: Uint8Array) {
    this.first = first
    this.count = count
    this.lines = lines
    this.#settled = settled
    this.#left = count
    if (settled === undefined) return
    for (const line of settled) this.#left -= line
    this.#advance()
  }

  get last(): number {
    return this.first + this.count - 1
  }

  /** Lines that are not settled. */
  get left(): number {
    return this.#left
  }

  /** Index of the first line that is not settled. */
  get begin(): number {
    return this.#begin
  }

  /** Settles lines by index; calls `onSettled` with each stretch of them that was not settled before. */
  settle(begin: number, end: number, onSettled?: (begin: number, end: number) => void): void {
    const from = Math.max(begin, this.#begin)
    if (end <= from) return
    if (from === this.#begin && this.#settled === undefined) {
      this.#begin = end
      this.#left -= end - from
      onSettled?.(from, end)
      return
    }
    const settled = (this.#settled ??= new Uint8Array(this.count))
    for (let at = from; at < end;) {
      while (at < end && settled[at] === 1) ++at
      const start = at
      while (at < end && settled[at] === 0) settled[at++] = 1
      if (at === start) continue
      this.#left -= at - start
      onSettled?.(start, at)
    }
    this.#advance()
  }

  /** Calls `onStretch` with each stretch of settled lines, by index. */
  forEachSettled(onStretch: (begin: number, end: number) => void): void {
    if (this.#begin > 0) onStretch(0, this.#begin)
    const settled = this.#settled
    if (settled === undefined) return
    for (let at = this.#begin; at < this.count; ++at) {
      const start = at
      while (at < this.count && settled[at] === 1) ++at
      if (at > start) onStretch(start, at)
    }
  }

  /** Calls `onStretch` with the bytes of each stretch of lines that are not settled, and the number of the first. */
  forEachUnsettled(onStretch: (lines: Buffer, first: number, last: number) => void): void {
    const { first, count, lines } = this
    if (this.#left === count) {
      onStretch(lines, first, this.last)
      return
    }
    const settled = this.#settled
    forEachStretch(
      lines,
      count,
      (index) => index >= this.#begin && settled?.[index] !== 1,
      (begin, end, index) => {
        let last = index
        while (last + 1 < count && settled?.[last + 1] !== 1) ++last
        onStretch(lines.subarray(begin, end), first + index, first + last)
      },
    )
  }

  #advance(): void {
    const settled = this.#settled as Uint8Array
    let begin = this.#begin
    while (begin < this.count && settled[begin] === 1) ++begin
    this.#begin = begin
  }
}
