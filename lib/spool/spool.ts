// A spool: messages wait here, in order, until they are settled, and survive the process. An append-only log of
// segments with an index in memory. This file numbers messages, and reports losses; spool-parts.ts joins the parts that
// do the rest: recovery.ts reads the log when it is opened, log-writer.ts appends to it, state-records.ts makes the
// records that hold no messages, waiting-records.ts reads messages back, retention.ts gives them up, settled-notes.ts
// records settlements, segment-cleaner.ts keeps the log small.
//
//   appended ──written──▶ durable ──settle, makeRoom, expire──▶ gone ──all of its segment──▶ deleted from the disk
//       ├──write fails──▶ gone
//       └──write fails and cannot be undone──▶ unknown until the spool is opened again

import { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import { forget, observe } from '../observe/registry.js'
import type { SOCMessage } from '../message/message.js'
import { appendAllOrNone } from './all-or-none.js'
import { systemClock, type SystemClock } from './clock.js'
import { inspect, type SpoolInspection } from './inspect.js'
import { LogFiles } from './log-files.js'
import { linesJob } from './log-writer.js'
import { entriesOf, messagesOf, type SpooledMessage } from './messages.js'
import { checkSpoolOptions, type SpoolOptions, type SpoolStats } from './options.js'
import { HEADER_BYTES } from './record.js'
import { OVERHEAD_BYTES } from './record-index.js'
import { Recovery } from './recovery.js'
import { Reserve } from './reserve.js'
import type { SpoolEntry, SpoolEvents, SpoolLog, SpoolRecord } from './spool-log.js'
import { assemble, begin, end, type SpoolBasis, type SpoolParts } from './spool-parts.js'
import { damagedError } from './waiting-records.js'

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
  readonly #maxAgeMs: number
  readonly #parts: SpoolParts
  #next: number
  /** Messages found damaged that were not reported to a sender yet. */
  #untold: number
  #events: SpoolEvents | undefined
  #closing: Promise<void> | undefined

  private constructor(basis: SpoolBasis) {
    const { options, files, recovered } = basis
    this.directory = files.directory
    this.maxBytes = options.maxBytes
    this.durability = options.durability
    this.#maxAgeMs = options.maxAgeMs
    this.#next = recovered.next
    this.#untold = recovered.lost
    this.#parts = assemble(basis, {
      next: () => this.#next,
      onLost: (count, reason, error) => {
        this.#onLost(count, reason, error)
      },
    })
    this.session = this.#parts.session
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
      const basis = { options: checked, files, system, recovered, reserve }
      const spool = new this(basis)
      await begin(spool.#parts, basis)
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
    return this.#parts.index.oldest(this.#next) - 1
  }

  get recordedThrough(): number {
    return this.#parts.notes.recordedThrough
  }

  get next(): number {
    return this.#next
  }

  get messages(): number {
    return this.#parts.index.messages + this.#untold
  }

  get bytes(): number {
    return this.#parts.index.bytes
  }

  attach(events: SpoolEvents): void {
    if (this.#events !== undefined) throw new TypeError('the spool has a sender already')
    this.#events = events
    if (this.#untold === 0) return
    queueMicrotask(() => {
      const lost = this.#untold
      this.#untold = 0
      events.onLost(lost, 'storage', damagedError(this.directory, lost))
    })
  }

  fits(bytes: number): boolean {
    return this.#parts.retention.fits(bytes)
  }

  append({ count, value, priorities }: SpoolEntry): {
    /** Number of the first message. */
    readonly first: number
    /** Resolves when the messages survive the failures that `durability` names. */
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
    const { clock, index, writer, notes } = this.#parts
    const timeMs = clock.nowMs()
    const wallMs = clock.wallMs()
    const entry = index.add(first, count, timeMs, priorities, value.length, value.length - HEADER_BYTES)
    const durable = new Promise<void>((resolve, reject) => {
      writer.enqueue(
        linesJob(
          value,
          { count, first, timeMs, wallMs, priorities },
          {
            onWritten: (segment, offset, size) => {
              entry.durable = true
              if (!entry.removed) index.place(entry, segment, offset, size)
              resolve()
            },
            onFailed: (error, remains) => {
              // A message that may be in the log stays pending, for the next process.
              if (!remains) {
                index.remove(entry)
                notes.add(first, first + count - 1)
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
    return this.#parts.records.read(from, maxBytes)
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
    return this.#parts.records.settle(first, through)
  }

  makeRoom(bytes: number, through: number, below: number | undefined): number {
    return this.#parts.retention.makeRoom(bytes, through, below)
  }

  expire(through: number): void {
    const count = this.#parts.retention.expire(through)
    if (count === 0) return
    const message = `messages waited in the spool for ${this.#maxAgeMs} ms`
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
      settle: (from: number, through: number) => this.#parts.records.settle(from, through),
      recorded: (from: number, through: number) => this.#parts.states.withdrawn(from, through),
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

  #close(): Promise<void> {
    forget(this)
    return end(this.#parts)
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
