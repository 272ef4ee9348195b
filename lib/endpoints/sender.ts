// Sends messages one by one or in batches and tells when the kernel has them. At most once: what happens to a message
// after that is up to the receiver.

import { redialOf, writerOf, type Connection } from '../connection/connection.js'
import { abortedError, hasCode, IpcError, rejected } from '../base/errors.js'
import type { FrameWriter } from '../wire/frame-writer.js'
import { BUFFER_SIZE } from './message-queue.js'
import { isChecked, SOCMessage } from '../message/message.js'
import { checkTimeout, pause } from '../base/timing.js'

/** Tries of `sendWithRetry` (Go: `MaxRetries`). */
export const MAX_RETRIES = 3

/** Options of {@link Sender}. */
export interface SenderOptions {
  /** How long one send may take. Default: {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number
  /** Sends that may wait while the peer takes nothing; one more rejects with ERR_IPC_BUFFER_FULL. Default 4096. */
  readonly maxPending?: number
}

/** Options of one send. */
export interface SendOptions {
  readonly signal?: AbortSignal
}

/** A send that waits for the writer to be free. Nothing of it is on the wire, so it can be withdrawn. */
interface WaitingSend {
  readonly messages: readonly SOCMessage[]
  next: number
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const RETRY_WAIT_MS = 100

/** Writes messages to a connection (Go: `Sender`). */
export class Sender {
  /** What this sender is called in errors. */
  readonly name: string
  readonly #timeoutMs: number
  readonly #maxPending: number
  #connection: Connection
  #writer: FrameWriter
  #waiting: WaitingSend[] = []
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  /** Shared by all who find the connection dead. */
  #redialling: Promise<void> | undefined
  readonly #onReady = (): void => {
    this.#serveWaiting()
  }

  /** @throws TypeError, RangeError for options that make no sense */
  constructor(connection: Connection, name: string, options: SenderOptions = {}) {
    this.name = name
    this.#timeoutMs = checkTimeout(options.timeoutMs)
    this.#maxPending = options.maxPending ?? BUFFER_SIZE
    if (!Number.isInteger(this.#maxPending) || this.#maxPending < 1) {
      throw new RangeError('maxPending must be a whole number from 1')
    }
    this.#connection = connection
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
  }

  /** The connection in use; another one after `sendWithRetry` has redialled. */
  get connection(): Connection {
    return this.#connection
  }

  /**
   * Sends a message (Go: `Send`). Resolves when the kernel has all of it. The first message of a quiet connection is
   * written at once; further ones of the same tick go out together. Several sends may be under way: their frames keep
   * their order and never mix.
   *
   * When the time runs out while part of the message may be on the wire, the connection is given up: nothing could be
   * written after half a message.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT, ERR_IPC_CLOSED, ERR_IPC_ABORTED (the message may have been sent),
   *   ERR_IPC_BUFFER_FULL, ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE
   */
  send(message: SOCMessage, options?: SendOptions): Promise<void> {
    if (options?.signal !== undefined) return this.#sendAbortable([message], options.signal)
    const writer = this.#writer
    if (
      this.#closed ||
      writer.failure !== undefined ||
      writer.blocked ||
      writer.checking ||
      this.#waiting.length > 0 ||
      !(message instanceof SOCMessage) ||
      !isChecked(message)
    ) {
      return this.#sendAll([message])
    }
    try {
      writer.append(message)
    } catch (error) {
      return rejected(error as Error)
    }
    if (!writer.corked || writer.full) writer.flush()
    writer.cork()
    return writer.settled(this.#timeoutMs)
  }

  /**
   * Sends messages in their order with as few system calls as possible. Resolves when the kernel has all of them. Sparing
   * a promise each, it is the fastest way to send many.
   *
   * @throws as {@link send}. Messages before the one that failed may have been sent.
   */
  sendBatch(messages: readonly SOCMessage[], options?: SendOptions): Promise<void> {
    if (messages.length === 0) return Promise.resolve()
    // The caller may use the array again before all of them are written.
    return options?.signal === undefined
      ? this.#sendAll([...messages])
      : this.#sendAbortable([...messages], options.signal)
  }

  /**
   * Sends a message, up to {@link MAX_RETRIES} times in all, waiting 100, 200 ms … between tries (Go: `SendWithRetry`).
   * When the connection is dead it is dialled anew first, if it was dialled; on a connection that a listener accepted
   * there is nobody to dial, so its death ends the tries. A message that the kernel had taken before the connection died
   * is not sent again; one that it had in part is.
   *
   * @throws as {@link send}; the error of the last try
   */
  async sendWithRetry(message: SOCMessage, options: SendOptions = {}): Promise<void> {
    for (let tries = 1; ; ++tries) {
      try {
        const dead = this.#connection.closed || this.#writer.failure !== undefined
        if (dead && !this.#closed) await (this.#redialling ??= this.#redial(options.signal))
        await this.send(message, options)
        return
      } catch (error) {
        const mayHelp =
          hasCode(error, 'ERR_IPC_TIMEOUT', 'ERR_IPC_BUFFER_FULL') ||
          (hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_NOT_LISTENING') &&
            redialOf(this.#connection) !== undefined)
        if (!mayHelp || this.#closed || tries >= MAX_RETRIES) throw error
      }
      await pause(tries * RETRY_WAIT_MS, options.signal, `send of ${this.name}`)
    }
  }

  /**
   * Waits for the sends under way, then closes the connection (Go: `Close`). Safe to call again.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED when something did not get out; it is closed all the same
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#idle()
    } finally {
      this.#writer.unregister(this.#onReady)
      await this.#connection.close()
    }
  }

  get #closed(): boolean {
    return this.#closing !== undefined
  }

  #sendAll(messages: readonly SOCMessage[]): Promise<void> {
    for (const message of messages) {
      if (!(message instanceof SOCMessage)) return rejected(new TypeError('a message must be a SOCMessage'))
    }
    return new Promise((resolve, reject) => {
      this.#begin({ messages, next: 0, deadline: performance.now() + this.#timeoutMs, resolve, reject })
    })
  }

  #sendAbortable(messages: readonly SOCMessage[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return rejected(abortedError(signal, `send of ${this.name}`))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#withdraw(send)
        reject(abortedError(signal, `send of ${this.name}`))
      }
      const send: WaitingSend = {
        messages,
        next: 0,
        deadline: performance.now() + this.#timeoutMs,
        resolve: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#begin(send)
    })
  }

  #begin(send: WaitingSend): void {
    const failure = this.#closed ? closedError(this.name) : this.#writer.failure
    if (failure !== undefined) {
      send.reject(failure)
    } else if (this.#waiting.length >= this.#maxPending) {
      send.reject(
        new IpcError('ERR_IPC_BUFFER_FULL', `${this.name}: ${this.#maxPending} sends are waiting already`),
      )
    } else {
      this.#waiting.push(send)
      if (this.#waiting.length === 1) this.#serveWaiting()
    }
  }

  /** Moves what waits into the writer, as far as it takes it. */
  #serveWaiting(): void {
    const writer = this.#writer
    while (this.#waiting.length > 0 && !writer.blocked && writer.failure === undefined) {
      const send = this.#waiting[0]
      if (send === undefined || !this.#appendAll(send)) break
      this.#waiting.shift()
      void writer.settled(this.#timeoutMs).then(send.resolve, send.reject)
    }
    if (writer.failure === undefined) this.#armTimer()
    else this.#failWaiting(writer.failure)
  }

  /** False when the writer got blocked before all messages of the send were in. */
  #appendAll(send: WaitingSend): boolean {
    const writer = this.#writer
    try {
      while (send.next < send.messages.length) {
        if (writer.blocked || writer.failure !== undefined) return false
        send.next = writer.appendRun(send.messages, send.next, send.reject)
        if (writer.full) writer.flush()
      }
    } catch (error) {
      send.reject(error as Error)
    }
    // What was added before an error goes out all the same.
    if (!writer.corked) writer.flush()
    writer.cork()
    return true
  }

  #withdraw(send: WaitingSend): void {
    this.#waiting = this.#waiting.filter((other) => other !== send)
  }

  #failWaiting(error: IpcError): void {
    const waiting = this.#waiting
    this.#waiting = []
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const send of waiting) send.reject(error)
  }

  /** Times out what waits, oldest first, as all have the same time. */
  #armTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [oldest] = this.#waiting
    if (oldest === undefined || oldest.deadline === Infinity) return
    this.#timer = setTimeout(
      () => {
        const now = performance.now()
        const late = this.#waiting.filter((send) => send.deadline <= now)
        this.#waiting = this.#waiting.filter((send) => send.deadline > now)
        for (const send of late) {
          send.reject(
            new IpcError('ERR_IPC_TIMEOUT', `${this.name}: the peer took nothing for ${this.#timeoutMs} ms`),
          )
        }
        this.#armTimer()
      },
      Math.max(1, Math.ceil(oldest.deadline - performance.now())),
    )
  }

  async #idle(): Promise<void> {
    const last = this.#waiting.at(-1)
    if (last !== undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.push({ messages: [], next: 0, deadline: last.deadline, resolve, reject })
      })
    }
    if (!this.#writer.pending) return
    this.#writer.flush()
    await this.#writer.settled(this.#timeoutMs)
  }

  async #redial(signal: AbortSignal | undefined): Promise<void> {
    try {
      const connection = await redialOf(this.#connection)?.(signal)
      if (connection === undefined) return
      if (this.#closed) {
        connection.destroy()
        return
      }
      this.#writer.unregister(this.#onReady)
      this.#connection.destroy()
      this.#connection = connection
      this.#writer = writerOf(connection)
      this.#writer.register(this.#onReady)
    } finally {
      this.#redialling = undefined
    }
  }
}

function closedError(name: string): IpcError {
  return new IpcError('ERR_IPC_CLOSED', `${name} is closed`)
}
