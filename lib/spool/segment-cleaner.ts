// Keeps the log small: deletes segments without live records, begins a new segment when a large one is settled, and
// copies the few live records of an old segment to the end of the log, so that it can be deleted.

import type { SpoolClock } from './clock.js'
import type { LogFiles, Segment } from './log-files.js'
import { linesJob, type LogWriter } from './log-writer.js'
import { blankLines, HEADER_BYTES } from './record.js'
import type { IndexEntry, RecordIndex } from './record-index.js'
import type { WaitingRecords } from './waiting-records.js'

/** A settled segment of at least this size is replaced by a new one, so that disk space is freed. */
const SHRINK_BYTES = 1 << 20
/** The same while the disk is full. */
const SHRINK_FULL_BYTES = 1 << 14

export interface SegmentCleanerOptions {
  readonly files: LogFiles
  readonly index: RecordIndex
  readonly records: WaitingRecords
  readonly writer: LogWriter
  readonly clock: SpoolClock
  readonly segmentBytes: number
  readonly segments: readonly Segment[]
  /** See {@link SegmentCleaner.newest}. */
  readonly newest: Segment | undefined
  /** Begins a new segment with the current state. Rejects if it cannot be written. */
  readonly checkpoint: () => Promise<void>
  /** Called when a later attempt may free more: soon after a copy, later after a write that failed. */
  readonly onMore: (when: 'soon' | 'later') => void
}

export class SegmentCleaner {
  readonly #options: SegmentCleanerOptions
  #segments: readonly Segment[]
  /**
   * The newest segment whose start record is in the log: it carries the state, so older ones are not needed for that.
   */
  #newest: Segment | undefined
  readonly #chores = new Set<Promise<unknown>>()
  #clearing = false
  #closed = false

  constructor(options: SegmentCleanerOptions) {
    this.#options = options
    this.#segments = options.segments
    this.#newest = options.newest
  }

  /** Whether the log has segments. */
  get hasSegments(): boolean {
    return this.#segments.length > 0
  }

  /** Adds a new segment, to which the writer now appends. */
  add(segment: Segment): void {
    this.#segments = [...this.#segments, segment]
    this.#newest = segment
    this.deleteSettled()
  }

  /** Stops clearing segments. */
  close(): void {
    this.#closed = true
  }

  /** Resolves when nothing is being deleted or copied. Never rejects. */
  async idle(): Promise<void> {
    while (this.#chores.size > 0) await Promise.allSettled(this.#chores)
  }

  /** Deletes segments without live records. The state in them is also at the head of a newer segment. */
  deleteSettled(): void {
    const newest = this.#newest
    if (newest === undefined) return
    // A segment after the newest has a damaged start record, and may contain newer state; or it is empty.
    const isNeeded = (segment: Segment): boolean =>
      segment === newest || segment.records > 0 || (segment.sequence > newest.sequence && segment.size > 0)
    const settled = this.#segments.filter((segment) => !isNeeded(segment))
    if (settled.length === 0) return
    this.#segments = this.#segments.filter(isNeeded)
    for (const segment of settled) this.#chore(this.#options.files.remove(segment))
  }

  /**
   * Begins a new segment if the current one has no live records, or copies the few live records of an old one, so that
   * it can be deleted.
   */
  shrink(): void {
    const { writer, checkpoint, onMore } = this.#options
    const newest = this.#newest
    const most = writer.diskFull ? SHRINK_FULL_BYTES : SHRINK_BYTES
    if (newest?.records === 0 && newest.size > most) {
      checkpoint().catch(() => {
        onMore('later')
      })
    }
    if (!this.#closed) this.#clear()
  }

  /**
   * Clears an old segment if it is mostly settled, so that settled messages take at most about as much room as live
   * ones.
   */
  #clear(): void {
    const newest = this.#newest
    if (this.#clearing || newest === undefined) return
    let all = 0
    let live = 0
    let sparsest: Segment | undefined
    for (const segment of this.#segments) {
      all += segment.size
      live += segment.liveBytes
      if (segment.sequence >= newest.sequence) continue
      if (sparsest === undefined || shareOf(segment) < shareOf(sparsest)) sparsest = segment
    }
    if (sparsest === undefined || all - live <= live + 2 * this.#options.segmentBytes) return
    const segment = sparsest
    this.#clearing = true
    this.#chore(
      this.#copyOut(segment).finally(() => {
        this.#clearing = false
      }),
    )
  }

  /** Copies the records of a segment to the end of the log, without their settled lines. */
  async #copyOut(segment: Segment): Promise<void> {
    const { index, records, onMore } = this.#options
    const entries = [...index.from(1)].filter((entry) => entry.segment === segment)
    for (const entry of entries) {
      if (this.#closed) return
      if (entry.removed) continue
      const value = records.value(entry)
      if (value !== undefined && !(await this.#copy(entry, value))) return
    }
    onMore('soon')
  }

  /** Resolves with false if there is no room for the copy. */
  #copy(entry: IndexEntry, value: Buffer): Promise<boolean> {
    const { index, writer, clock } = this.#options
    const { first, count, keptAtMs: timeMs, gone } = entry
    const lines = value.subarray(HEADER_BYTES)
    const copy = Buffer.concat([
      Buffer.alloc(HEADER_BYTES),
      gone === undefined ? lines : blankLines(lines, gone),
    ])
    // The sum shows that lines are missing; the shares are estimates then.
    const priorities: [number, number, number] =
      gone === undefined ? [...entry.priorities] : [0, entry.live, 0]
    const wallMs = clock.wallMs()
    return new Promise((resolve) => {
      writer.enqueue(
        linesJob(
          copy,
          { count, first, timeMs, wallMs, priorities },
          {
            onWritten: (segment, offset, size) => {
              if (!entry.removed) index.place(entry, segment, offset, size)
              resolve(true)
            },
            onFailed: () => {
              resolve(false)
            },
          },
        ),
      )
    })
  }

  #chore(work: Promise<unknown>): void {
    const done = work
      .catch(() => undefined) // what could not be deleted now is deleted when the spool is opened
      .finally(() => this.#chores.delete(done))
    this.#chores.add(done)
  }
}

function shareOf({ size, liveBytes }: Segment): number {
  return liveBytes / size
}
