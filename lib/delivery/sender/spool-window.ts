// What of a spool is in memory: the durable records that go out next, and those in flight, within bounds. What came last
// is here already; what did not fit is read back when its turn comes. Must not know what comes into the spool.

import { newRun, type Run } from './in-flight.js'
import { runsOf } from './lines.js'
import type { SpoolLog } from '../../spool/spool-log.js'

/** What is read back at once. */
const READ_BYTES = 1 << 18

export class SpoolWindow {
  readonly #spool: SpoolLog
  readonly #maxMessages: number
  readonly #maxBytes: number
  /** Durable, in memory, not in flight; they follow each other up to the last durable one unless #spilled. */
  #ready: Run[] = []
  #readyMessages = 0
  #readyBytes = 0
  #readFrom: number
  /** What is in #ready ends here; a record that becomes durable may have been read back a moment before it is told. */
  #readyThrough: number
  /** What comes after #ready has to be read back. */
  #spilled: boolean
  #settledThrough: number
  #inFlight = 0
  #inFlightBytes = 0

  constructor(spool: SpoolLog, maxMessages: number, maxBytes: number) {
    this.#spool = spool
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#settledThrough = this.#readyThrough = spool.settledThrough
    this.#readFrom = spool.settledThrough + 1
    this.#spilled = spool.messages > 0
  }

  /** Number of the oldest message that is not in flight; undefined: the next one that comes. */
  get oldest(): number | undefined {
    return this.#ready[0]?.first ?? (this.#spilled ? this.#readFrom : undefined)
  }

  /** All through here is in flight or done with. */
  get taken(): number {
    return this.#readFrom - 1
  }

  /** A record has become durable. False: it is here already, or does not fit, and its memory is not needed. */
  offer(first: number, count: number, lines: Buffer): boolean {
    if (first <= this.#readyThrough) return false
    if (
      this.#spilled ||
      this.#readyMessages + count > this.#maxMessages ||
      this.#readyBytes + lines.length > this.#maxBytes
    ) {
      this.#spilled = true
      return false
    }
    this.#push(newRun(first, count, lines))
    this.#readyThrough = first + count - 1
    return true
  }

  take(): Run | undefined {
    if (this.#inFlight >= this.#maxMessages || this.#inFlightBytes >= this.#maxBytes) return undefined
    for (;;) {
      if (this.#ready.length === 0 && !this.#load()) return undefined
      const run = this.#ready.shift() as Run
      this.#readyMessages -= run.count
      this.#readyBytes -= run.lines.length
      this.#readFrom = Math.max(this.#readFrom, run.first + run.count)
      run.begin = Math.min(run.count, Math.max(0, this.#settledThrough + 1 - run.first))
      if (run.begin === run.count) continue
      this.#inFlight += run.count - run.begin
      this.#inFlightBytes += run.lines.length
      return run
    }
  }

  /** Messages of a run are done with; answers whether that was the last of them. */
  release(run: Run, begin: number, end: number): boolean {
    this.#inFlight -= end - begin
    if (end < run.count) return false
    this.#inFlightBytes -= run.lines.length
    return true
  }

  /** All through this number is done with. */
  settle(through: number): void {
    this.#settledThrough = Math.max(this.#settledThrough, through)
    this.#readFrom = Math.max(this.#readFrom, through + 1)
  }

  /** The spool has changed behind what is in flight: the rest is to be read anew. */
  forget(): void {
    this.#ready = []
    this.#readyMessages = this.#readyBytes = 0
    this.#readyThrough = this.#readFrom - 1
    this.#spilled = true
  }

  /** Reads back what comes next. False: there is nothing. */
  #load(): boolean {
    while (this.#spilled && this.#ready.length === 0) {
      // #ready is empty, so nothing behind this was taken in yet.
      const records = this.#spool.read(this.#readFrom, READ_BYTES)
      if (records.length === 0) this.#spilled = false
      for (const record of records) {
        this.#readyThrough = record.first + record.count - 1
        for (const run of runsOf(record, this.#readFrom)) this.#push(run)
        // Also where nothing of it is left, so that it is not read again.
        if (this.#ready.length === 0) this.#readFrom = record.first + record.count
      }
    }
    return this.#ready.length > 0
  }

  #push(run: Run): void {
    this.#ready.push(run)
    this.#readyMessages += run.count
    this.#readyBytes += run.lines.length
  }
}
