// Reads messages from a connection: lets the addon split and check the lines, turns them into messages, and hands these
// out on request. Stops reading while enough messages wait, so that a slow application slows its sender down.

import type { LimitReason } from '../base/error-reasons.js'
import { publishInvalid, wantsInvalid } from '../connection/audit.js'
import { requestPoll } from '../wire/busy-poll.js'
import {
  attachReader,
  checkConnection,
  closeBecause,
  originOf,
  takeKeptLines,
  type Connection,
} from '../connection/connection.js'
import type { ConnectionInput, RecordReader } from '../connection/connection-input.js'
import { checkOptions } from '../base/options.js'
import { abortedError, IpcError, rejected, type IpcErrorCode } from '../base/errors.js'
import { decodeLines, followsByteOrderMark, RefusedLines, type LineConsumer } from '../wire/record-decoder.js'
import { fieldBytes } from '../wire/line-reading.js'
import { threadWindow, type ReadWindow } from '../wire/read-window.js'
import type { SOCMessage } from '../message/message.js'
import { isObserved } from '../observe/lifecycle.js'
import { EndpointEvents } from './endpoint-events.js'
import { hangUp } from './hang-up.js'
import { tooManyInvalid } from './invalid-limit.js'
import { END, iterateRuns, ReadQueue } from './read-queue.js'
import {
  RECEIVE_TABLE,
  receiverPlanOf,
  type ReceiveOptions,
  type ReceiverOptions,
  type ReceiverPlan,
  type ReceiverStats,
} from './receiver-options.js'
import { SilenceLimit } from './silence-limit.js'
import { observeOn } from '../observe/registry.js'

/**
 * The messages of a receiver whose types and payloads are known: `Receiver<{ logon: Logon; count: number }>` hands out
 * a union that `type` discriminates. The compiler trusts the declaration; nothing is checked at run time. `validated`
 * checks payloads.
 */
export type ReceivedMessage<Messages> = {
  [Type in keyof Messages & string]: SOCMessage<Messages[Type]> & {
    /** The type, which determines the payload. */
    readonly type: Type
  }
}[keyof Messages & string]

/**
 * Reads messages from a connection (Go: `Receiver`). A connection has at most one. `Messages` may name the payload of
 * each type of message: see {@link ReceivedMessage}.
 */
export class Receiver<
  Messages = Record<string, unknown>,
  // Follows from the first. The class names it alone, so that a typed receiver is a Receiver to the compiler.
  Message extends SOCMessage = ReceivedMessage<Messages>,
> implements AsyncIterableIterator<Message, undefined, undefined> {
  /** The name of this receiver in errors. */
  readonly name: string
  readonly #plan: ReceiverPlan
  /** Made on first use: most connections are idle, and most peers finish their lines. */
  #silence: SilenceLimit | undefined
  readonly #input: ConnectionInput<Connection>
  readonly #queue = new ReadQueue()
  /**
   *     reading <──> paused      the queue is full, and then empty again
   *        └───────────┴──────> ended      by the peer, a limit, or this side
   */
  #state: 'reading' | 'paused' | 'ended' = 'reading'
  #received = 0
  #invalid = 0
  #batches = 0
  #byteOrderMarks = 0
  #events: EndpointEvents | undefined
  /** Bytes of the queue that are charged to the account of the user. */
  #charged = 0

  // One object for all receivers: thousands of closures would take memory.
  static readonly #recordReader: RecordReader<Receiver> = {
    onRecords: (receiver, count, received) => receiver.#onRecords(count, received),
    onEnd: (receiver, error) => receiver.#onEnd(error),
    isAwaited: (receiver) => receiver.#queue.any,
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
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already, or for
   *   an unknown option, or invalid `fields`
   * @throws RangeError for a limit or a time-out that is out of range, or too many `fields`
   */
  constructor(connection: Connection, name: string, options?: ReceiverOptions) {
    checkConnection(connection, 'Receiver')
    this.name = name
    this.#plan = receiverPlanOf(options)
    // Before any timer: a second receiver must not disturb the first.
    const { maxMessageBytes, reading } = this.#plan
    const reader = this as unknown as Receiver // the types of messages play no part below
    this.#input = attachReader(connection, reader, Receiver.#recordReader, maxMessageBytes, reading)
    observeOn(connection, 'receiver', this)
    const { firstMessageMs, idleMs } = this.#plan.limits
    if (firstMessageMs !== Infinity || idleMs !== Infinity) this.#watchSilence()
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#input.owner
  }

  /** Counts since the receiver was made. */
  get stats(): ReceiverStats {
    return {
      received: this.#received,
      invalid: this.#invalid,
      bytes: this.#input.bytes,
      batches: this.#batches,
      byteOrderMarks: this.#byteOrderMarks,
    }
  }

  /**
   * Returns the next message; `done` at the end of the stream (Go: `Next`, which returns io.EOF). A last line without a
   * newline counts if it is a whole message.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE or ERR_IPC_MESSAGE_TOO_LARGE for a line that is not a message: call
   *   again for the next one. Once, followed by `done`: ERR_IPC_CLOSED if the connection broke, or the peer or its user
   *   sent too many invalid lines (reason `too-many-invalid`); ERR_IPC_TIMEOUT if the peer was silent for too long.
   *   ERR_IPC_ABORTED if the signal fired
   * @throws TypeError for an unknown option
   */
  next(options?: ReceiveOptions): Promise<IteratorResult<Message, undefined>> {
    if (options === undefined) return this.#next(undefined)
    try {
      return this.#next(checkOptions('next', options, RECEIVE_TABLE).signal)
    } catch (error) {
      return rejected(error as Error)
    }
  }

  #next(signal: AbortSignal | undefined): Promise<IteratorResult<Message, undefined>> {
    if (signal?.aborted === true) return rejected(abortedError(signal, `next of ${this.name}`))
    const { first } = this.#queue
    if (first !== undefined && !(first instanceof IpcError)) {
      return Promise.resolve({
        value: this.#queue.takeOne(first) as Message,
        done: false,
      })
    }
    return this.#served(this.#queue.wait(true, signal, this.name)) as Promise<
      IteratorResult<Message, undefined>
    >
  }

  /** Ends an iteration with `for await`: closes the connection. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    await this.close()
    return END
  }

  /** Iterates over the messages until the stream ends. */
  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * Iterates over the messages in runs, as they were read: the fastest way to receive many. Errors occur at their place
   * between the runs, as with {@link next}; after an error, a new loop continues with the next run. When the signal
   * fires, the wait rejects with ERR_IPC_ABORTED; no message is lost by it.
   *
   * @throws TypeError for an unknown option
   */
  batches(options?: ReceiveOptions): AsyncIterableIterator<Message[], undefined, undefined> {
    const { signal } = checkOptions('batches', options, RECEIVE_TABLE)
    return iterateRuns(
      () =>
        signal?.aborted === true
          ? rejected(abortedError(signal, `batches of ${this.name}`))
          : this.#served(this.#queue.wait(false, signal, this.name)),
      () => this.close(),
    ) as AsyncIterableIterator<Message[], undefined, undefined>
  }

  /** Closes the connection (Go: `Close`). Messages that were read before can still be requested. */
  async close(): Promise<void> {
    const kept = takeKeptLines(this.connection)
    if (kept !== undefined) await kept
    await hangUp(this.connection)
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #served<Result>(waiting: Promise<Result>): Promise<Result> {
    this.#serve()
    if (this.#queue.any) {
      this.#input.asked()
      requestPoll(this.#plan.busyPoll ?? originOf(this.connection).busyPoll)
    }
    return waiting
  }

  #serve(): void {
    this.#queue.serve(this.#state === 'ended')
    this.#charge()
    if (this.#queue.endGiven) this.#input.finish()
    if (this.#state === 'paused' && this.#queue.empty) {
      this.#state = 'reading'
      this.#events?.resumed()
      this.#silence?.resume()
      this.#input.resume()
    }
  }

  /** Returns undefined while nothing listens to events. */
  #observed(): EndpointEvents | undefined {
    const { onEvent } = this.#plan
    if (isObserved(onEvent)) this.#events ??= new EndpointEvents(this, 'receiver', onEvent)
    return this.#events
  }

  #charge(): void {
    const { bytes } = this.#queue
    if (bytes === this.#charged) return
    this.#input.charge(bytes - this.#charged)
    this.#charged = bytes
  }

  #onRecords(count: number, received: number): boolean {
    if (received > 0) ++this.#batches
    if (!threadWindow.hasMore) this.#noteSilence(count > 0)
    if (this.#state === 'ended') return false
    if (count > 0) this.#takeLines(count)
    this.#serve()
    if (this.#state === 'reading' && this.#queue.full) {
      this.#state = 'paused'
      this.#observed()?.paused()
      this.#silence?.pause()
    }
    return this.#state === 'reading'
  }

  #onEnd(error: IpcError | undefined): boolean {
    if (this.#state === 'ended') return false
    this.#silence?.end()
    if (error !== undefined) this.#queue.addError(error)
    this.#state = 'ended'
    this.#observed()?.ended(error)
    this.#serve()
    return !this.#queue.endGiven
  }

  #takeLines(count: number): void {
    const { linesBegin, linesEnd } = threadWindow
    this.#queue.charge(linesEnd - linesBegin + count * fieldBytes(this.#plan.reading))
    const isFirst = this.#received === 0 && this.#invalid === 0
    if (isFirst && followsByteOrderMark(threadWindow)) ++this.#byteOrderMarks
    const { peer } = this.connection
    const invalidBefore = this.#invalid
    const reader = this as unknown as Receiver // the types of messages play no part below
    decodeLines<Receiver>(threadWindow, count, peer, reader, Receiver.#lineConsumer, this.#plan.reading)
    this.#queue.charge(threadWindow.takeExcess())
    if (this.#invalid === invalidBefore) return
    const why = tooManyInvalid(
      this.#input,
      this.#invalid - invalidBefore,
      this.#invalid,
      this.#plan.maxInvalid,
    )
    if (why !== undefined) this.#hangUp('too-many-invalid', 'ERR_IPC_CLOSED', why)
  }

  #onRefused(window: ReadWindow, at: number, count: number): void {
    this.#invalid += count
    const wanted = wantsInvalid()
    if (this.#plan.skipInvalid && !wanted) return
    const lines = RefusedLines.keep(window, at, count, this.name)
    if (wanted) {
      const { address, peer } = this.connection
      for (const error of lines.errors()) publishInvalid({ address, peer, error })
    }
    if (!this.#plan.skipInvalid) this.#queue.addRefused(lines)
  }

  /** Notes for the silence limits that a read was processed, with or without the end of a line. */
  #noteSilence(lines: boolean): void {
    const unfinished = threadWindow.carried > 0
    if (unfinished && this.#silence === undefined && this.#plan.limits.messageMs !== Infinity)
      this.#watchSilence()
    this.#silence?.heard(lines, unfinished)
  }

  #watchSilence(): void {
    this.#silence = new SilenceLimit(this.#plan.limits, this.#input, (why, description) => {
      this.#hangUp(why, 'ERR_IPC_TIMEOUT', `the peer ${description}`)
    })
  }

  /** Ends the connection, and the stream with an error that states the reason. */
  #hangUp(reason: LimitReason, code: IpcErrorCode, why: string): void {
    if (this.#state === 'ended') return
    this.#silence?.end()
    this.#state = 'ended'
    const error = new IpcError(code, `${this.name}: ${why}`, { reason })
    this.#queue.addError(error)
    this.#observed()?.ended(error)
    closeBecause(this.connection, reason)
    this.#serve()
  }
}
