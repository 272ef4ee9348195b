// A spool: messages wait here, in order, until they are settled, and survive the process. An append-only log of
// segments with an index in memory. This file numbers messages and joins the parts: recovery.ts reads the log when it
// is opened, log-writer.ts appends to it, state-records.ts makes the records that hold no messages, waiting-records.ts
// reads messages back, retention.ts gives them up, settled-notes.ts records settlements, segment-cleaner.ts keeps the
// log small.
//
//   appended ──written──▶ durable ──settle, makeRoom, expire──▶ gone ──all of its segment──▶ deleted from the disk
//       ├──write fails──▶ gone
//       └──write fails and cannot be undone──▶ unknown until the spool is opened again

import { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import { forget, observe } from '../observe/registry.js'
import { callUser } from '../base/user-code.js'
import { randomHex } from '../base/crypto.js'
import type { SOCMessage } from '../message/message.js'
import { appendAllOrNone } from './all-or-none.js'
import { isSameBoot, SpoolClock, systemClock, type SystemClock } from './clock.js'
import { inspect, type SpoolInspection } from './inspect.js'
import { LogFiles } from './log-files.js'
import { linesJob, LogWriter } from './log-writer.js'
import { entriesOf, messagesOf, type SpooledMessage } from './messages.js'
import { checkSpoolOptions, type SpoolOptions } from './options.js'
import { HEADER_BYTES } from './record.js'
import { OVERHEAD_BYTES, type RecordIndex } from './record-index.js'
import { Reserve } from './reserve.js'
import { Retention } from './retention.js'
import { Recovery, type Recovered } from './recovery.js'
import { SegmentCleaner } from './segment-cleaner.js'
import { SettledNotes } from './settled-notes.js'
import type { SpoolEntry, SpoolEvents, SpoolLog, SpoolRecord } from './spool-log.js'
import { StateRecords, type SpoolState } from './state-records.js'
import { damagedError, WaitingRecords } from './waiting-records.js'

/** The content of a {@link Spool}, in numbers. */
export interface SpoolStats {
  /** Messages that wait. */
  readonly messages: number
  /** Bytes of the messages that wait. */
  readonly bytes: number
  /** Maximum size of the kept messages in bytes. */
  readonly maxBytes: number
  /** The number that the next message gets. */
  readonly next: number
  /** Every number through this one is settled. */
  readonly settledThrough: number
}

/** Maximum time that the machine is assumed to have been off, if messages never expire. */
const MAX_GAP_MS = 86_400_000

/**
 * Keeps messages on the disk until they are settled. For one `AcknowledgedSender` (option `spool`), or for the
 * application itself: {@link add}, {@link entries}, {@link settle}.
 */
export class Spool implements SpoolLog {
  /** Absolute path. */
  readonly directory: string
  readonly session: string
  /** Maximum size of the kept messages in bytes. */
  readonly maxBytes: number
  readonly headerBytes = HEADER_BYTES
  readonly overheadBytes = OVERHEAD_BYTES
  /** The failures that a stored message survives. See {@link SpoolOptions.durability}. */
  readonly durability: 'process' | 'fsync'
  readonly #options: Required<SpoolOptions>
  readonly #files: LogFiles
  readonly #clock: SpoolClock
  readonly #index: RecordIndex
  readonly #states: StateRecords
  readonly #writer: LogWriter
  readonly #records: WaitingRecords
  readonly #retention: Retention
  readonly #notes: SettledNotes
  readonly #cleaner: SegmentCleaner
  #next: number
  /** Messages found damaged that were not reported to a sender yet. */
  #untold: number
  #events: SpoolEvents | undefined
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
    // not mistake the messages that get these numbers now for the old ones.
    const goesOn = start !== undefined && last !== undefined && (start.fsync || isSameBoot(system, last))
    this.session = goesOn ? start.session : randomHex(16)
    const { index } = recovered
    this.#index = index
    this.#next = recovered.next
    this.#untold = recovered.lost
    this.#records = new WaitingRecords({
      directory: this.directory,
      index,
      reported: recovered.reported,
      onDamage: options.onDamage,
      onGone: (first, through) => {
        this.#notes.add(first, through)
      },
      onLost: (count, reason, error) => {
        this.#onLost(count, reason, error)
      },
    })
    this.#retention = new Retention(this.#records, index, this.#clock, options)
    this.#states = new StateRecords(
      () => this.#writer,
      this.#clock,
      () => this.#stateNow(),
    )
    this.#writer = new LogWriter({
      files,
      reserve,
      nextSequence: (recovered.segments.at(-1)?.sequence ?? 0) + 1,
      segmentBytes: options.segmentBytes,
      sync: options.durability === 'fsync',
      start: (segment) => this.#states.start(segment),
      onSegment: (segment) => {
        this.#cleaner.add(segment)
      },
    })
    this.#cleaner = new SegmentCleaner({
      files,
      index,
      records: this.#records,
      writer: this.#writer,
      clock: this.#clock,
      segmentBytes: options.segmentBytes,
      segments: recovered.segments,
      newest: recovered.newest,
      checkpoint: () => this.#states.checkpoint(),
      onMore: (when) => {
        this.#notes[when]()
      },
    })
    this.#notes = new SettledNotes(
      (ranges, outcome) => {
        this.#states.settled(ranges, outcome)
      },
      () => this.settledThrough,
      () => {
        this.#cleaner.shrink()
      },
    )
    index.onEmpty = () => {
      this.#cleaner.deleteSettled()
    }
  }

  /**
   * Opens a spool, or makes one. It belongs to this thread alone until `close`, or the end of the thread or process.
   * Torn and damaged records are reported to `onDamage`; all others are kept.
   *
   * @throws TypeError, RangeError for options that cannot be right
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH (other users could replace, read or write the files), ERR_IPC_ADDRESS_IN_USE
   *   (it is open already), ERR_IPC_SYSTEM
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    return openSpool(options, systemClock())
  }

  /**
   * Reads a spool without claiming it, whether or not its owner uses it.
   *
   * @throws {IpcError} as {@link open}, except ERR_IPC_ADDRESS_IN_USE
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
      observe('spool', spool)
      return spool
    } catch (error) {
      files.close()
      throw error
    }
  }

  /** Messages, bytes and numbers at this moment. */
  get stats(): SpoolStats {
    const { messages, bytes, maxBytes } = this
    return { messages, bytes, maxBytes, next: this.#next, settledThrough: this.settledThrough }
  }

  get settledThrough(): number {
    return this.#index.oldest(this.#next) - 1
  }

  get recordedThrough(): number {
    return this.#notes.recordedThrough
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
    return this.#retention.fits(bytes)
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
      this.#writer.enqueue(
        linesJob(
          value,
          { count, first, timeMs, wallMs, priorities },
          {
            onWritten: (segment, offset, size) => {
              entry.durable = true
              if (!entry.removed) this.#index.place(entry, segment, offset, size)
              resolve()
            },
            onFailed: (error, remains) => {
              // A message that may be in the log stays pending, for the next process.
              if (!remains) {
                this.#index.remove(entry)
                this.#notes.add(first, first + count - 1)
              }
              reject(error)
            },
          },
        ),
      )
    })
    return { first, durable: observed(durable) }
  }

  /**
   * @throws {IpcError} ERR_IPC_CLOSED after `close`; ERR_IPC_SYSTEM if the disk cannot be read, and nothing is given up
   */
  read(from: number, maxBytes: number): SpoolRecord[] {
    return this.#records.read(from, maxBytes)
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
    return this.#records.settle(first, through)
  }

  makeRoom(bytes: number, through: number, below: number | undefined): number {
    return this.#retention.makeRoom(bytes, through, below)
  }

  expire(through: number): void {
    const count = this.#retention.expire(through)
    if (count === 0) return
    const message = `messages waited in the spool for ${this.#options.maxAgeMs} ms`
    this.#onLost(count, 'expired', new IpcError('ERR_IPC_TIMEOUT', message, { reason: 'expired' }))
  }

  /**
   * Adds messages, all or none. Resolves with the number of the first one when all are as durable as `durability`
   * promises. If the disk takes only some of them, these are removed again before the promise rejects; until then,
   * {@link entries} may yield them.
   *
   * @throws TypeError while a sender uses the spool
   * @throws {IpcError} ERR_IPC_BUFFER_FULL (`maxBytes`, or reason `disk-full`), ERR_IPC_INVALID_MESSAGE,
   *   ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_CLOSED, ERR_IPC_SYSTEM: none is stored. The exception is ERR_IPC_SYSTEM with
   *   reason `maybe-kept`: only opening the spool again shows which of the messages it stored. After the reason
   *   `spool-failed`, and mostly after `maybe-kept`, the spool accepts no more messages.
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
    const log = {
      directory: this.directory,
      append: (entry: SpoolEntry) => this.append(entry),
      settle: (from: number, through: number) => this.#records.settle(from, through),
      recorded: (from: number, through: number) => this.#states.withdrawn(from, through),
    }
    await appendAllOrNone(log, entries, first)
    return first
  }

  /**
   * Yields the durable messages that are neither settled nor given up, oldest first, from a number on.
   *
   * @throws {IpcError} ERR_IPC_CLOSED if the spool is closed; ERR_IPC_SYSTEM if the disk cannot be read
   */
  async *entries(from = this.settledThrough + 1): AsyncGenerator<SpooledMessage> {
    for (let next = from; ;) {
      const [record] = this.read(next, 1)
      if (record === undefined) return
      for (const spooled of messagesOf(record)) if (spooled.number >= next) yield spooled
      next = record.first + record.count
    }
  }

  /**
   * Records settlements, and ends the claim. Unsettled messages stay for the next process that opens the spool. Never
   * rejects.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    forget(this)
    this.#records.close()
    this.#cleaner.close()
    this.#notes.close()
    this.#notes.flush()
    await this.#writer.idle()
    this.#cleaner.shrink()
    await this.#writer.idle()
    await this.#cleaner.idle()
    this.#files.close()
  }

  /** Writes a changed state into the log before anything depends on it. */
  async #begin({ damages, start, last }: Recovered): Promise<void> {
    const { onDamage } = this.#options
    for (const damage of damages) callUser('onDamage', onDamage, damage)
    const changed =
      start?.session !== this.session || last?.bootId !== this.#clock.bootId || damages.length > 0
    this.#cleaner.deleteSettled()
    if (!changed || !this.#cleaner.hasSegments) return
    await this.#cleaner.idle()
    try {
      await this.#states.checkpoint()
    } catch (error) {
      // On a full disk, the first record that fits begins the segment. Until then no number is assigned that the log
      // does not cover, because recovery leaves the damage in place.
      if ((error as IpcError).reason !== 'disk-full') throw error
    }
  }

  #stateNow(): SpoolState {
    return {
      session: this.session,
      fsync: this.durability === 'fsync',
      settledThrough: this.settledThrough,
      next: this.#next,
      settled: this.#index.settledRanges(this.#next),
      reported: this.#records.reported,
    }
  }

  #tellLost(): void {
    const lost = this.#untold
    this.#untold = 0
    this.#events?.onLost(lost, 'storage', damagedError(this.directory, lost))
  }

  #onLost(count: number, reason: 'expired' | 'storage', error: IpcError): void {
    queueMicrotask(() => this.#events?.onLost(count, reason, error))
  }
}

/** Opens a spool with the clocks of `system`. Tests pass clocks of their own. */
export const openSpool = Spool.openWith.bind(Spool)

/** Returns the promise, whose rejection need not be handled. */
function observed(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined)
  return promise
}
