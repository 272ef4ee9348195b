// What a spool holds, without the messages themselves: which numbers, how many of them live, how many bytes. Must not know
// LMDB.

import type { StoredRecord } from './spool-record.js'

export interface IndexEntry {
  readonly first: number
  readonly count: number
  readonly keptAtMs: number
  /** Lines that are neither done with nor given up. */
  live: number
  /** The same by priority; not kept up once part of the record is done with. */
  priorities: [number, number, number]
  bytes: number
  /** It is as safe as the spool makes it. */
  durable: boolean
  /** Some lines are empty. */
  patchy: boolean
  removed: boolean
}

/** About what the header of a record and LMDB need besides its lines. */
export const OVERHEAD_BYTES = 96

/** Bytes that a record counts for. */
function recordBytes(lineBytes: number): number {
  return lineBytes + OVERHEAD_BYTES
}

const COMPACT_AT = 1024

export class SpoolIndex {
  /** Ascending; those before #head are done with. */
  #entries: IndexEntry[] = []
  #head = 0
  #acknowledged = 0
  #messages = 0
  #bytes = 0

  get messages(): number {
    return this.#messages
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds a record behind all others. */
  add(
    first: number,
    { count, keptAtMs, priorities }: Omit<StoredRecord, 'lines'>,
    lineBytes: number,
  ): IndexEntry {
    const live = priorities[0] + priorities[1] + priorities[2]
    const entry: IndexEntry = {
      first,
      count,
      keptAtMs,
      live,
      priorities: [...priorities],
      bytes: recordBytes(lineBytes),
      durable: false,
      patchy: live !== count,
      removed: false,
    }
    this.#entries.push(entry)
    this.#messages += live
    this.#bytes += entry.bytes
    return entry
  }

  remove(entry: IndexEntry): void {
    if (entry.removed) return
    entry.removed = true
    this.#messages -= entry.live
    this.#bytes -= entry.bytes
    entry.live = 0
    while (this.#entries[this.#head]?.removed === true) ++this.#head
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
  }

  /** Lines of one priority are given up. */
  shed(entry: IndexEntry, rank: number, lineBytes: number): void {
    const count = entry.priorities[rank] ?? 0
    entry.priorities[rank as 0] = 0
    entry.live -= count
    entry.patchy = true
    this.#messages -= count
    this.#bytes += recordBytes(lineBytes) - entry.bytes
    entry.bytes = recordBytes(lineBytes)
  }

  /** All through a number is done with; answers how many lines that were, and the records that are now gone. */
  acknowledge(
    through: number,
    linesOf: (entry: IndexEntry) => Buffer | undefined,
  ): { messages: number; gone: IndexEntry[] } {
    const gone: IndexEntry[] = []
    let messages = 0
    for (const entry of this.from(1)) {
      const last = entry.first + entry.count - 1
      if (entry.first > through) break
      if (last <= through) {
        messages += entry.live
        gone.push(entry)
        continue
      }
      const done = entry.patchy
        ? liveLines(linesOf(entry), entry.first, this.#acknowledged, through)
        : through - Math.max(this.#acknowledged, entry.first - 1)
      entry.live -= done
      this.#messages -= done
      messages += done
      break
    }
    for (const entry of gone) this.remove(entry)
    this.#acknowledged = through
    return { messages, gone }
  }

  /** Records from the one on that holds a number, or else the one after it. */
  *from(number: number): Generator<IndexEntry> {
    let low = this.#head
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      const entry = this.#entries[middle] as IndexEntry
      if (entry.first + entry.count <= number) low = middle + 1
      else high = middle
    }
    const entries = this.#entries
    for (let i = low; i < entries.length; ++i) {
      const entry = entries[i] as IndexEntry
      if (!entry.removed) yield entry
    }
  }

  /** About how many bytes these would give back: all of them, or their lines of lower priority. */
  reclaimable(entries: readonly IndexEntry[], below: number | undefined): number {
    let bytes = 0
    for (const entry of entries) {
      let share = 1
      if (below !== undefined && entry.live > 0) {
        share = entry.priorities.slice(0, below).reduce((sum, count) => sum + count, 0) / entry.live
      }
      bytes += entry.bytes * share
    }
    return bytes
  }
}

/** Lines in (after, through] that are not empty. */
function liveLines(lines: Buffer | undefined, first: number, after: number, through: number): number {
  let live = 0
  if (lines === undefined) return live
  for (let begin = 0, number = first; begin < lines.length && number <= through; ++number) {
    const end = lines.indexOf(10, begin) + 1
    if (number > after && end - begin > 1) ++live
    begin = end
  }
  return live
}
