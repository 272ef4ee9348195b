// Reads a log when it is opened: every record in every segment, in the order in which they were written. Cuts the torn
// end off the last segment, and leaves all other damage in place.

import { parseJson } from '../base/json.js'
import { isSameBoot, type LastMoment, type SystemClock } from './clock.js'
import type { LogFiles, Segment } from './log-files.js'
import type { SpoolDamage } from './options.js'
import { Ranges, type Range } from './ranges.js'
import { emptyLines, HEADER_BYTES, RecordKind, type RecordHeader } from './record.js'
import { RecordIndex } from './record-index.js'
import { scan, type FoundDamage, type FoundRecord } from './scan.js'

/** The body of a `start` record: the state of the spool when the segment began. */
export interface StartState {
  readonly version: 1
  readonly session: string
  readonly bootId: string
  /** Spool time at the boot. */
  readonly baseMs: number
  /** Whether numbers were sent only when they were on the disk. */
  readonly fsync: boolean
  readonly settledThrough: number
  readonly next: number
  /** Ranges after `settledThrough` that are settled or given up. */
  readonly settled: readonly Range[]
  /** Damage that was reported before, as `segment:offset`. */
  readonly reported: readonly string[]
}

export interface Recovered {
  readonly index: RecordIndex
  readonly segments: Segment[]
  /** The newest start record. Undefined: the log is new, or no start record is readable. */
  readonly start: StartState | undefined
  /** The segment of that start record. Undefined if there is none. */
  readonly newest: Segment | undefined
  readonly last: LastMoment | undefined
  readonly next: number
  /** Messages lost to damage. */
  readonly lost: number
  readonly damages: readonly SpoolDamage[]
  readonly reported: readonly string[]
}

/** A record as it is found. A copy, made when an older segment was cleared, replaces it. */
interface Placed {
  readonly header: RecordHeader
  segment: Segment
  offset: number
  size: number
  gone: Uint8Array | undefined
}

export class Recovery {
  readonly #files: LogFiles
  readonly #system: SystemClock
  readonly #access: 'read' | 'write'
  readonly #records = new Map<number, Placed>()
  readonly #segments: Segment[] = []
  readonly #settled = new Ranges()
  readonly #lost = new Ranges()
  readonly #damages: SpoolDamage[] = []
  #start: StartState | undefined
  #newest: Segment | undefined
  #last: LastMoment | undefined
  #next = 1
  /** The number from which on messages are missing if the next record begins later. */
  #gapFrom: number | undefined

  constructor(files: LogFiles, system: SystemClock, access: 'read' | 'write') {
    this.#files = files
    this.#system = system
    this.#access = access
  }

  async run(): Promise<Recovered> {
    for (const { sequence } of await this.#files.list()) {
      const segment = await this.#open(sequence)
      if (segment !== undefined) this.#segments.push(segment)
    }
    // Files that could not be written to on a full disk are empty.
    const last = this.#segments.findLast(({ size }) => size > 0)
    for (const segment of this.#segments) await this.#readSegment(segment, segment === last)
    const reported = new Set(this.#start?.reported)
    return {
      lost: this.#countLost(),
      index: this.#buildIndex(),
      segments: this.#segments,
      start: this.#start,
      newest: this.#newest,
      last: this.#last,
      next: this.#next,
      damages: this.#damages.filter((damage) => !reported.has(place(damage))),
      reported: this.#damages.map(place),
    }
  }

  async #open(sequence: number): Promise<Segment | undefined> {
    try {
      return await this.#files.openSegment(sequence, this.#access)
    } catch (error) {
      // The owner of the spool may delete a segment while another process reads.
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
      if (this.#access === 'read' && code === 'ENOENT') return undefined
      throw error
    }
  }

  async #readSegment(segment: Segment, isLast: boolean): Promise<void> {
    for await (const found of scan(this.#files, segment)) {
      if (found.kind === 'record') this.#apply(segment, found)
      else await this.#onDamage(segment, found, isLast)
    }
  }

  #apply(segment: Segment, { header, offset, body }: FoundRecord): void {
    const { timeMs, wallMs } = header
    switch (header.kind) {
      case RecordKind.start: {
        const start = parseJson(body.toString('utf8')) as StartState
        this.#start = start
        this.#newest = segment
        this.#last = { bootId: start.bootId, baseMs: start.baseMs, timeMs, wallMs }
        this.#closeGap(start.next)
        this.#next = Math.max(this.#next, start.next)
        this.#settled.add(1, start.settledThrough)
        for (const [first, through] of start.settled) this.#settled.add(first, through)
        return
      }
      case RecordKind.settled:
        for (const [first, through] of parseJson(body.toString('utf8')) as Range[]) {
          this.#settled.add(first, through)
          this.#next = Math.max(this.#next, through + 1)
        }
        break
      case RecordKind.lines:
        this.#applyLines(segment, header, offset, body)
        break
    }
    // A copy has the time of its original.
    if (this.#last !== undefined && timeMs > this.#last.timeMs) this.#last = { ...this.#last, timeMs, wallMs }
  }

  #applyLines(segment: Segment, header: RecordHeader, offset: number, body: Buffer): void {
    const { first, count, priorities } = header
    const gone = priorities[0] + priorities[1] + priorities[2] === count ? undefined : emptyLines(body, count)
    const size = HEADER_BYTES + body.length
    this.#records.set(first, { header, segment, offset, size, gone })
    if (first < this.#next) return
    this.#closeGap(first)
    this.#next = first + count
  }

  #closeGap(first: number): void {
    if (this.#gapFrom === undefined) return
    this.#lost.add(this.#gapFrom, first - 1)
    this.#gapFrom = undefined
  }

  async #onDamage(segment: Segment, damage: FoundDamage, isLast: boolean): Promise<void> {
    const { offset, bytes, header, short } = damage
    const isTail = isLast && offset + bytes === segment.size
    const holdsLines = header?.kind === RecordKind.lines
    if (header === undefined) this.#gapFrom ??= this.#next
    if (isTail) {
      // A process that ended in the middle of a write left numbers that it had not sent. Any other damage may have hit
      // numbers that were sent; if they were used again, receivers would take the new messages for the old ones.
      const torn = short && this.#last !== undefined && isSameBoot(this.#system, this.#last)
      if (!torn) {
        const after = holdsLines ? header.first + header.count : this.#next + bytes
        if (holdsLines) this.#lost.add(header.first, after - 1)
        this.#next = Math.max(this.#next, after)
      }
      this.#gapFrom = undefined
      // Any other damage stays: until the next start record is on the disk, only the damage itself shows which numbers
      // must not be used again. Nothing is appended to this segment.
      if (torn && this.#access === 'write') {
        await this.#files.truncate(segment, offset)
        segment.size = offset
      }
    } else if (holdsLines) {
      this.#lost.add(header.first, header.first + header.count - 1)
      this.#next = Math.max(this.#next, header.first + header.count)
    }
    const what = isTail ? 'tail' : offset === 0 || header?.kind === RecordKind.start ? 'start' : 'record'
    this.#damages.push({
      what,
      segment: segment.name,
      offset,
      bytes,
      ...(holdsLines && { first: header.first, count: header.count }),
    })
  }

  /** Counts the numbers in damaged places, except settled ones and those with a copy. */
  #countLost(): number {
    const known = new Ranges()
    for (const [first, through] of this.#settled.list()) known.add(first, through)
    for (const { header } of this.#records.values()) known.add(header.first, header.first + header.count - 1)
    let lost = 0
    for (const [first, through] of this.#lost.list()) {
      lost += through - first + 1 - known.countWithin(first, through)
    }
    return lost
  }

  #buildIndex(): RecordIndex {
    const index = new RecordIndex()
    const records = [...this.#records.values()].sort((one, other) => one.header.first - other.header.first)
    for (const { header, segment, offset, size, gone } of records) {
      const { first, count, timeMs, priorities } = header
      const entry = index.add(first, count, timeMs, priorities, size, size - HEADER_BYTES)
      entry.durable = true
      index.place(entry, segment, offset, size)
      gone?.forEach((isGone, line) => {
        if (isGone === 1 && !entry.removed) index.settleLines(entry, line, line + 1)
      })
    }
    for (const [first, through] of this.#settled.list()) index.settle(first, through)
    return index
  }
}

function place({ segment, offset }: SpoolDamage): string {
  return `${segment}:${offset}`
}
