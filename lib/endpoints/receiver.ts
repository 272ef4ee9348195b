// Reads messages from a connection: lets the addon split and check the lines, turns them into messages, and hands these
// out on request. Stops reading while enough messages wait, so that a slow application slows its sender down.

import { publishInvalid, wantsInvalid, type CloseReason } from '../connection/audit.js'
import { requestPoll, toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import {
  attachReader,
  busyPollOf,
  checkConnection,
  closeBecause,
  finishReading,
  resumeReading,
  type RecordReader,
  type Connection,
} from '../connection/connection.js'
import { abortedError, hasCode, IpcError, rejected, type IpcErrorCode } from '../base/errors.js'
import { decodeLines, followsByteOrderMark, RefusedLines, type LineConsumer } from '../wire/record-decoder.js'
import { threadWindow, type ReadWindow } from '../wire/read-window.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import type { SOCMessage } from '../message/message.js'
import { END, iterateRuns, ReadQueue } from './read-queue.js'
import { SilenceLimit, type Silence, type SilenceLimits } from './silence-limit.js'
import { checkTimeout } from '../base/timing.js'
import { observeOn } from '../observe/registry.js'

/** Options of {@link Receiver}. */
export interface ReceiverOptions {
  /**
   * What to do with a line that is not a message. `throw` rejects one `next()` with ERR_IPC_INVALID_MESSAGE or
   * ERR_IPC_MESSAGE_TOO_LARGE and goes on with the next line; `skip` only counts it. Default: `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /** Longest line in bytes, without its newline. Default and maximum: {@link MAX_MESSAGE_BYTES}. */
  readonly maxMessageBytes?: number
  /** Invalid lines tolerated before the connection is closed; `Infinity` for any number. Default: 1000. */
  readonly maxInvalid?: number
  /**
   * Milliseconds without a byte, while this side reads, after which the connection is closed and `next` rejects with
   * ERR_IPC_TIMEOUT (reason `idle`). Default: unlimited.
   */
  readonly idleTimeoutMs?: number
  /** The same for the first message, counted from when the receiver is made (reason `no-first-message`). Default: unlimited. */
  readonly firstMessageTimeoutMs?: number
  /**
   * Milliseconds from the first byte of a line to its end, while this side reads, after which the connection is closed and
   * `next` rejects with ERR_IPC_TIMEOUT (reason `unfinished-message`). A peer that sends a byte now and then cannot hold a
   * connection open with it. `Infinity` for no limit. Default: 30,000.
   */
  readonly messageTimeoutMs?: number
  /**
   * Polls for messages before the thread goes to sleep: the shortest latency at the price of a processor. `false` never
   * polls. Default: the setting of the connection or its listener; there, up to 50 µs as long as that pays.
   */
  readonly busyPoll?: BusyPollOptions | false
}

/** Counts since the receiver was made. */
export interface ReceiverStats {
  /** Messages read, including those not yet requested. */
  readonly received: number
  /** Lines that were not messages. */
  readonly invalid: number
  /** Bytes read. */
  readonly bytes: number
  /** 1 if the stream began with a UTF-8 byte order mark, which was skipped; otherwise 0. */
  readonly byteOrderMarks: number
}

/** Options of one wait for a message. */
export interface ReceiveOptions {
  /** Withdraws the wait. No message is lost: the next wait gets it. */
  readonly signal?: AbortSignal
}

/** Invalid lines of an unlucky peer; a hostile one is gone before it costs much. */
const DEFAULT_MAX_INVALID = 1000
const SILENCE: Record<Silence, string> = {
  'no-first-message': 'sent no message within',
  idle: 'sent nothing for',
  'unfinished-message': 'did not finish a message within',
}
/** Milliseconds in which a peer has to finish a message that it has begun. */
const DEFAULT_MESSAGE_TIMEOUT_MS = 30_000

/** Reads messages from a connection (Go: `Receiver`). A connection has at most one. */
export class Receiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** The name of this receiver in errors. */
  readonly name: string
  readonly #connection: Connection
  readonly #skipInvalid: boolean
  readonly #maxInvalid: number
  readonly #limits: SilenceLimits
  /** Made when it is first needed: most connections are idle, and their peers finish their lines. */
  #silence: SilenceLimit | undefined
  readonly #busyPoll: PollRequest
  readonly #queue = new ReadQueue()
  /**
   *     reading <──> paused      the queue is full, and then empty again
   *        └───────────┴──────> ended      by the peer, a limit, or this side
   */
  #state: 'reading' | 'paused' | 'ended' = 'reading'
  #received = 0
  #invalid = 0
  #bytes = 0
  #byteOrderMarks = 0

  // One object for all receivers, as thousands of closures would take memory.
  static readonly #recordReader: RecordReader<Receiver> = {
    onRecords: (receiver, count, received) => receiver.#onRecords(count, received),
    onEnd: (receiver, error) => receiver.#onEnd(error),
  }
  static readonly #lineConsumer: LineConsumer<Receiver> = {
    onRun: (receiver, messages) => {
      receiver.#silence?.understood()
      receiver.#received += messages.length
      receiver.#queue.addRun(messages, 0)
    },
    onRefused: (receiver, window, at, count) => {
      receiver.#onRefused(window, at, count)
    },
  }

  /**
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already, or for an
   *   unknown `onInvalid`
   * @throws RangeError for a limit or a time-out that is out of range
   */
  constructor(connection: Connection, name: string, options: ReceiverOptions = {}) {
    checkConnection(connection, 'Receiver')
    const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES
    if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1 || maxMessageBytes > MAX_MESSAGE_BYTES) {
      throw new RangeError(`maxMessageBytes must be a whole number from 1 to ${MAX_MESSAGE_BYTES}`)
    }
    this.#maxInvalid = options.maxInvalid ?? DEFAULT_MAX_INVALID
    if (!(this.#maxInvalid >= 0)) throw new RangeError('maxInvalid must be 0 or more')
    const onInvalid = options.onInvalid ?? 'throw'
    if (onInvalid !== 'throw' && onInvalid !== 'skip')
      throw new TypeError("onInvalid must be 'throw' or 'skip'")
    this.name = name
    this.#connection = connection
    this.#skipInvalid = onInvalid === 'skip'
    this.#busyPoll = options.busyPoll === undefined ? busyPollOf(connection) : toPollRequest(options.busyPoll)
    this.#limits = silenceLimits(options)
    // Before any timer: a second receiver must not disturb the first.
    attachReader(connection, this, Receiver.#recordReader, maxMessageBytes)
    observeOn(connection, 'receiver', this)
    if (this.#limits.firstMessageMs !== Infinity || this.#limits.idleMs !== Infinity) this.#watchSilence()
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  /** Counts since it was made. */
  get stats(): ReceiverStats {
    return {
      received: this.#received,
      invalid: this.#invalid,
      bytes: this.#bytes,
      byteOrderMarks: this.#byteOrderMarks,
    }
  }

  /**
   * The next message; `done` at the end of the stream (Go: `Next`, which returns io.EOF there). A last line without a
   * newline counts if it is a whole message.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE or ERR_IPC_MESSAGE_TOO_LARGE for a line that is not a message: call again for
   *   the next one. ERR_IPC_CLOSED once if the connection broke, ERR_IPC_TIMEOUT once if the peer was silent for too long;
   *   then `done`. ERR_IPC_ABORTED if the signal fired.
   */
  next(options?: ReceiveOptions): Promise<IteratorResult<SOCMessage, undefined>> {
    const signal = options?.signal
    if (signal?.aborted === true) return rejected(abortedError(signal, `next of ${this.name}`))
    const { first } = this.#queue
    if (first !== undefined && !(first instanceof IpcError)) {
      return Promise.resolve({ value: this.#queue.takeOne(first), done: false })
    }
    return this.#served(this.#queue.wait(true, signal, this.name))
  }

  /** Ends an iteration with `for await`: closes the connection. */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  /** Iterates over the messages until the stream ends. */
  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * Messages in runs, as they were read: the fastest way to take many. Errors come at their place between the runs, as
   * with {@link next}; a loop that an error ended may be started again.
   */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    return iterateRuns(
      () => this.#served(this.#queue.wait(false)),
      () => this.close(),
    )
  }

  /** Closes the connection (Go: `Close`). Messages that were read can still be asked for. */
  async close(): Promise<void> {
    try {
      await this.#connection.close()
    } catch (error) {
      // A sender that shares the connection reports this itself.
      if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
    }
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #served<Result>(waiting: Promise<Result>): Promise<Result> {
    this.#serve()
    if (this.#queue.any) requestPoll(this.#busyPoll)
    return waiting
  }

  #serve(): void {
    this.#queue.serve(this.#state === 'ended')
    if (this.#queue.endGiven) finishReading(this.#connection)
    if (this.#state === 'paused' && this.#queue.empty) {
      this.#state = 'reading'
      this.#silence?.resume()
      resumeReading(this.#connection)
    }
  }

  #onRecords(count: number, received: number): boolean {
    this.#bytes += received
    if (!threadWindow.hasMore) this.#noteSilence(count > 0)
    if (this.#state === 'ended') return false
    if (count > 0) this.#takeLines(count)
    this.#serve()
    if (this.#state === 'reading' && this.#queue.full) {
      this.#state = 'paused'
      this.#silence?.pause()
    }
    return this.#state === 'reading'
  }

  #onEnd(error: IpcError | undefined): boolean {
    if (this.#state === 'ended') return false
    this.#silence?.end()
    if (error !== undefined) this.#queue.addError(error)
    this.#state = 'ended'
    this.#serve()
    return !this.#queue.endGiven
  }

  #takeLines(count: number): void {
    const { linesBegin, linesEnd } = threadWindow
    this.#queue.charge(linesEnd - linesBegin)
    const isFirst = this.#received === 0 && this.#invalid === 0
    if (isFirst && followsByteOrderMark(threadWindow)) ++this.#byteOrderMarks
    decodeLines<Receiver>(threadWindow, count, this.#connection.peer, this, Receiver.#lineConsumer)
    if (this.#invalid > this.#maxInvalid) {
      this.#hangUp(
        'too-many-invalid',
        'ERR_IPC_CLOSED',
        `the peer sent more than ${this.#maxInvalid} invalid lines (maxInvalid)`,
      )
    }
  }

  #onRefused(window: ReadWindow, at: number, count: number): void {
    this.#invalid += count
    const wanted = wantsInvalid()
    if (this.#skipInvalid && !wanted) return
    const lines = RefusedLines.keep(window, at, count, this.name)
    if (wanted) {
      const { address, peer } = this.#connection
      for (const error of lines.errors()) publishInvalid({ address, peer, error })
    }
    if (!this.#skipInvalid) this.#queue.addRefused(lines)
  }

  /** A read has been taken, with or without the end of a line. */
  #noteSilence(lines: boolean): void {
    const unfinished = threadWindow.carried > 0
    if (unfinished && this.#silence === undefined && this.#limits.messageMs !== Infinity) this.#watchSilence()
    this.#silence?.heard(lines, unfinished)
  }

  #watchSilence(): void {
    this.#silence = new SilenceLimit(this.#limits, (why, afterMs) => {
      this.#hangUp(why, 'ERR_IPC_TIMEOUT', `the peer ${SILENCE[why]} ${afterMs} ms`)
    })
  }

  /** Ends the connection, and the stream with an error that says why. */
  #hangUp(reason: CloseReason, code: IpcErrorCode, why: string): void {
    if (this.#state === 'ended') return
    this.#silence?.end()
    this.#state = 'ended'
    this.#queue.addError(new IpcError(code, `${this.name}: ${why}`, { reason }))
    closeBecause(this.#connection, reason)
    this.#serve()
  }
}

/** One object for all receivers without limits of their own. */
const DEFAULT_LIMITS: SilenceLimits = {
  firstMessageMs: Infinity,
  idleMs: Infinity,
  messageMs: DEFAULT_MESSAGE_TIMEOUT_MS,
}

function silenceLimits(options: ReceiverOptions): SilenceLimits {
  const { firstMessageTimeoutMs, idleTimeoutMs, messageTimeoutMs } = options
  if ((firstMessageTimeoutMs ?? idleTimeoutMs ?? messageTimeoutMs) === undefined) return DEFAULT_LIMITS
  return {
    firstMessageMs: checkTimeout(firstMessageTimeoutMs, Infinity),
    idleMs: checkTimeout(idleTimeoutMs, Infinity),
    messageMs: checkTimeout(messageTimeoutMs, DEFAULT_MESSAGE_TIMEOUT_MS),
  }
}
