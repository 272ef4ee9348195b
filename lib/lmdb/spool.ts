// A spool in LMDB: messages wait here, in order, until they are acknowledged, and survive the process. One value holds
// what came in one tick. The index of what is there is in memory; see spool-index.ts.

import type { Spool, SpoolEntry, SpoolEvents, SpoolRecord } from '../delivery/index.js'
import { IpcError } from '../base/errors.js'
import { DiskRoom } from './disk-room.js'
import { setValueAside } from './spool-files.js'
import { OVERHEAD_BYTES, SpoolIndex, type IndexEntry } from './spool-index.js'
import {
  openDirectories,
  openSpool,
  OWNER_KEY,
  STATE_KEY,
  type Database,
  type SpoolDamage,
  type SpoolState,
} from './spool-opening.js'
import { checkOptions, type LmdbSpoolOptions } from './spool-options.js'
import {
  blankLines,
  linesOf,
  encodeRecord,
  HEADER_BYTES,
  priorityOfLine,
  writeHeader,
} from './spool-record.js'

export type { SpoolDamage } from './spool-opening.js'
export type { LmdbSpoolOptions } from './spool-options.js'

/** What is done with in this time is removed together. */
const REMOVE_AFTER_MS = 20

/** Keeps the messages of one `AcknowledgedSender` in LMDB. Needs the optional peer dependency `lmdb`. */
export class LmdbSpool implements Spool {
  readonly directory: string
  readonly session: string
  readonly maxBytes: number
  readonly headerBytes = HEADER_BYTES
  readonly overheadBytes = OVERHEAD_BYTES
  readonly durability: 'process' | 'fsync'
  readonly #maxAgeMs: number
  readonly #onDamage: (damage: SpoolDamage) => void
  readonly #path: string
  readonly #db: Database
  readonly #index: SpoolIndex
  readonly #room: DiskRoom
  readonly #opened: SpoolState
  #acknowledged: number
  #next: number
  #events: SpoolEvents | undefined
  /** Values as they will be once a transaction is through. */
  readonly #rewritten = new Map<number, Buffer>()
  #lastCommit: Promise<void> = Promise.resolve()
  #removals: number[] = []
  #removalTimer: NodeJS.Timeout | undefined
  #removing: Promise<unknown> | undefined
  #closing: Promise<void> | undefined

  private constructor(options: LmdbSpoolOptions) {
    const { directory, maxBytes, maxAgeMs, durability, onDamage } = checkOptions(options)
    this.directory = directory
    this.maxBytes = maxBytes
    this.#maxAgeMs = maxAgeMs
    this.durability = durability
    this.#onDamage = onDamage
    const { db, state, index, path } = openSpool(directory, durability === 'fsync', onDamage)
    this.#room = new DiskRoom(path)
    this.#path = path
    this.#db = db
    this.#index = index
    this.#opened = state
    this.session = state.session
    this.#acknowledged = state.acknowledged
    this.#next = state.next
    index.acknowledge(this.#acknowledged, (entry) => this.#linesOf(entry))
  }

  /**
   * Opens a spool, or makes one. One process can have it open at a time. A damaged one is put aside and reported, and
   * what can be read of it is kept.
   *
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH, ERR_IPC_ADDRESS_IN_USE (another process has it open), ERR_IPC_SYSTEM
   * @throws TypeError, RangeError for options that make no sense
   */
  static async open(options: LmdbSpoolOptions): Promise<LmdbSpool> {
    return new LmdbSpool(options)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get next(): number {
    return this.#next
  }

  get messages(): number {
    return this.#index.messages
  }

  get bytes(): number {
    return this.#index.bytes
  }

  attach(events: SpoolEvents): void {
    if (this.#events !== undefined) throw new TypeError('the spool has a sender already')
    this.#events = events
  }

  fits(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes
  }

  append({ count, value, priorities }: SpoolEntry): { first: number; durable: Promise<void> } {
    const first = this.#next
    this.#next += count
    const keptAtMs = Date.now()
    const entry = this.#index.add(first, { count, keptAtMs, priorities }, value.length - HEADER_BYTES)
    writeHeader(value, entry)
    const durable = this.#commit(entry, value, this.#lastCommit)
    this.#lastCommit = durable.catch(() => undefined)
    return { first, durable }
  }

  async #commit(entry: IndexEntry, value: Buffer, before: Promise<void>): Promise<void> {
    try {
      if (this.#closing !== undefined) throw new IpcError('ERR_IPC_CLOSED', 'the spool is closed')
      this.#room.claim(value.length)
      const put = this.#db.put(entry.first, value) as Promise<boolean> & { flushed?: Promise<unknown> }
      await put
      if (this.durability === 'fsync') await (put.flushed ?? this.#db.flushed)
      // Flushes overlap, and the later of two may be told first.
      await before
      entry.durable = true
    } catch (error) {
      this.#index.remove(entry)
      throw error
    }
  }

  read(from: number, maxBytes: number): SpoolRecord[] {
    this.#db.resetReadTxn()
    const records: SpoolRecord[] = []
    let bytes = 0
    for (const entry of this.#index.from(from)) {
      if (!entry.durable || (records.length > 0 && bytes + entry.bytes > maxBytes)) break
      const lines = this.#linesOf(entry)
      if (lines === undefined) {
        this.#giveUpDamaged(entry)
        continue
      }
      records.push({ first: entry.first, count: entry.count, lines, patchy: entry.patchy })
      bytes += entry.bytes
    }
    return records
  }

  acknowledge(through: number): number {
    if (through <= this.#acknowledged) return 0
    this.#acknowledged = through
    if (through >= this.#next) this.#next = through + 1
    const { messages, gone } = this.#index.acknowledge(through, (entry) => this.#linesOf(entry))
    for (const entry of gone) this.#remove(entry.first)
    this.#scheduleRemoval()
    return messages
  }

  makeRoom(bytes: number, through: number, below: number | undefined): number {
    const excess = (): number => this.bytes + bytes - this.maxBytes
    const candidates = [...this.#index.from(through + 1)].filter(
      (entry) => entry.durable && entry.first > through,
    )
    if (this.#index.reclaimable(candidates, below) < excess()) return 0
    let dropped = 0
    for (let rank = 0; rank < (below ?? 1); ++rank) {
      for (const entry of candidates) {
        if (excess() <= 0) return dropped
        dropped += below === undefined ? this.#drop(entry) : this.#shed(entry, rank)
      }
    }
    return dropped
  }

  expire(through: number): void {
    if (this.#maxAgeMs === Infinity) return
    const before = Date.now() - this.#maxAgeMs
    let count = 0
    for (const entry of [...this.#index.from(through + 1)]) {
      if (entry.keptAtMs > before) break
      if (entry.durable && entry.first > through) count += this.#drop(entry)
    }
    if (count === 0) return
    const error = new IpcError('ERR_IPC_TIMEOUT', `messages waited in the spool for ${this.#maxAgeMs} ms`, {
      reason: 'expired',
    })
    this.#events?.onLost(count, 'expired', error)
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      this.#flushRemovals()
      await this.#removing
      await this.#db.remove(OWNER_KEY)
      await this.#db.flushed
    } finally {
      await this.#db.close()
      openDirectories.delete(this.#path)
    }
  }

  #linesOf(entry: IndexEntry): Buffer | undefined {
    return linesOf(this.#rewritten.get(entry.first) ?? this.#db.get(entry.first))
  }

  #drop(entry: IndexEntry): number {
    const { live } = entry
    this.#index.remove(entry)
    this.#remove(entry.first)
    this.#scheduleRemoval()
    return live
  }

  /** Gives up the messages of one priority in a record. */
  #shed(entry: IndexEntry, rank: number): number {
    const count = entry.priorities[rank] ?? 0
    if (count === 0) return 0
    if (count === entry.live) return this.#drop(entry)
    const lines = this.#linesOf(entry)
    if (lines === undefined) return 0
    const left = blankLines(lines, (line) => priorityOfLine(line) === rank)
    this.#index.shed(entry, rank, left.length)
    const value = encodeRecord({ ...entry, lines: left })
    this.#rewritten.set(entry.first, value)
    const forget = (): void => {
      if (this.#rewritten.get(entry.first) === value) this.#rewritten.delete(entry.first)
    }
    // Should it not get there, the messages are sent after all when this process dies before they are acknowledged.
    this.#db.put(entry.first, value).then(forget, forget)
    return count
  }

  #giveUpDamaged(entry: IndexEntry): void {
    const value = this.#db.get(entry.first)
    const count = this.#drop(entry)
    const path = value === undefined ? undefined : setValueAside(this.directory, entry.first, value)
    this.#onDamage({ what: 'record', first: entry.first, path })
    this.#events?.onLost(count, 'storage', new IpcError('ERR_IPC_SYSTEM', 'a record of the spool is damaged'))
  }

  #remove(first: number): void {
    this.#rewritten.delete(first)
    this.#removals.push(first)
  }

  /** Removes what is done with, many at a time. */
  #scheduleRemoval(): void {
    this.#removalTimer ??= setTimeout(() => {
      this.#flushRemovals()
    }, REMOVE_AFTER_MS)
  }

  #flushRemovals(): void {
    clearTimeout(this.#removalTimer)
    this.#removalTimer = undefined
    const removals = this.#removals
    this.#removals = []
    const writes: Promise<unknown>[] = removals.map((first) => this.#db.remove(first))
    const state = { ...this.#opened, acknowledged: this.#acknowledged, next: this.#next }
    writes.push(this.#db.put(STATE_KEY, Buffer.from(JSON.stringify(state))))
    // What is not removed is found acknowledged, or sent again and known to the receiver, after a restart.
    this.#removing = Promise.allSettled([this.#removing, ...writes])
  }
}
