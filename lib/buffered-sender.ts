// Sends without waiting: takes messages into a bounded buffer at once and writes them when the current tick is over.
// What is taken is either written, pending, or counted as dropped and reported; never lost in silence.

import { writerOf, type Connection } from './connection.js'
import { IpcError } from './errors.js'
import type { FrameWriter } from './frame-writer.js'
import {
  BUFFER_SIZE,
  checkFrameSize,
  DEFAULT_TIMEOUT_MS,
  frameOf,
  isChecked,
  MAX_MESSAGE_BYTES,
  sizeBound,
  SOCMessage,
} from './message.js'
import { checkTimeout } from './timing.js'

/** Options of {@link BufferedSender}. */
export interface BufferedSenderOptions {
  /** Messages that may be pending. Default: {@link BUFFER_SIZE}. */
  readonly capacity?: number
  /** What they may come to, in UTF-16 units of text and bytes of buffers. Default 8 MiB. */
  readonly maxBytes?: number
  /** Told of messages that were taken and could not be written, and why. Default: nobody; they are counted all the same. */
  readonly onDrop?: (messages: readonly SOCMessage[], error: IpcError) => void
}

/** Counts since the sender was made: accepted = written + pending + dropped. */
export interface BufferedSenderStats {
  /** Messages that `send` took. */
  readonly accepted: number
  /** Messages that the kernel has. */
  readonly written: number
  /** Messages taken that the kernel does not have, or not whole. */
  readonly pending: number
  /** Messages taken that could not be written: the connection was lost, or they were not JSON. */
  readonly dropped: number
}

interface FlushWaiter {
  /** Messages that must be written or dropped. */
  readonly settled: number
  readonly resolve: () => void
  readonly reject: (error: IpcError) => void
}

const DEFAULT_MAX_BYTES = 8 << 20
/** Written messages at the front of the queue are cut off once they are this many. */
const COMPACT_AT = 1024

/** Writes messages to a connection in the background (Go: `BufferedSender`). */
export class BufferedSender {
  /** What this sender is called in errors. */
  readonly name: string
  readonly #connection: Connection
  readonly #writer: FrameWriter
  readonly #capacity: number
  readonly #maxBytes: number
  readonly #onDrop: ((messages: readonly SOCMessage[], error: IpcError) => void) | undefined
  /** Pending messages from #head on; those before #next are with the writer. */
  #queue: SOCMessage[] = []
  #head = 0
  #next = 0
  #bytes = 0
  /** Of the messages with the writer, those that it refused. */
  #refused = 0
  #accepted = 0
  #written = 0
  #dropped = 0
  #scheduled = false
  #closing: Promise<void> | undefined
  #waiters: FlushWaiter[] = []
  readonly #onReady = (): void => {
    if (!this.#writer.blocked && this.#writer.failure === undefined) this.#markWritten()
    this.#drain()
  }

  /** @throws RangeError for options that make no sense */
  constructor(connection: Connection, name: string, options: BufferedSenderOptions = {}) {
    this.name = name
    this.#connection = connection
    this.#capacity = checkLimit('capacity', options.capacity, BUFFER_SIZE)
    this.#maxBytes = checkLimit('maxBytes', options.maxBytes, DEFAULT_MAX_BYTES)
    this.#onDrop = options.onDrop
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
  }

  /** Messages taken and not yet written (Go: `Pending`). */
  get pending(): number {
    return this.#queue.length - this.#head - this.#refused
  }

  get stats(): BufferedSenderStats {
    return { accepted: this.#accepted, written: this.#written, pending: this.pending, dropped: this.#dropped }
  }

  /**
   * Takes a message, to be written when the current tick is over (Go: `Send`). Never waits and makes no system call.
   *
   * @throws {IpcError} ERR_IPC_BUFFER_FULL, ERR_IPC_CLOSED, ERR_IPC_MESSAGE_TOO_LARGE: the message was not taken
   */
  send(message: SOCMessage): void {
    if (!(message instanceof SOCMessage)) throw new TypeError('a message must be a SOCMessage')
    const failure = this.#failure()
    if (failure !== undefined) throw failure
    const bytes = sizeBound(message)
    if (bytes * 3 > MAX_MESSAGE_BYTES) checkFrameSize(frameOf(message))
    if (this.pending >= this.#capacity || this.#bytes + bytes > this.#maxBytes) {
      throw new IpcError(
        'ERR_IPC_BUFFER_FULL',
        `${this.name}: the buffer is full (${this.pending} messages, about ${this.#bytes} bytes)`,
      )
    }
    this.#queue.push(message)
    this.#bytes += bytes
    ++this.#accepted
    if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(() => {
        this.#scheduled = false
        this.#drain()
      })
    }
  }

  /**
   * Resolves when all messages taken so far are with the kernel.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the connection is lost before
   */
  flush(): Promise<void> {
    if (this.pending === 0) {
      const { failure } = this.#writer
      return this.#dropped > 0 && failure !== undefined ? Promise.reject(failure) : Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ settled: this.#accepted, resolve, reject })
    })
  }

  /**
   * Writes what is pending, then closes the connection (Go: `Close`). Safe to call again.
   *
   * @param options.timeoutMs how long the writing may take. Default: {@link DEFAULT_TIMEOUT_MS}. What is still pending
   *   then is dropped, counted and reported.
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED when something did not get out; it is closed all the same
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = checkTimeout(options.timeoutMs, DEFAULT_TIMEOUT_MS)
    return (this.#closing ??= this.#close(timeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      if (this.pending > 0) {
        timer = setTimeout(() => {
          this.#dropAll(
            new IpcError(
              'ERR_IPC_TIMEOUT',
              `${this.name}: the peer did not take what was pending in ${timeoutMs} ms`,
            ),
          )
          this.#connection.destroy()
        }, timeoutMs)
      }
      await this.flush()
    } finally {
      clearTimeout(timer)
      this.#writer.unregister(this.#onReady)
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

  #drain(): void {
    const writer = this.#writer
    while (this.#next < this.#queue.length && !writer.blocked && writer.failure === undefined) {
      const message = this.#queue[this.#next++] as SOCMessage
      writer.append(
        message,
        isChecked(message)
          ? undefined
          : (error) => {
              this.#onRefused(message, error)
            },
      )
      if (writer.full) this.#flushWriter()
    }
    this.#flushWriter()
    if (writer.failure !== undefined) this.#dropAll(writer.failure)
  }

  #flushWriter(): void {
    this.#writer.flush()
    if (!this.#writer.blocked && this.#writer.failure === undefined) this.#markWritten()
  }

  /** All messages that the writer has are with the kernel. */
  #markWritten(): void {
    if (this.#next === this.#head) return
    for (let i = this.#head; i < this.#next; ++i) this.#bytes -= sizeBound(this.#queue[i] as SOCMessage)
    this.#written += this.#next - this.#head - this.#refused
    this.#refused = 0
    this.#head = this.#next
    if (this.#head === this.#queue.length) this.#reset()
    else if (this.#head >= COMPACT_AT) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = this.#next = 0
    }
    this.#wakeWaiters(undefined)
  }

  #reset(): void {
    this.#queue = []
    this.#head = this.#next = this.#bytes = this.#refused = 0
  }

  #onRefused(message: SOCMessage, error: IpcError): void {
    ++this.#refused
    ++this.#dropped
    this.#onDrop?.([message], error)
  }

  #dropAll(error: IpcError): void {
    const lost = this.#queue.slice(this.#head)
    this.#dropped += this.pending
    this.#reset()
    if (lost.length > 0) this.#onDrop?.(lost, error)
    this.#wakeWaiters(error)
  }

  #wakeWaiters(error: IpcError | undefined): void {
    const settled = this.#written + this.#dropped
    const ready = this.#waiters.filter((waiter) => waiter.settled <= settled)
    if (ready.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => waiter.settled > settled)
    for (const waiter of ready) {
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }
}

function checkLimit(what: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${what} must be a whole number from 1`)
  return value
}
