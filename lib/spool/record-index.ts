// An index of the records in the log that still hold messages: their numbers, where they stand, and which lines are
// settled. Must not know files.

import { indexAtLeast } from '../base/sorted.js'
import type { Segment } from './log-files.js'
import type { Range } from './ranges.js'
import { HEADER_BYTES } from './record.js'

/** A record. It is removed from the index when all its lines are settled or given up. */
export interface IndexEntry {
  readonly first: number
  readonly count: number
  /** Spool time at which it was appended. */
  readonly keptAtMs: number
  /** Lines neither settled nor given up. */
  live: number
  /** Lines by priority when the record was written; an estimate if some are settled. */
  readonly priorities: readonly [number, number, number]
  /** Bytes of the remaining lines; an estimate if some are settled. */
  lineBytes: number
  durable: boolean
  removed: boolean
  /** 1 for each line that is settled or given up; undefined if none is. */
  gone: Uint8Array | undefined
  segment: Segment | undefined
  /** Where its header begins in the segment, and its size with the header. */
  offset: number
  size: number
}

/** The bytes that a record counts for besides its lines: its header, and its entry here. */
export const OVERHEAD_BYTES = 96
const COMPACT_AT = 1024

const endOf = ({ first, count }: IndexEntry): number => first + count

export class RecordIndex {
  /** Ascending by number; those before #head are removed. */
  #entries: IndexEntry[] = []
  #head = 0
  #removed = 0
  #messages = 0
  #bytes = 0
  /** Called when the last record of a segment is removed. */
  onEmpty: (segment: Segment) => void = () => undefined

  get messages(): number {
    return this.#messages
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds a record; its number is higher than all others. */
  add(
    first: number,
    count: number,
    keptAtMs: number,
    priorities: readonly [number, number, number],
    size: number,
    lineBytes: number,
  ): IndexEntry {
    const entry: IndexEntry = {
      first,
      count,
      keptAtMs,
      live: count,
      priorities,
      lineBytes,
      durable: false,
      removed: false,
      gone: undefined,
      segment: undefined,
      offset: 0,
      size,
    }
    this.#entries.push(entry)
    this.#messages += count
    this.#bytes += lineBytes + OVERHEAD_BYTES
    return entry
  }

  /** Records the place of a record in the log, after it was written or copied. */
  place(entry: IndexEntry, segment: Segment, offset: number, size: number): void {
    const before = entry.segment
    ++segment.records
    segment.liveBytes += weightOf(entry)
    entry.segment = segment
    entry.offset = offset
    entry.size = size
    if (before !== undefined) this.#leave(before, weightOf(entry))
  }

  remove(entry: IndexEntry): void {
    if (entry.removed) return
    const weight = weightOf(entry)
    entry.removed = true
    this.#messages -= entry.live
    this.#bytes -= entry.lineBytes + OVERHEAD_BYTES
    entry.live = 0
    ++this.#removed
    this.#compact()
    if (entry.segment !== undefined) this.#leave(entry.segment, weight)
  }

  /**
   * Marks lines from an index to another as settled or given up. Returns how many were not before.
   *
   * @param bytes the size of those lines, if it is known
   */
  settleLines(entry: IndexEntry, begin: number, end: number, bytes?: number): number {
    if (begin === 0 && end === entry.count) {
      const { live } = entry
      this.remove(entry)
      return live
    }
    const gone = (entry.gone ??= new Uint8Array(entry.count))
    let settled = 0
    for (let i = begin; i < end; ++i) {
      if (gone[i] === 0) ++settled
      gone[i] = 1
    }
    if (settled === entry.live) {
      this.remove(entry)
    } else if (settled > 0) {
      const before = weightOf(entry)
      const freed = bytes ?? Math.floor((entry.lineBytes * settled) / entry.live)
      entry.live -= settled
      entry.lineBytes -= freed
      this.#messages -= settled
      this.#bytes -= freed
      if (entry.segment !== undefined) entry.segment.liveBytes -= before - weightOf(entry)
    }
    return settled
  }

  /** Settles a range of numbers. Returns how many messages were not settled before. */
  settle(first: number, through: number): number {
    let settled = 0
    for (let i = this.#find(first); i < this.#entries.length;) {
      const entry = this.#entries[i] as IndexEntry
      if (entry.first > through) break
      const entries = this.#entries
      if (!entry.removed) {
        const begin = Math.max(0, first - entry.first)
        settled += this.settleLines(entry, begin, Math.min(entry.count, through - entry.first + 1))
      }
      // A removal may have moved the entries.
      i = entries === this.#entries ? i + 1 : this.#find(entry.first + entry.count)
    }
    return settled
  }

  /**
   * Yields the records from the one that contains a number, or else from the next one. Do not change the index during
   * the iteration.
   */
  *from(number: number): Generator<IndexEntry> {
    const entries = this.#entries
    for (let i = this.#find(number); i < entries.length; ++i) {
      const entry = entries[i] as IndexEntry
      if (!entry.removed) yield entry
    }
  }

  /** The number of the oldest message, or `next` if there is none. */
  oldest(next: number): number {
    const entry = this.#entries[this.#head]
    if (entry === undefined) return next
    return entry.first + (entry.gone === undefined ? 0 : entry.gone.indexOf(0))
  }

  /** The ranges of numbers below `next` that are settled or given up, after those before the oldest message. */
  settledRanges(next: number): Range[] {
    const ranges: Range[] = []
    let from = this.oldest(next)
    const live = (first: number, through: number): void => {
      if (first > from) ranges.push([from, first - 1])
      from = through + 1
    }
    for (const { first, count, gone } of this.from(from)) {
      if (gone === undefined) {
        live(first, first + count - 1)
        continue
      }
      for (let i = 0; i < count; ++i) if (gone[i] === 0) live(first + i, first + i)
    }
    if (from < next) ranges.push([from, next - 1])
    return ranges
  }

  /**
   * Returns approximately how many bytes giving up these records would free: all of them, or only lines of a lower
   * priority.
   */
  reclaimable(entries: readonly IndexEntry[], below: number | undefined): number {
    let bytes = 0
    for (const { lineBytes, count, priorities } of entries) {
      const share =
        below === undefined ? 1 : priorities.slice(0, below).reduce((sum, lines) => sum + lines, 0) / count
      bytes += (lineBytes + OVERHEAD_BYTES) * share
    }
    return bytes
  }

  /** The index of the record that contains a number, or else of the next one. */
  #find(number: number): number {
    return indexAtLeast(this.#entries, number + 1, endOf, this.#head)
  }

  #leave(segment: Segment, weight: number): void {
    segment.liveBytes -= weight
    if (--segment.records === 0) this.onEmpty(segment)
  }

  /** Drops removed entries: those at the front, and when they are the majority also those in between. */
  #compact(): void {
    while (this.#entries[this.#head]?.removed === true) {
      ++this.#head
      --this.#removed
    }
    if (this.#removed >= COMPACT_AT && this.#removed * 2 >= this.#entries.length - this.#head) {
      this.#entries = this.#entries.slice(this.#head).filter((entry) => !entry.removed)
      this.#head = this.#removed = 0
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
  }
}

/** Returns the bytes that a copy of the record would take; a settled line still takes its newline. */
function weightOf({ lineBytes, count, live }: IndexEntry): number {
  return HEADER_BYTES + lineBytes + count - live
}
