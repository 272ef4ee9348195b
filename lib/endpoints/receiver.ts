// Reads messages from a connection: has the addon cut and check what arrives, makes messages of it, and hands them out
// as they are asked for. Stops reading while nobody asks, so that a slow application slows its sender down.

import { publishInvalid, wantsInvalid, type CloseReason } from '../connection/audit.js'
import { requestPoll, toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import {
  attachReader,
  busyPollOf,
  closeBecause,
  resumeReading,
  type RecordReader,
  type Connection,
} from '../connection/connection.js'
import { hasCode, IpcError, type IpcErrorCode } from '../base/errors.js'
import { isAscii, pageEndOf, toError, toMessage } from '../wire/record-decoder.js'
import { MESSAGE_STATE, Progress, RecordWord } from '../binding/abi.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { type SOCMessage } from '../message/message.js'
import { ReadPage } from '../message/page.js'
import { keepBytes, keepText, progress, readWindow, records, SMALL_READ_BYTES } from '../wire/read-window.js'
import { SilenceLimit, type Silence } from './silence-limit.js'
import { checkTimeout } from '../base/timing.js'

/** Options of {@link Receiver}. */
export interface ReceiverOptions {
  /**
   * What to do with a line that is no message: `throw` rejects one `next()` with ERR_IPC_INVALID_MESSAGE or
   * ERR_IPC_MESSAGE_TOO_LARGE and goes on with the next line, `skip` only counts it. Default `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /** Longest line in bytes. Default and most: {@link MAX_MESSAGE_BYTES}. */
  readonly maxMessageBytes?: number
  /** Lines that are no messages that are put up with; one more closes the connection. Default: any number. */
  readonly maxInvalid?: number
  /**
   * Milliseconds without a byte after which the connection is closed and `next` rejects with ERR_IPC_TIMEOUT, while it is
   * being read. Default: any time.
   */
  readonly idleTimeoutMs?: number
  /** The same for the first message, from when the receiver is made. Default: any time. */
  readonly firstMessageTimeoutMs?: number
  /**
   * Waits for messages in a loop first, for the shortest latency at the price of a processor; `false`: never. Default: as
   * the connection was dialled or its listener made, and there: for up to 50 µs, as long as most messages come within 20.
   */
  readonly busyPoll?: BusyPollOptions | false
}

/** Counts since the receiver was made. */
export interface ReceiverStats {
  /** Messages read, with those that nobody has asked for yet. */
  readonly received: number
  /** Lines that were no messages. */
  readonly invalid: number
  /** Bytes read. */
  readonly bytes: number
}

type Result = IteratorResult<SOCMessage, undefined> | IteratorResult<SOCMessage[], undefined>

/** Answers somebody who waits; with a promise that rejects, where it is an error. */
type Answer = (result: Result | Promise<never>) => void

const SILENCE: Record<Silence, string> = { 'no-first-message': 'no message', idle: 'nothing' }
const END = { value: undefined, done: true } as const

/** Reading stops when this much waits to be asked for, and goes on when all of it is taken. */
const MAX_QUEUED = 1024
const MAX_QUEUED_BYTES = 1 << 18

/** Reads messages from a connection (Go: `Receiver`). A connection has at most one. */
export class Receiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** What this receiver is called in errors. */
  readonly name: string
  readonly #connection: Connection
  readonly #skipInvalid: boolean
  readonly #maxInvalid: number
  readonly #silence: SilenceLimit | undefined
  readonly #busyPoll: PollRequest
  /** What was read and not yet asked for: runs of messages, and errors at their place between them. */
  #queue: (SOCMessage[] | IpcError)[] = []
  /** How many messages of the first run have been handed out. */
  #taken = 0
  /** Messages and errors in the queue, and bytes of the lines that came since it was empty. */
  #queued = 0
  #queuedBytes = 0
  /** The first one who waits and whether for one message or for a run; and the others. Mostly there is but one. */
  #answer: Answer | undefined
  #answerOne = false
  #moreWaiting: { readonly answer: Answer; readonly one: boolean }[] | undefined
  #paused = false
  #ended = false
  #received = 0
  #invalid = 0
  #bytes = 0

  // One for all, as thousands of closures would take memory.
  static readonly #recordReader: RecordReader<Receiver> = {
    onRecords: (receiver, count, received) => receiver.#onRecords(count, received),
    onEnd: (receiver, error) => {
      receiver.#onEnd(error)
    },
  }

  /** @throws TypeError when the connection has a receiver already; RangeError for a limit that makes no sense */
  constructor(connection: Connection, name: string, options: ReceiverOptions = {}) {
    const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES
    if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1 || maxMessageBytes > MAX_MESSAGE_BYTES) {
      throw new RangeError(`maxMessageBytes must be a whole number from 1 to ${MAX_MESSAGE_BYTES}`)
    }
    this.#maxInvalid = options.maxInvalid ?? Infinity
    if (!(this.#maxInvalid >= 0)) throw new RangeError('maxInvalid must be 0 or more')
    const onInvalid = options.onInvalid ?? 'throw'
    if (onInvalid !== 'throw' && onInvalid !== 'skip')
      throw new TypeError("onInvalid must be 'throw' or 'skip'")
    this.name = name
    this.#connection = connection
    this.#skipInvalid = onInvalid === 'skip'
    this.#busyPoll = options.busyPoll === undefined ? busyPollOf(connection) : toPollRequest(options.busyPoll)
    // Before any timer: a second receiver must not disturb the first.
    attachReader(connection, this, Receiver.#recordReader, maxMessageBytes)
    const { idleTimeoutMs, firstMessageTimeoutMs } = options
    if (idleTimeoutMs !== undefined || firstMessageTimeoutMs !== undefined) {
      this.#silence = new SilenceLimit(
        idleTimeoutMs === undefined ? undefined : checkTimeout(idleTimeoutMs),
        firstMessageTimeoutMs === undefined ? undefined : checkTimeout(firstMessageTimeoutMs),
        (why, afterMs) => {
          this.#hangUp(why, 'ERR_IPC_TIMEOUT', `the peer sent ${SILENCE[why]} within ${afterMs} ms`)
        },
      )
    }
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  get stats(): ReceiverStats {
    return { received: this.#received, invalid: this.#invalid, bytes: this.#bytes }
  }

  /**
   * The next message; `done` at the end of the stream (Go: `Next`, which returns io.EOF there). A last line without a
   * newline counts if it is a whole message.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE or ERR_IPC_MESSAGE_TOO_LARGE for a line that is no message: call again for
   *   the next one. ERR_IPC_CLOSED once when the connection broke; then `done`.
   */
  next(): Promise<IteratorResult<SOCMessage, undefined>> {
    const [first] = this.#queue
    if (first !== undefined && !(first instanceof IpcError)) {
      return Promise.resolve({ value: this.#takeOne(first), done: false })
    }
    return this.#wait(true) as Promise<IteratorResult<SOCMessage, undefined>>
  }

  /** Ends an iteration with `for await`: closes the connection. */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * The messages in runs, as they were read: the fastest way to take many. Errors come at their place between the runs, as
   * with {@link next}; a loop that one of them ended may be started again.
   */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    const iterator: AsyncIterableIterator<SOCMessage[], undefined, undefined> = {
      next: () => this.#wait(false) as Promise<IteratorResult<SOCMessage[], undefined>>,
      return: async () => {
        await this.close()
        return END
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /** Closes the connection (Go: `Close`). What was read stays to be asked for. */
  async close(): Promise<void> {
    try {
      await this.#connection.close()
    } catch (error) {
      // A sender that shares the connection hears of it itself.
      if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #wait(one: boolean): Promise<unknown> {
    // Without the function that rejects: thousands of connections may wait, and each such function takes memory.
    return new Promise<Result>((answer) => {
      if (this.#answer === undefined) {
        this.#answer = answer
        this.#answerOne = one
      } else {
        ;(this.#moreWaiting ??= []).push({ answer, one })
      }
      this.#serve()
      if (this.#answer !== undefined) requestPoll(this.#busyPoll)
    })
  }

  /** Gives what there is to those who wait, first come, first served. */
  #serve(): void {
    while (this.#answer !== undefined && (this.#queue.length > 0 || this.#ended)) {
      const answer = this.#answer
      const one = this.#answerOne
      const next = this.#moreWaiting?.shift()
      this.#answer = next?.answer
      this.#answerOne = next?.one === true
      const [first] = this.#queue
      if (first === undefined) {
        answer(END)
      } else if (first instanceof IpcError) {
        this.#queue.shift()
        --this.#queued
        answer(Promise.reject(first))
      } else if (one) {
        answer({ value: this.#takeOne(first), done: false })
      } else {
        answer({ value: this.#takeRun(first), done: false })
      }
    }
    if (this.#paused && this.#queue.length === 0) {
      this.#paused = false
      this.#queuedBytes = 0
      if (!this.#ended) this.#silence?.resume()
      resumeReading(this.#connection)
    }
  }

  #takeOne(run: SOCMessage[]): SOCMessage {
    const message = run[this.#taken++] as SOCMessage
    --this.#queued
    if (this.#taken === run.length) {
      this.#queue.shift()
      this.#taken = 0
    }
    return message
  }

  #takeRun(run: SOCMessage[]): SOCMessage[] {
    const rest = this.#taken === 0 ? run : run.slice(this.#taken)
    this.#queue.shift()
    this.#queued -= rest.length
    this.#taken = 0
    return rest
  }

  #enqueue(entry: SOCMessage[] | IpcError): void {
    this.#queue.push(entry)
    this.#queued += entry instanceof IpcError ? 1 : entry.length
  }

  #onRecords(count: number, received: number): boolean {
    if (received > 0) {
      this.#bytes += received
      this.#silence?.heard()
    }
    this.#takeRecords(count)
    this.#serve()
    if (this.#queue.length === 0) this.#queuedBytes = 0
    this.#paused = this.#queued >= MAX_QUEUED || this.#queuedBytes >= MAX_QUEUED_BYTES
    if (this.#paused) this.#silence?.pause()
    return !this.#paused
  }

  #onEnd(error: IpcError | undefined): void {
    if (this.#ended) return
    this.#silence?.end()
    if (error !== undefined) this.#enqueue(error)
    this.#ended = true
    this.#serve()
  }

  /** Makes messages of the records of one step, and queues them. */
  #takeRecords(count: number): void {
    if (count === 0 || this.#ended) return
    const begin = progress[Progress.textBegin] as number
    const size = (progress[Progress.textEnd] as number) - begin
    this.#queuedBytes += size
    const { peer } = this.#connection
    let run: SOCMessage[] = []
    let bytes: Buffer | undefined
    let page: ReadPage | undefined
    /** Where the positions of the page begin in the window. */
    let origin = 0
    let pageEnd = 0
    for (let i = 0, at = 0; i < count; ++i, at += RecordWord.count) {
      if (records[at + RecordWord.state] === MESSAGE_STATE) {
        if (page === undefined || (records[at + RecordWord.lineEnd] as number) >= pageEnd) {
          const pageBegin = records[at + RecordWord.lineStart] as number
          pageEnd = pageEndOf(at, count * RecordWord.count)
          if (size <= SMALL_READ_BYTES && isAscii(at)) {
            page = ReadPage.ofText(keepText(pageBegin, pageEnd))
            origin = pageBegin
          } else {
            bytes ??= keepBytes(begin, size)
            origin = bytes === readWindow ? 0 : begin
            page = ReadPage.ofBytes(bytes, pageBegin - origin, pageEnd - origin)
          }
        }
        run.push(toMessage(at, page, origin, peer))
        continue
      }
      ++this.#invalid
      if (this.#skipInvalid && !wantsInvalid()) continue
      const error = toError(at, this.name)
      publishInvalid({ address: this.#connection.address, peer, error })
      if (this.#skipInvalid) continue
      if (run.length > 0) this.#enqueueRun(run)
      run = []
      this.#enqueue(error)
    }
    if (run.length > 0) this.#enqueueRun(run)
    if (this.#invalid > this.#maxInvalid) {
      this.#hangUp(
        'too-many-invalid',
        'ERR_IPC_CLOSED',
        `more than ${this.#maxInvalid} lines were no messages`,
      )
    }
  }

  /** Ends the connection, and the stream with an error that says why. */
  #hangUp(reason: CloseReason, code: IpcErrorCode, why: string): void {
    if (this.#ended) return
    this.#silence?.end()
    this.#ended = true
    this.#enqueue(new IpcError(code, `${this.name}: ${why}`, { reason }))
    closeBecause(this.#connection, reason)
    this.#serve()
  }

  #enqueueRun(run: SOCMessage[]): void {
    this.#silence?.understood()
    this.#received += run.length
    this.#enqueue(run)
  }
}
