// A queue in an array. Taken entries are removed many at a time, because `Array.shift` moves all the others each time.

/** The array is compacted when at least this many entries, and at least half of the array, have been taken. */
const COMPACT_AT = 256

/** First in, first out, each step in constant time. */
export class Fifo<Entry> {
  #entries: Entry[] = []
  #head = 0

  get length(): number {
    return this.#entries.length - this.#head
  }

  /** The oldest entry. */
  get first(): Entry | undefined {
    return this.#entries[this.#head]
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Takes the oldest entry. */
  shift(): Entry | undefined {
    const entry = this.#entries[this.#head]
    if (entry === undefined) return undefined
    ++this.#head
    if (this.#head === this.#entries.length) {
      this.#entries = []
      this.#head = 0
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return entry
  }

  /** Takes all entries, oldest first. */
  clear(): Entry[] {
    const entries = this.#head === 0 ? this.#entries : this.#entries.slice(this.#head)
    this.#entries = []
    this.#head = 0
    return entries
  }
}
