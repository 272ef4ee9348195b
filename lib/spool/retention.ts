// Decides which waiting messages are given up: those that are too old, and those that make room for newer or more
// important ones. Must not know files.

import type { SpoolClock } from './clock.js'
import type { IndexEntry, RecordIndex } from './record-index.js'
import type { WaitingRecords } from './waiting-records.js'

export class Retention {
  readonly #records: WaitingRecords
  readonly #index: RecordIndex
  readonly #clock: SpoolClock
  readonly #maxBytes: number
  readonly #maxAgeMs: number

  constructor(
    records: WaitingRecords,
    index: RecordIndex,
    clock: SpoolClock,
    { maxBytes, maxAgeMs }: { readonly maxBytes: number; readonly maxAgeMs: number },
  ) {
    this.#records = records
    this.#index = index
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#maxAgeMs = maxAgeMs
  }

  fits(bytes: number): boolean {
    return this.#index.bytes + bytes <= this.#maxBytes
  }

  /** As `SpoolLog.makeRoom`. */
  makeRoom(bytes: number, through: number, below: number | undefined): number {
    const excess = (): number => this.#index.bytes + bytes - this.#maxBytes
    const candidates = this.#candidates(through)
    if (this.#index.reclaimable(candidates, below) < excess()) return 0
    let dropped = 0
    for (let rank = 0; rank < (below ?? 1); ++rank) {
      for (const entry of candidates) {
        if (excess() <= 0) return dropped
        if (entry.removed) continue
        dropped += below === undefined ? this.#records.drop(entry) : this.#records.shed(entry, rank)
      }
    }
    return dropped
  }

  /** Gives up durable messages after number `through` that are older than `maxAgeMs`. Returns how many. */
  expire(through: number): number {
    if (this.#maxAgeMs === Infinity) return 0
    const before = this.#clock.nowMs() - this.#maxAgeMs
    const old: IndexEntry[] = []
    for (const entry of this.#index.from(through + 1)) {
      if (entry.keptAtMs > before) break
      if (isAfter(entry, through)) old.push(entry)
    }
    let count = 0
    for (const entry of old) count += this.#records.drop(entry)
    return count
  }

  #candidates(through: number): IndexEntry[] {
    return [...this.#index.from(through + 1)].filter((entry) => isAfter(entry, through))
  }
}

/** Whether a record is durable, and none of its messages is in flight. */
function isAfter({ durable, first }: IndexEntry, through: number): boolean {
  return durable && first > through
}
