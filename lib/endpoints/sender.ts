// Sends messages one by one or in batches, and reports when the kernel has them. Delivery is at most once: after that,
// the fate of a message depends on the receiver.

import { checkConnection, originOf, writerOf, type Connection } from '../connection/connection.js'
import { monotonicMs } from '../base/globals.js'
import { abortedError, hasCode, IpcError, rejected } from '../base/errors.js'
import { checkOptions, wrongKind } from '../base/options.js'
import type { FrameWriter } from '../wire/frame-writer.js'
import { flushSyncTimeoutOf, type FlushSyncOptions } from './flush-sync.js'
import { BUFFER_SIZE, DEFAULT_MAX_BYTES } from './message-queue.js'
import { notAMessage } from '../message/brand.js'
import { isChecked, SOCMessage } from '../message/message.js'
import { checkTimeout, pause } from '../base/timing.js'
import { isObserved, type OnEvent } from '../observe/lifecycle.js'
import { EndpointEvents } from './endpoint-events.js'
import { SEND_TABLE, SENDER_TABLE, type SenderOptions, type SendOptions } from './sender-options.js'
import { WaitingSends, type WaitingSend } from './waiting-sends.js'

/** Number of attempts of `sendWithRetry` (Go: `MaxRetries`). */
export const MAX_RETRIES = 3

const RETRY_WAIT_MS = 100

/** Writes messages to a connection (Go: `Sender`). */
export class Sender {
  /** The name of this sender in errors. */
  readonly name: string
  readonly #timeoutMs: number
  #connection: Connection
  #writer: FrameWriter
  readonly #waiting: WaitingSends
  #closing: Promise<void> | undefined
  /** Shared by all sends that find the connection dead. */
  #redialling: Promise<void> | undefined
  readonly #onEvent: OnEvent | undefined
  #events: EndpointEvents | undefined
  readonly #onReady = (): void => {
    this.#serveWaiting()
    const { failure } = this.#writer
    if (failure !== undefined && !this.#closed) this.#observed()?.ended(failure)
  }

  /**
   * @throws TypeError if `connection` is not a connection of this copy of the package, or for an unknown option
   * @throws RangeError for a time-out or a limit that is not a positive number
   */
  constructor(connection: Connection, name: string, options?: SenderOptions) {
    checkConnection(connection, 'Sender')
    const {
      timeoutMs,
      maxPending = BUFFER_SIZE,
      maxPendingBytes = DEFAULT_MAX_BYTES,
      onEvent,
    } = checkOptions('Sender', options, SENDER_TABLE)
    this.name = name
    this.#timeoutMs = checkTimeout(timeoutMs)
    this.#waiting = new WaitingSends(name, { timeoutMs: this.#timeoutMs, maxPending, maxPendingBytes })
    this.#onEvent = onEvent
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
   * If the time-out expires while part of the message may be on the wire, the connection is closed, because nothing can
   * follow a partial message.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT, ERR_IPC_CLOSED, ERR_IPC_ABORTED (the message may have been sent),
   *   ERR_IPC_BUFFER_FULL, ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE
   * @throws TypeError for a value that is not a message, or an unknown option
   */
  send(message: SOCMessage, options?: SendOptions): Promise<void> {
    if (options !== undefined) return this.#sendWith('send', [message], options)
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
   * Sends messages in their order with as few system calls as possible. Resolves when the kernel has all of them. The
   * fastest way to send many messages, because it needs only one promise.
   *
   * @throws as {@link send}. Messages before the one that failed may have been sent.
   */
  sendBatch(messages: readonly SOCMessage[], options?: SendOptions): Promise<void> {
    const refusal = notAnArray(messages)
    if (refusal !== undefined) return rejected(refusal)
    // A copy, because the caller may reuse the array before all messages are written.
    if (options !== undefined) return this.#sendWith('sendBatch', [...messages], options)
    return messages.length === 0 ? Promise.resolve() : this.#sendAll([...messages])
  }

  /**
   * Sends a message, up to {@link MAX_RETRIES} times in all, waiting 100, 200 ms … between tries (Go: `SendWithRetry`).
   * If the connection is dead, it is first dialled again. A connection that a listener accepted cannot be dialled
   * again, so the attempts end with it. A message that the kernel had taken completely before the connection died is
   * not sent again; a partly taken one is.
   *
   * @throws as {@link send}, and as `dial` if it dials again; the error of the last attempt
   */
  async sendWithRetry(message: SOCMessage, options?: SendOptions): Promise<void> {
    const { signal } = checkOptions('sendWithRetry', options, SEND_TABLE)
    for (let tries = 1; ; ++tries) {
      try {
        const dead = this.#connection.closed || this.#writer.failure !== undefined
        if (dead && !this.#closed) await (this.#redialling ??= this.#redial(signal))
        await this.send(message, signal === undefined ? undefined : { signal })
        return
      } catch (error) {
        const mayHelp =
          hasCode(error, 'ERR_IPC_TIMEOUT', 'ERR_IPC_BUFFER_FULL') ||
          (hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_NOT_LISTENING') &&
            originOf(this.#connection).redial !== undefined)
        if (!mayHelp || this.#closed || tries >= MAX_RETRIES) throw error
        this.#observed()?.retrying(error, tries, tries * RETRY_WAIT_MS)
      }
      await pause(tries * RETRY_WAIT_MS, signal, `send of ${this.name}`)
    }
  }

  /**
   * Writes everything that waits without the event loop, as in a handler of `process.on('exit')` or before
   * `process.exit()`. Blocks this thread while the peer has to read first, for at most `timeoutMs` (default 1000).
   * Returns whether the kernel has everything. On Windows it does not wait.
   *
   * @throws TypeError, RangeError for options that are not allowed
   */
  flushSync(options?: FlushSyncOptions): boolean {
    const untilMs = monotonicMs() + flushSyncTimeoutOf(options)
    this.#serveWaiting()
    return this.#writer.flushSync(untilMs) && this.#waiting.length === 0
  }

  /**
   * Waits for the pending sends, then closes the connection (Go: `Close`). Safe to call again.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED if messages could not be written; the sender is closed anyway
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#idle()
    } finally {
      this.#writer.unregister(this.#onReady)
      if (this.#writer.failure === undefined) this.#observed()?.ended(undefined)
      await this.#connection.close()
    }
  }

  /** Returns undefined while nothing listens to events. */
  #observed(): EndpointEvents | undefined {
    if (isObserved(this.#onEvent)) this.#events ??= new EndpointEvents(this, 'sender', this.#onEvent)
    return this.#events
  }

  get #closed(): boolean {
    return this.#closing !== undefined
  }

  #sendAll(messages: readonly SOCMessage[], signal?: AbortSignal): Promise<void> {
    for (const message of messages) {
      if (!(message instanceof SOCMessage)) return rejected(notAMessage(message))
    }
    const failure = this.#closed ? closedError(this.name) : this.#writer.failure
    if (failure !== undefined) return rejected(failure)
    return this.#waiting.add(messages, signal, () => {
      this.#serveWaiting()
    })
  }

  #sendWith(what: string, messages: readonly SOCMessage[], options: SendOptions): Promise<void> {
    let signal
    try {
      ;({ signal } = checkOptions(what, options, SEND_TABLE))
    } catch (error) {
      return rejected(error as Error)
    }
    if (signal?.aborted === true) return rejected(abortedError(signal, `send of ${this.name}`))
    return messages.length === 0 ? Promise.resolve() : this.#sendAll(messages, signal)
  }

  /** Moves waiting sends into the writer until it is blocked. */
  #serveWaiting(): void {
    const writer = this.#writer
    while (!writer.blocked && writer.failure === undefined) {
      const send = this.#waiting.first
      if (send === undefined || !this.#appendAll(send)) break
      this.#waiting.remove(send)
      void writer.settled(this.#timeoutMs).then(send.resolve, send.reject)
    }
    if (writer.failure !== undefined) {
      this.#waiting.fail(writer.failure)
    } else if (this.#waiting.length > 0) {
      this.#waiting.armTimer()
      this.#observed()?.paused()
    } else {
      this.#events?.resumed()
    }
  }

  /** Returns false if the writer became blocked before it had all messages of the send. */
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
    // Messages before the one that failed are still sent.
    if (!writer.corked) writer.flush()
    writer.cork()
    return true
  }

  async #idle(): Promise<void> {
    await this.#waiting.idle()
    if (!this.#writer.pending) return
    this.#writer.flush()
    await this.#writer.settled(this.#timeoutMs)
  }

  async #redial(signal: AbortSignal | undefined): Promise<void> {
    try {
      const connection = await originOf(this.#connection).redial?.(signal)
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

function notAnArray(messages: unknown): TypeError | undefined {
  return Array.isArray(messages) ? undefined : wrongKind('messages of sendBatch', 'an array', messages)
}

function closedError(name: string): IpcError {
  return new IpcError('ERR_IPC_CLOSED', `${name} is closed`)
}
