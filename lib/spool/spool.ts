// A spool: messages wait here, in order, until they are settled, and survive the process. An append-only log of segments
// with an index in memory. This file keeps the state; log-writer.ts writes, recovery.ts reads it back.
//
//   appended ──written──▶ durable ──settle, makeRoom, expire──▶ gone ──all of its segment──▶ deleted from the disk
//       └──write fails──▶ gone

import { IpcError } from '../base/errors.js'
import { clearTimeout, queueMicrotask, setTimeout } from '../base/globals.js'
import { callUser } from '../base/user-code.js'
import { randomHex } from '../base/crypto.js'
import type { SOCMessage } from '../message/message.js'
import { isSameBoot, SpoolClock, systemClock, type SystemClock } from './clock.js'
import { inspect, type SpoolInspection } from './inspect.js'
import { LogFiles, type Segment } from './log-files.js'
import { LogReader } from './log-reader.js'
import { LogWriter } from './log-writer.js'
import { entriesOf, messageOf, priorityOfLine } from './messages.js'
import { checkSpoolOptions, type SpoolDamage, type SpoolOptions } from './options.js'
import { Ranges } from './ranges.js'
import { blankLines, controlRecord, HEADER_BYTES, RecordKind, writeHeader } from './record.js'
import { OVERHEAD_BYTES, type IndexEntry, type RecordIndex } from './record-index.js'
import { Reserve } from './reserve.js'
import { Recovery, type Recovered, type StartState } from './recovery.js'
import type { SpoolEntry, SpoolEvents, SpoolLog, SpoolRecord } from './spool-log.js'

/** Settlements of this time are recorded together. */
const RECORD_SETTLED_AFTER_MS = 20
/** After a write that failed, they are tried again this much later. */
const RETRY_AFTER_MS = 1000
/** A segment of this size is left for a new one once nothing in it is needed, so that the disk shrinks. */
const SHRINK_BYTES = 1 << 20
/** The same while the disk is full. */
const SHRINK_FULL_BYTES = 1 << 14
/** How long a stop of the machine may count at most where messages never expire. */
const MAX_GAP_MS = 86_400_000

/** A message in a spool. */
export interface SpooledMessage {
  /** Number of the message within the session of the spool. */
  readonly number: number
  /** The message. */
  readonly message: SOCMessage
}

/**
 * Keeps messages on the disk until they are settled. For one `AcknowledgedSender` (option `spool`), or for the application
 * itself: {@link add}, {@link entries}, {@link settle}.
 */
export class Spool implements SpoolLog {
  /** Absolute path. */
  readonly directory: string
  readonly session: string
  /** Maximum size of the kept messages in bytes. */
  readonly maxBytes: number
  readonly headerBytes = HEADER_BYTES
  readonly overheadBytes = OVERHEAD_BYTES
  /** What a kept message survives. See {@link SpoolOptions.durability}. */
  readonly durability: 'process' | 'fsync'
  readonly #options: Required<SpoolOptions>
  readonly #files: LogFiles
  readonly #clock: SpoolClock
  readonly #index: RecordIndex
  readonly #reader: LogReader
  readonly #writer: LogWriter
  #segments: Segment[]
  /** The newest segment whose start record is in the log: it carries the state, so older ones are not needed for that. */
  #newest: Segment | undefined
  #next: number
  #reported: readonly string[]
  /** Messages found damaged, not reported to a sender yet. */
  #untold: number
  #events: SpoolEvents | undefined
  /** Settled, and not recorded in the log yet. */
  readonly #unrecorded = new Ranges()
  #recordedThrough: number
  #timer: NodeJS.Timeout | undefined
  readonly #chores = new Set<Promise<unknown>>()
  #clearing = false
  #closing: Promise<void> | undefined

  private constructor(
    options: Required<SpoolOptions>,
    files: LogFiles,
    system: SystemClock,
    recovered: Recovered,
    reserve: Reserve,
  ) {
    const { start, last } = recovered
    this.#options = options
    this.directory = files.directory
    this.maxBytes = options.maxBytes
    this.durability = options.durability
    this.#files = files
    // A wrong wall clock alone must not make messages expire.
    const maxGapMs = options.maxAgeMs === Infinity ? MAX_GAP_MS : options.maxAgeMs / 2
    this.#clock = new SpoolClock(system, last, maxGapMs)
    // After a loss of power, numbers may be missing from the log that were sent already. In a new session, receivers do
    // not take the messages that get them now for the old ones.
    const goesOn = start !== undefined && last !== undefined && (start.fsync || isSameBoot(system, last))
    this.session = goesOn ? start.session : randomHex(16)
    this.#index = recovered.index
    this.#segments = recovered.segments
    this.#newest = recovered.newest
    this.#next = recovered.next
    this.#recordedThrough = recovered.index.oldest(recovered.next) - 1
    this.#reported = recovered.reported
    this.#untold = recovered.lost
    this.#reader = new LogReader()
    this.#writer = new LogWriter({
      files,
      reserve,
      nextSequence: (recovered.segments.at(-1)?.sequence ?? 0) + 1,
      segmentBytes: options.segmentBytes,
      sync: options.durability === 'fsync',
      start: (segment) => this.#startRecord(segment),
      onSegment: (segment) => {
        this.#segments.push(segment)
        this.#newest = segment
        this.#deleteSettled()
      },
    })
    this.#index.onEmpty = () => {
      this.#deleteSettled()
    }
  }

  /**
   * Opens a spool, or makes one. It belongs to this thread alone until `close`, or the end of the thread or process. Torn
   * and damaged records are reported to `onDamage`; all others are kept.
   *
   * @throws TypeError, RangeError for options that cannot be right
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH (other users could replace, read or write the files), ERR_IPC_ADDRESS_IN_USE (it
   *   is open already), ERR_IPC_SYSTEM
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    return openSpool(options, systemClock())
  }

  /**
   * Reads a spool without claiming it, while its owner uses it or not.
   *
   * @throws {IpcError} as {@link open}, but for ERR_IPC_ADDRESS_IN_USE
   */
  static async inspect(directory: string): Promise<SpoolInspection> {
    return inspect(directory, systemClock())
  }

  /** @internal */
  static async openWith(options: SpoolOptions, system: SystemClock): Promise<Spool> {
    const checked = checkSpoolOptions(options)
    const files = await LogFiles.open(checked.directory, 'claim')
    try {
      const recovered = await new Recovery(files, system, 'write').run()
      const reserve = new Reserve(files)
      await reserve.find()
      const spool = new this(checked, files, system, recovered, reserve)
      await spool.#begin(recovered)
      return spool
    } catch (error) {
      files.close()
      throw error
    }
  }

  get settledThrough(): number {
    return this.#index.oldest(this.#next) - 1
  }

  get recordedThrough(): number {
    return this.#recordedThrough
  }

  get next(): number {
    return this.#next
  }

  get messages(): number {
    return this.#index.messages + this.#untold
  }

  get bytes(): number {
    return this.#index.bytes
  }

  attach(events: SpoolEvents): void {
    if (this.#events !== undefined) throw new TypeError('the spool has a sender already')
    this.#events = events
    if (this.#untold === 0) return
    queueMicrotask(() => {
      this.#tellLost()
    })
  }

  fits(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes
  }

  append({ count, value, priorities }: SpoolEntry): {
    /** Number of the first message. */
    readonly first: number
    /** Resolves when the messages survive what `durability` says. */
    readonly durable: Promise<void>
  } {
    const first = this.#next
    if (this.#closing !== undefined) {
      return {
        first,
        durable: observed(Promise.reject(new IpcError('ERR_IPC_CLOSED', 'the spool is closed'))),
      }
    }
    this.#next += count
    const timeMs = this.#clock.nowMs()
    const wallMs = this.#clock.wallMs()
    const entry = this.#index.add(first, count, timeMs, priorities, value.length, value.length - HEADER_BYTES)
    const durable = new Promise<void>((resolve, reject) => {
      this.#writer.enqueue({
        sync: true,
        urgent: false,
        make: ({ sequence: segment }) => {
          writeHeader(value, { kind: RecordKind.lines, count, first, timeMs, wallMs, priorities, segment })
          return value
        },
        onWritten: (segment, offset, size) => {
          entry.durable = true
          if (!entry.removed) this.#index.place(entry, segment, offset, size)
          resolve()
        },
        onFailed: (error) => {
          this.#index.remove(entry)
          // Parts of it may be in the file; they must not come back.
          this.#forget(first, first + count - 1)
          reject(error)
        },
      })
    })
    return { first, durable: observed(durable) }
  }

  /** @throws {IpcError} ERR_IPC_CLOSED after `close`; ERR_IPC_SYSTEM if the disk cannot be read, and nothing is given up */
  read(from: number, maxBytes: number): SpoolRecord[] {
    // Damage must not look like the end.
    for (;;) {
      const entries = this.#durableFrom(from, maxBytes)
      const records = this.#readRecords(entries)
      if (records.length > 0 || entries.length === 0) return records
    }
  }

  /** @throws RangeError for numbers that are not safe integers */
  settle(first: number, through: number): number {
    for (const number of [first, through]) {
      if (!Number.isSafeInteger(number) || number >= Number.MAX_SAFE_INTEGER) {
        throw new RangeError(`settle() takes numbers of messages, as safe integers; got ${number}`)
      }
    }
    if (through < first) return 0
    if (through >= this.#next) this.#next = through + 1
    const settled = this.#index.settle(first, through)
    if (settled > 0) this.#forget(first, through)
    return settled
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
        if (!entry.removed) dropped += below === undefined ? this.#drop(entry) : this.#shed(entry, rank)
      }
    }
    return dropped
  }

  expire(through: number): void {
    const { maxAgeMs } = this.#options
    if (maxAgeMs === Infinity) return
    const before = this.#clock.nowMs() - maxAgeMs
    const old: IndexEntry[] = []
    for (const entry of this.#index.from(through + 1)) {
      if (entry.keptAtMs > before) break
      if (entry.durable && entry.first > through) old.push(entry)
    }
    let count = 0
    for (const entry of old) count += this.#drop(entry)
    if (count === 0) return
    const error = new IpcError('ERR_IPC_TIMEOUT', `messages waited in the spool for ${maxAgeMs} ms`, {
      reason: 'expired',
    })
    this.#onLost(count, 'expired', error)
  }

  /**
   * Adds messages. Resolves with the number of the first one once all are as safe as `durability` promises.
   *
   * @throws TypeError while a sender uses the spool
   * @throws {IpcError} ERR_IPC_BUFFER_FULL (`maxBytes`, or reason `disk-full`), ERR_IPC_INVALID_MESSAGE,
   *   ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_CLOSED, ERR_IPC_SYSTEM
   */
  async add(messages: SOCMessage | readonly SOCMessage[]): Promise<number> {
    if (this.#events !== undefined) throw new TypeError('the spool has a sender: send messages through that')
    const entries = entriesOf(Array.isArray(messages) ? messages : [messages as SOCMessage], this.#next)
    const bytes = entries.reduce((sum, { value }) => sum + value.length - HEADER_BYTES + OVERHEAD_BYTES, 0)
    if (!this.fits(bytes)) {
      throw new IpcError(
        'ERR_IPC_BUFFER_FULL',
        `the spool is full (${this.messages} messages, ${this.bytes} bytes)`,
        {
          reason: 'full',
        },
      )
    }
    const first = this.#next
    await Promise.all(entries.map((entry) => this.append(entry).durable))
    return first
  }

  /**
   * The durable messages that are neither settled nor given up, oldest first, from a number on.
   *
   * @throws {IpcError} ERR_IPC_CLOSED once the spool is closed; ERR_IPC_SYSTEM if the disk cannot be read
   */
  async *entries(from = this.settledThrough + 1): AsyncGenerator<SpooledMessage> {
    for (let next = from; ;) {
      const [record] = this.read(next, 1)
      if (record === undefined) return
      const { first, count, lines } = record
      for (const [index, line] of lines.toString('utf8').split('\n').slice(0, count).entries()) {
        if (line !== '' && first + index >= next) yield { number: first + index, message: messageOf(line) }
      }
      next = first + count
    }
  }

  /** Records what is settled, and ends the claim. What is not settled stays for the next one to open it. Never rejects. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#recordSettled()
    await this.#writer.idle()
    this.#shrink()
    await this.#writer.idle()
    while (this.#chores.size > 0) await Promise.allSettled(this.#chores)
    this.#files.close()
  }

  /** Puts a changed state into the log before anything depends on it. */
  async #begin({ damages, start, last }: Recovered): Promise<void> {
    const { onDamage } = this.#options
    for (const damage of damages) callUser('onDamage', onDamage, damage)
    const changed =
      start?.session !== this.session || last?.bootId !== this.#clock.bootId || damages.length > 0
    this.#deleteSettled()
    if (!changed || this.#segments.length === 0) return
    while (this.#chores.size > 0) await Promise.allSettled(this.#chores)
    try {
      await this.#checkpoint()
    } catch (error) {
      // On a full disk, the first record that fits begins the segment. Until then no number is given that the log does not
      // know, because recovery leaves the damage in place.
      if ((error as IpcError).reason !== 'disk-full') throw error
    }
  }

  /** Begins a new segment with the state as it is. Rejects if it cannot be written. */
  #checkpoint(): Promise<void> {
    this.#writer.seal()
    return new Promise((resolve, reject) => {
      this.#writer.enqueue({
        sync: true,
        urgent: true,
        make: ({ sequence }) => this.#control(RecordKind.settled, [], sequence),
        onWritten: () => {
          resolve()
        },
        onFailed: reject,
      })
    })
  }

  #startRecord({ sequence }: Segment): Buffer {
    const state: StartState = {
      version: 1,
      session: this.session,
      bootId: this.#clock.bootId,
      baseMs: this.#clock.baseMs,
      fsync: this.durability === 'fsync',
      settledThrough: this.settledThrough,
      next: this.#next,
      settled: this.#index.settledRanges(this.#next),
      reported: this.#reported,
    }
    return this.#control(RecordKind.start, state, sequence)
  }

  #control(kind: RecordKind, body: unknown, segment: number): Buffer {
    const timeMs = this.#clock.nowMs()
    const wallMs = this.#clock.wallMs()
    return controlRecord(kind, body, { count: 0, first: 0, priorities: [0, 0, 0], timeMs, wallMs, segment })
  }

  /** Notes numbers that are gone, to be recorded in the log. */
  #forget(first: number, through: number): void {
    this.#unrecorded.add(first, through)
    this.#schedule(RECORD_SETTLED_AFTER_MS)
  }

  #schedule(afterMs: number): void {
    if (this.#closing !== undefined) return
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#recordSettled()
      this.#shrink()
    }, afterMs)
    // A disk that stays full must not keep the process alive.
    if (afterMs === RETRY_AFTER_MS) this.#timer.unref()
  }

  #recordSettled(): void {
    if (this.#unrecorded.size === 0) return
    const ranges = [...this.#unrecorded.list()]
    const { settledThrough } = this
    this.#unrecorded.clear()
    this.#writer.enqueue({
      sync: false,
      urgent: true,
      make: ({ sequence }) => this.#control(RecordKind.settled, ranges, sequence),
      onWritten: () => {
        // An earlier attempt may have failed meanwhile.
        const [unrecorded] = this.#unrecorded.list()
        const through = Math.min(settledThrough, (unrecorded?.[0] ?? Infinity) - 1)
        this.#recordedThrough = Math.max(this.#recordedThrough, through)
      },
      onFailed: () => {
        for (const [first, through] of ranges) this.#unrecorded.add(first, through)
        this.#schedule(RETRY_AFTER_MS)
      },
    })
  }

  /** Leaves a segment that holds nothing any more, or copies what little an old one holds, so that it can be deleted. */
  #shrink(): void {
    const newest = this.#newest
    const most = this.#writer.diskFull ? SHRINK_FULL_BYTES : SHRINK_BYTES
    if (newest?.records === 0 && newest.size > most) {
      this.#checkpoint().catch(() => {
        this.#schedule(RETRY_AFTER_MS)
      })
    }
    if (this.#closing === undefined) this.#clear()
  }

  /** Deletes segments that hold nothing. The state that they hold stands at the head of a newer one, too. */
  #deleteSettled(): void {
    const newest = this.#newest
    if (newest === undefined) return
    // One after the newest has a damaged start record, and may hold newer state; or it is empty.
    const isNeeded = (segment: Segment): boolean =>
      segment === newest || segment.records > 0 || (segment.sequence > newest.sequence && segment.size > 0)
    const settled = this.#segments.filter((segment) => !isNeeded(segment))
    if (settled.length === 0) return
    this.#segments = this.#segments.filter(isNeeded)
    for (const segment of settled) this.#chore(this.#files.remove(segment))
  }

  /** Files that are mostly settled messages take at most about as much room as the messages themselves. */
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
    const entries = [...this.#index.from(1)].filter((entry) => entry.segment === segment)
    for (const entry of entries) {
      if (this.#closing !== undefined) return
      if (entry.removed) continue
      const [value] = this.#readValues([entry])
      if (value === undefined) {
        this.#giveUpDamaged(entry)
        continue
      }
      if (!(await this.#copy(entry, value))) return
    }
    this.#schedule(RECORD_SETTLED_AFTER_MS)
  }

  /** False: there is no room for the copy. */
  #copy(entry: IndexEntry, value: Buffer): Promise<boolean> {
    const { first, count, keptAtMs: timeMs, gone } = entry
    const lines = value.subarray(HEADER_BYTES)
    const copy = Buffer.concat([
      Buffer.alloc(HEADER_BYTES),
      gone === undefined ? lines : blankLines(lines, gone),
    ])
    // The sum tells that lines are missing; the shares are estimates from then on.
    const priorities: [number, number, number] =
      gone === undefined ? [...entry.priorities] : [0, entry.live, 0]
    const wallMs = this.#clock.wallMs()
    return new Promise((resolve) => {
      this.#writer.enqueue({
        sync: true,
        urgent: false,
        make: ({ sequence: segment }) => {
          writeHeader(copy, { kind: RecordKind.lines, count, first, timeMs, wallMs, priorities, segment })
          return copy
        },
        onWritten: (segment, offset, size) => {
          if (!entry.removed) this.#index.place(entry, segment, offset, size)
          resolve(true)
        },
        onFailed: () => {
          resolve(false)
        },
      })
    })
  }

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
    if (this.#closing !== undefined) throw new IpcError('ERR_IPC_CLOSED', 'the spool is closed')
    try {
      return this.#reader.read(entries)
    } catch (cause) {
      throw new IpcError('ERR_IPC_SYSTEM', `the spool in ${this.directory} cannot be read`, { cause })
    }
  }

  #drop(entry: IndexEntry): number {
    const { live, first, count } = entry
    this.#index.remove(entry)
    this.#forget(first, first + count - 1)
    return live
  }

  /** Gives up the messages of one priority in a record. */
  #shed(entry: IndexEntry, rank: number): number {
    let value: Buffer | undefined
    try {
      value = this.#readValues([entry])[0]
    } catch {
      return 0 // what cannot be read now is kept
    }
    if (value === undefined) return 0
    const lines = value.subarray(HEADER_BYTES)
    let shed = 0
    for (let begin = 0, index = 0; index < entry.count && !entry.removed; ++index) {
      const end = lines.indexOf(10, begin) + 1
      if (entry.gone?.[index] !== 1 && priorityOfLine(lines.subarray(begin, end)) === rank) {
        shed += this.#index.settleLines(entry, index, index + 1, end - begin - 1)
        this.#forget(entry.first + index, entry.first + index)
      }
      begin = end
    }
    return shed
  }

  #giveUpDamaged(entry: IndexEntry): void {
    const { first, count, offset, size, segment } = entry
    const lost = this.#drop(entry)
    const name = segment?.name ?? ''
    this.#reported = [...this.#reported, `${name}:${offset}`]
    const damage: SpoolDamage = { what: 'record', segment: name, offset, bytes: size, first, count }
    callUser('onDamage', this.#options.onDamage, damage)
    this.#onLost(lost, 'storage', damagedError(this.directory, lost))
  }

  #tellLost(): void {
    const lost = this.#untold
    this.#untold = 0
    this.#events?.onLost(lost, 'storage', damagedError(this.directory, lost))
  }

  #onLost(count: number, reason: 'expired' | 'storage', error: IpcError): void {
    queueMicrotask(() => this.#events?.onLost(count, reason, error))
  }

  #chore(work: Promise<unknown>): void {
    const done = work
      .catch(() => undefined) // what could not be deleted now is deleted when the spool is opened
      .finally(() => this.#chores.delete(done))
    this.#chores.add(done)
  }
}

/** Opens a spool with the time that `system` says. */
export const openSpool = Spool.openWith.bind(Spool)

/** A promise whose rejection need not be handled. */
function observed(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined)
  return promise
}

function shareOf({ size, liveBytes }: Segment): number {
  return liveBytes / size
}

function damagedError(directory: string, count: number): IpcError {
  return new IpcError(
    'ERR_IPC_SYSTEM',
    `${count} messages in the spool in ${directory} are damaged and lost`,
    {
      reason: 'spool-damaged',
    },
  )
}
