// Sends without waiting: puts messages into a bounded buffer and writes them at the end of the current tick.
// Every accepted message is written, pending, or counted as dropped and reported; none is lost silently.

import { abortable } from '../base/abort.js'
import { monotonicMs } from '../base/globals.js'
import { observeOn } from '../observe/registry.js'
import { checkOptions } from '../base/options.js'
import { publishDrop } from '../connection/audit.js'
import { checkConnection, writerOf, type Connection } from '../connection/connection.js'
import { IpcError } from '../base/errors.js'
import { Soon } from '../base/soon.js'
import type { FrameWriter } from '../wire/frame-writer.js'
import {
  BUFFERED_SENDER_TABLE,
  CLOSE_TABLE,
  WAIT_TABLE,
  type BufferedSenderCloseOptions,
  type BufferedSenderOptions,
  type BufferedSenderStats,
  type BufferedSenderWaitOptions,
} from './buffered-sender-options.js'
import { isObserved, type OnEvent } from '../observe/lifecycle.js'
import { EndpointEvents } from './endpoint-events.js'
import { flushSyncTimeoutOf, type FlushSyncOptions } from './flush-sync.js'
import { BUFFER_SIZE, DEFAULT_MAX_BYTES, MessageQueue } from './message-queue.js'
import { checkFrameSize, MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { notAMessage } from '../message/brand.js'
import { frameOf, sizeBound, SOCMessage } from '../message/message.js'
import { checkTimeout, waitAtMost } from '../base/timing.js'
import { callUser } from '../base/user-code.js'
import { Waiters } from '../base/waiters.js'

/** Writes messages to a connection in the background (Go: `BufferedSender`). */
export class BufferedSender {
  /** The name of this sender in error messages. */
  readonly name: string
  readonly #connection: Connection
  readonly #writer: FrameWriter
  readonly #queue: MessageQueue<undefined>
  readonly #onDrop: BufferedSenderOptions['onDrop']
  readonly #onEvent: OnEvent | undefined
  #events: EndpointEvents | undefined
  /** Messages handed to the frame writer and not yet written. */
  #handedOver: SOCMessage[] = []
  #accepted = 0
  #written = 0
  readonly #dropped = { full: 0, invalid: 0, closed: 0, timeout: 0 }
  readonly #soon = new Soon(() => {
    this.#drain()
  })
  #closing: Promise<void> | undefined
  /** Calls of `flush`, each waiting until everything before a place in the queue is written or dropped. */
  readonly #flushing = new Waiters()
  readonly #wantRoom = new Waiters()
  readonly #onReady = (): void => {
    if (!this.#writer.blocked && this.#writer.failure === undefined) this.#markWritten()
    this.#drain()
    const { failure } = this.#writer
    if (failure !== undefined && this.#closing === undefined) this.#observed()?.ended(failure)
  }

  readonly #onRefused = (error: IpcError, message: SOCMessage): void => {
    const at = this.#handedOver.indexOf(message)
    if (at === -1) return // already dropped because the connection was lost
    this.#handedOver.splice(at, 1)
    this.#queue.release(1, sizeBound(message))
    ++this.#dropped.invalid
    this.#report([message], error)
    // While others of the batch are under way, flush() waits for them too.
    if (this.#handedOver.length === 0) this.#wakeWaiting()
  }

  /**
   * @throws TypeError if `connection` is not a connection of this copy of the package, or for an unknown option
   * @throws RangeError for a limit that is not a positive whole number
   */
  constructor(connection: Connection, name: string, options?: BufferedSenderOptions) {
    checkConnection(connection, 'BufferedSender')
    const {
      capacity = BUFFER_SIZE,
      maxBytes = DEFAULT_MAX_BYTES,
      onFull = 'reject',
      onDrop,
      onEvent,
    } = checkOptions('BufferedSender', options, BUFFERED_SENDER_TABLE)
    this.name = name
    this.#connection = connection
    this.#queue = new MessageQueue(capacity, maxBytes, onFull, (message) => {
      this.#dropForRoom(message)
    })
    this.#onDrop = onDrop
    this.#onEvent = onEvent
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
    observeOn(connection, 'buffered-sender', this)
  }

  /** The connection that this sender writes to. */
  get connection(): Connection {
    return this.#connection
  }

  /** Number of accepted messages not yet written (Go: `Pending`). */
  get pending(): number {
    return this.#queue.length
  }

  /** Counts since the sender was created. */
  get stats(): BufferedSenderStats {
    return {
      accepted: this.#accepted,
      written: this.#written,
      pending: this.pending,
      dropped: this.#droppedInAll,
      droppedBy: { ...this.#dropped },
    }
  }

  /**
   * Accepts a message and writes it at the end of the current tick (Go: `Send`). Never waits and makes no system call.
   * When the buffer is full, `onFull` decides; a message that it drops is counted as accepted and as dropped, and
   * reported.
   *
   * @throws {IpcError} ERR_IPC_BUFFER_FULL, ERR_IPC_CLOSED, ERR_IPC_MESSAGE_TOO_LARGE: the message was not accepted
   * @throws TypeError for a value that is not a message
   */
  send(message: SOCMessage): void {
    if (!(message instanceof SOCMessage)) throw notAMessage(message)
    const failure = this.#failure()
    if (failure !== undefined) throw failure
    if (sizeBound(message) * 3 > MAX_MESSAGE_BYTES) checkFrameSize(frameOf(message))
    const taken = this.#queue.push(message, undefined)
    if (!taken && this.#queue.onFull === 'reject') throw this.#fullError()
    ++this.#accepted
    if (!taken) {
      this.#dropForRoom(message)
      return
    }
    this.#soon.ask()
  }

  /**
   * Resolves when the kernel has all messages accepted so far.
   *
   * @throws {IpcError} ERR_IPC_CLOSED if the connection is lost first; ERR_IPC_TIMEOUT if the time-out of `close`
   *   passes first; ERR_IPC_ABORTED if the signal fires first
   * @throws TypeError for an unknown option
   */
  flush(options?: BufferedSenderWaitOptions): Promise<void> {
    return options === undefined ? this.#flush() : this.#withdrawable('flush', options, () => this.#flush())
  }

  async #withdrawable(
    what: string,
    options: BufferedSenderWaitOptions,
    wait: () => Promise<void>,
  ): Promise<void> {
    const { signal } = checkOptions(what, options, WAIT_TABLE)
    await abortable<undefined>(signal, `${what} of ${this.name}`, (resolve, reject) => {
      wait().then(() => {
        resolve(undefined)
      }, reject)
      return () => undefined
    })
  }

  #flush(): Promise<void> {
    if (this.pending === 0) {
      const { failure } = this.#writer
      return this.#dropped.closed + this.#dropped.timeout > 0 && failure !== undefined
        ? Promise.reject(failure)
        : Promise.resolve()
    }
    return this.#flushing.wait(this.#queue.end)
  }

  /**
   * Writes everything that is pending without the event loop, as in a handler of `process.on('exit')` or before
   * `process.exit()`. Blocks this thread while the peer has to read first, for at most `timeoutMs` (default 1000).
   * Returns whether the kernel has everything. On Windows it does not wait.
   *
   * @throws TypeError, RangeError for options that are not allowed
   */
  flushSync(options?: FlushSyncOptions): boolean {
    const untilMs = monotonicMs() + flushSyncTimeoutOf(options)
    this.#drain()
    return this.#writer.flushSync(untilMs) && this.pending === 0
  }

  /**
   * Resolves when at most half of the buffer is in use. For a producer that prefers to wait rather than have a message
   * rejected.
   *
   * @throws {IpcError} ERR_IPC_CLOSED if the connection is lost first, or the sender was closed before; ERR_IPC_TIMEOUT
   *   if the time-out of `close` passes first; ERR_IPC_ABORTED if the signal fires first
   * @throws TypeError for an unknown option
   */
  drained(options?: BufferedSenderWaitOptions): Promise<void> {
    return options === undefined
      ? this.#drained()
      : this.#withdrawable('drained', options, () => this.#drained())
  }

  #drained(): Promise<void> {
    const failure = this.#failure()
    if (failure !== undefined) return Promise.reject(failure)
    if (this.#queue.roomy) return Promise.resolve()
    return this.#wantRoom.wait()
  }

  /**
   * Writes the pending messages, then closes the connection (Go: `Close`). Safe to call again.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED if messages could not be written; the sender is closed anyway
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options?: BufferedSenderCloseOptions): Promise<void> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_TABLE)
    return (this.#closing ??= this.#close(checkTimeout(timeoutMs)))
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      await waitAtMost(this.flush(), timeoutMs, () => {
        const why = `${this.name}: the peer did not take what was pending in ${timeoutMs} ms`
        this.#dropAll(new IpcError('ERR_IPC_TIMEOUT', why), 'timeout')
        this.#connection.destroy()
      })
    } finally {
      this.#writer.unregister(this.#onReady)
      if (this.#writer.failure === undefined) this.#observed()?.ended(undefined)
      await this.#connection.close()
    }
  }

  #failure(): IpcError | undefined {
    if (this.#closing !== undefined) return new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`)
    const { failure } = this.#writer
    return failure === undefined
      ? undefined
      : new IpcError('ERR_IPC_CLOSED', `${this.name}: ${failure.message}`, { cause: failure })
  }

  #fullError(): IpcError {
    const { length, bytes, onFull } = this.#queue
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.name}: the buffer is full (${length} messages, about ${bytes} bytes)`,
      { reason: onFull },
    )
  }

  get #droppedInAll(): number {
    const { full, invalid, closed, timeout } = this.#dropped
    return full + invalid + closed + timeout
  }

  #drain(): void {
    const writer = this.#writer
    while (!writer.blocked && writer.failure === undefined) {
      const message = this.#queue.take()
      if (message === undefined) break
      this.#handedOver.push(message)
      writer.append(message, this.#onRefused)
      if (writer.full) this.#flushWriter()
    }
    this.#flushWriter()
    if (writer.failure !== undefined) this.#dropAll(writer.failure, 'closed')
    else if (writer.blocked) this.#observed()?.paused()
  }

  /** Returns undefined while nothing listens to events. */
  #observed(): EndpointEvents | undefined {
    if (isObserved(this.#onEvent)) this.#events ??= new EndpointEvents(this, 'buffered-sender', this.#onEvent)
    return this.#events
  }

  #flushWriter(): void {
    this.#writer.flush()
    if (!this.#writer.blocked && this.#writer.failure === undefined) this.#markWritten()
  }

  /** Counts all messages of the frame writer as written: the kernel has them. */
  #markWritten(): void {
    if (this.#handedOver.length === 0) return
    this.#written += this.#handedOver.length
    this.#letGo()
    this.#wakeWaiting()
  }

  #wakeWaiting(): void {
    this.#flushing.wake(this.#queue.front)
    if (this.#queue.roomy) this.#wantRoom.wake()
    if (this.#queue.length === 0) this.#events?.resumed()
  }

  #letGo(): SOCMessage[] {
    const messages = this.#handedOver
    this.#handedOver = []
    for (const message of messages) this.#queue.release(1, sizeBound(message))
    return messages
  }

  #dropForRoom(message: SOCMessage): void {
    ++this.#dropped.full
    this.#report([message], this.#fullError())
  }

  #report(messages: readonly SOCMessage[], error: IpcError): void {
    const { address, peer } = this.#connection
    publishDrop({ address, peer, count: messages.length, error })
    if (this.#onDrop !== undefined) callUser('onDrop', this.#onDrop, messages, error)
  }

  #dropAll(error: IpcError, reason: 'closed' | 'timeout'): void {
    this.#dropped[reason] += this.pending
    const lost = [...this.#letGo(), ...this.#queue.clear().messages]
    if (lost.length > 0) this.#report(lost, error)
    this.#flushing.fail(error)
    this.#wantRoom.fail(error)
  }
}
