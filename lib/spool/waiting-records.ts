// The records whose messages still wait: reads them back from the log, settles their lines, and gives up those that are
// damaged. Must not know how the log is written.

import { IpcError } from '../base/errors.js'
import { callUser } from '../base/user-code.js'
import { LogReader } from './log-reader.js'
import { priorityOfLine } from './messages.js'
import type { SpoolDamage } from './options.js'
import { blankLines, HEADER_BYTES } from './record.js'
import type { IndexEntry, RecordIndex } from './record-index.js'
import type { SpoolRecord } from './spool-log.js'

export interface WaitingRecordsOptions {
  /** Path of the spool, for error texts. */
  readonly directory: string
  readonly index: RecordIndex
  /** Damage that was reported before, as `segment:offset`. */
  readonly reported: readonly string[]
  readonly onDamage: (damage: SpoolDamage) => void
  /** Called when numbers are settled or given up, which the log does not contain yet. */
  readonly onGone: (first: number, through: number) => void
  /** Called when messages are lost to damage. */
  readonly onLost: (count: number, reason: 'storage', error: IpcError) => void
}

export class WaitingRecords {
  readonly #options: WaitingRecordsOptions
  readonly #index: RecordIndex
  readonly #reader = new LogReader()
  #reported: readonly string[]
  #closed = false

  constructor(options: WaitingRecordsOptions) {
    this.#options = options
    this.#index = options.index
    this.#reported = options.reported
  }

  /** Damage that was reported, as `segment:offset`. */
  get reported(): readonly string[] {
    return this.#reported
  }

  /** Makes further reads throw ERR_IPC_CLOSED. */
  close(): void {
    this.#closed = true
  }

  /** Returns the durable entries from a number on, of about this many bytes in total. */
  #durableFrom(from: number, maxBytes: number): IndexEntry[] {
    const entries: IndexEntry[] = []
    let bytes = 0
    for (const entry of this.#index.from(from)) {
      if (!entry.durable || (entries.length > 0 && bytes + entry.size > maxBytes)) break
      entries.push(entry)
      bytes += entry.size
    }
    return entries
  }

  /**
   * @throws {IpcError} ERR_IPC_CLOSED after `close`; ERR_IPC_SYSTEM if the disk cannot be read, and nothing is given up
   */
  read(from: number, maxBytes: number): SpoolRecord[] {
    // Damage must not look like the end.
    for (;;) {
      const entries = this.#durableFrom(from, maxBytes)
      const records = this.#readRecords(entries)
      if (records.length > 0 || entries.length === 0) return records
    }
  }

  /**
   * Returns the value of one record, with its header. Gives up a damaged record and returns undefined. Throws as
   * `read`.
   */
  value(entry: IndexEntry): Buffer | undefined {
    const [value] = this.#readValues([entry])
    if (value === undefined) this.#giveUpDamaged(entry)
    return value
  }

  /** Settles the messages of a range. Returns how many of them were not settled before. */
  settle(first: number, through: number): number {
    const settled = this.#index.settle(first, through)
    if (settled > 0) this.#options.onGone(first, through)
    return settled
  }

  /** Gives up a record. Returns how many messages it still held. */
  drop(entry: IndexEntry): number {
    const { live, first, count } = entry
    this.#index.remove(entry)
    this.#options.onGone(first, first + count - 1)
    return live
  }

  /** Gives up the messages of one priority in a record. Returns how many. */
  shed(entry: IndexEntry, rank: number): number {
    let value: Buffer | undefined
    try {
      value = this.#readValues([entry])[0]
    } catch {
      return 0 // a record that cannot be read now is kept
    }
    if (value === undefined) return 0
    const lines = value.subarray(HEADER_BYTES)
    let shed = 0
    for (let begin = 0, index = 0; index < entry.count && !entry.removed; ++index) {
      const end = lines.indexOf(10, begin) + 1
      if (entry.gone?.[index] !== 1 && priorityOfLine(lines.subarray(begin, end)) === rank) {
        shed += this.#index.settleLines(entry, index, index + 1, end - begin - 1)
        this.#options.onGone(entry.first + index, entry.first + index)
      }
      begin = end
    }
    return shed
  }

  /** Gives up damaged records. May stop before the last one. */
  #readRecords(entries: readonly IndexEntry[]): SpoolRecord[] {
    const records: SpoolRecord[] = []
    for (const [index, value] of this.#readValues(entries).entries()) {
      const entry = entries[index] as IndexEntry
      if (value === undefined) {
        this.#giveUpDamaged(entry)
        continue
      }
      const { first, count, gone } = entry
      const lines = value.subarray(HEADER_BYTES)
      records.push(
        gone === undefined
          ? { first, count, lines, patchy: false }
          : { first, count, lines: blankLines(lines, gone), patchy: true },
      )
    }
    return records
  }

  #readValues(entries: readonly IndexEntry[]): (Buffer | undefined)[] {
    if (this.#closed) throw new IpcError('ERR_IPC_CLOSED', 'the spool is closed')
    try {
      return this.#reader.read(entries)
    } catch (cause) {
      const { directory } = this.#options
      throw new IpcError('ERR_IPC_SYSTEM', `the spool in ${directory} cannot be read`, { cause })
    }
  }

  #giveUpDamaged(entry: IndexEntry): void {
    const { directory, onDamage, onLost } = this.#options
    const { first, count, offset, size, segment } = entry
    const lost = this.drop(entry)
    const name = segment?.name ?? ''
    this.#reported = [...this.#reported, `${name}:${offset}`]
    const damage: SpoolDamage = { what: 'record', segment: name, offset, bytes: size, first, count }
    callUser('onDamage', onDamage, damage)
    onLost(lost, 'storage', damagedError(directory, lost))
  }
}

export function damagedError(directory: string, count: number): IpcError {
  const message = `${count} messages in the spool in ${directory} are damaged and lost`
  return new IpcError('ERR_IPC_SYSTEM', message, { reason: 'spool-damaged' })
}
