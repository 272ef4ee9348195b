// The part of a spool that is in memory: the durable records to be sent next, within bounds. Records that did not fit
// when they were written are read back when they are due.

import type { SpoolLog } from '../../spool/spool-log.js'
import { emptyLines } from '../../spool/record.js'
import { Run } from './run.js'

/** Bytes read back at a time. */
const READ_BYTES = 1 << 18

export class SpoolWindow {
  readonly #spool: SpoolLog
  readonly #maxMessages: number
  readonly #maxBytes: number
  /** Durable runs in memory that were not taken. They are consecutive, up to the last durable one unless #spilled. */
  #ready: Run[] = []
  #readyMessages = 0
  #readyBytes = 0
  #readFrom: number
  /** The number at which #ready ends. A record may have been read back just before it is reported as durable. */
  #readyThrough: number
  /** Whether the records after #ready have to be read back. */
  #spilled: boolean
  #sent = 0
  #sentBytes = 0

  constructor(spool: SpoolLog, maxMessages: number, maxBytes: number) {
    this.#spool = spool
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#readyThrough = spool.settledThrough
    this.#readFrom = spool.settledThrough + 1
    this.#spilled = spool.messages > 0
  }

  /** Every number through this one was taken or is settled. */
  get taken(): number {
    return this.#readFrom - 1
  }

  /**
   * Offers a record that has become durable. Returns false if its memory is not needed, because the record is here
   * already or does not fit.
   */
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
    this.#push(new Run(first, count, lines))
    this.#readyThrough = first + count - 1
    return true
  }

  take(): Run | undefined {
    if (this.#sent >= this.#maxMessages || this.#sentBytes >= this.#maxBytes) return undefined
    if (this.#ready.length === 0 && !this.#load()) return undefined
    const run = this.#ready.shift() as Run
    this.#readyMessages -= run.count
    this.#readyBytes -= run.lines.length
    this.#readFrom = Math.max(this.#readFrom, run.last + 1)
    this.#sent += run.left
    this.#sentBytes += run.lines.length
    return run
  }

  /** Notes that lines of a taken run are settled. */
  release(run: Run, lines: number): void {
    this.#sent -= lines
    if (run.left === 0) this.#sentBytes -= run.lines.length
  }

  /** Call when the spool has changed beyond the runs that were taken: the rest must be read again. */
  forget(): void {
    this.#ready = []
    this.#readyMessages = this.#readyBytes = 0
    this.#readyThrough = this.#readFrom - 1
    this.#spilled = true
  }

  /** Call when the spool has records that were not offered. */
  readOn(): void {
    this.#spilled = true
  }

  /** Reads the next records back. Returns false if there are none. */
  #load(): boolean {
    while (this.#spilled && this.#ready.length === 0) {
      const records = this.#spool.read(this.#readFrom, READ_BYTES)
      if (records.length === 0) this.#spilled = false
      for (const { first, count, lines, patchy } of records) {
        this.#readyThrough = first + count - 1
        const run = new Run(first, count, lines, patchy ? emptyLines(lines, count) : undefined)
        run.settle(0, this.#readFrom - first)
        if (run.left > 0) this.#push(run)
        // Also if nothing of the record is left, so that it is not read again.
        else if (this.#ready.length === 0) this.#readFrom = first + count
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
