// Both directions of one connection: messages, requests to the peer, and the peer's requests to us. The wire format is in
// reply.ts; what waits is in pending-requests.ts, running-handlers.ts and message-feed.ts.

import { abortedError, IpcError, rejected } from '../base/errors.js'
import { anything, callback, checkOptions, milliseconds, signal, wholeNumber } from '../base/options.js'
import type { OptionTable } from '../base/options.js'
import { checkTimeout, waitAtMost } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import { checkConnection, type Connection } from '../connection/connection.js'
import { Receiver, type ReceiverOptions } from '../endpoints/receiver.js'
import { Sender, type SendOptions } from '../endpoints/sender.js'
import { sizeBound, type SOCMessage } from '../message/message.js'
import { newSOCMessage, type RawJSON } from '../message/new-message.js'
import { MessageFeed } from './message-feed.js'
import { PendingRequests } from './pending-requests.js'
import * as wire from './reply.js'
import type { LatencyStats } from '../observe/latency.js'
import { observeOn } from '../observe/registry.js'
import { RunningHandlers, type RequestContext, type RunningHandler } from './running-handlers.js'

/** Options of {@link Endpoint}. */
export interface EndpointOptions {
  /** How long a request waits for its reply unless it says otherwise, in milliseconds. Default: 5000. */
  readonly timeoutMs?: number
  /**
   * Bytes that may wait, roughly and with overhead, in each of four places: requests without a reply, handlers running,
   * replies that the peer does not take, and messages that the application has not asked for. Default: 8 MiB.
   */
  readonly maxPendingBytes?: number
  /** Options of the receiver that reads the connection. */
  readonly receiver?: ReceiverOptions
}

/** Options of {@link Endpoint.request}. */
export interface RequestOptions {
  /** How long to wait for the reply, in milliseconds; Infinity: as long as the connection lasts. */
  readonly timeoutMs?: number
  /** Withdraws the request when it fires. The signal of the peer's handler fires then. */
  readonly signal?: AbortSignal
}

/**
 * Handles a request. What it returns, or its promise resolves with, is the value of the reply: any JSON value, `rawJSON`
 * or undefined. What it throws becomes the error of the reply: its `code` and `message`, never its stack.
 */
export type RequestHandler<T = unknown> = (message: SOCMessage<T>, context: RequestContext) => unknown

/** Counts of an {@link Endpoint}. */
export interface EndpointStats {
  /** Requests that have no reply yet, and roughly the bytes that they take. */
  readonly pending: number
  /** Bytes that the requests without a reply take, roughly. */
  readonly pendingBytes: number
  /** How long the peer took to reply to requests, errors included. */
  readonly latency: LatencyStats
  /** Handlers at work, and roughly the bytes that their requests take. */
  readonly handling: number
  /** Bytes that the requests being handled take, roughly. */
  readonly handlingBytes: number
  /** Requests of the peer that a handler was called for. */
  readonly handled: number
  /** Requests of the peer that got an error reply without a handler: unknown type, full, duplicate id, closing. */
  readonly refused: number
  /** Replies without a request: late ones, duplicates, forged ids. */
  readonly unknownReplies: number
  /** Replies that could not be sent: the connection had ended, or the peer took nothing in time. */
  readonly unsentReplies: number
  /** Messages dropped because {@link EndpointOptions.maxPendingBytes} of them waited while `messages` was not read. */
  readonly dropped: number
}

const OPTIONS: OptionTable<EndpointOptions> = {
  timeoutMs: milliseconds,
  maxPendingBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  receiver: anything,
}
const REQUEST_OPTIONS: OptionTable<RequestOptions> = { timeoutMs: milliseconds, signal }
const CLOSE_OPTIONS: OptionTable<{ readonly timeoutMs?: number }> = { timeoutMs: milliseconds }
const NO_OPTIONS: RequestOptions = {}

const DEFAULT_MAX_PENDING_BYTES = 8 << 20
/** Waiting sends are bounded by their bytes, so their number is not limited. */
const MAX_PENDING_SENDS = 1_000_000

/**
 * The life of an endpoint.
 *
 *     open ──close()──▶ closing ──nothing under way, or timeoutMs──▶ closed
 *      │  └──the peer ends──▶ peer-ended ──the last handler has replied──▶ closed
 *      └──────────┴──────────────┴── an invalid line, the connection breaks ──▶ closed
 */
type EndpointState = 'open' | 'closing' | 'peer-ended' | 'closed'

/**
 * Sends and receives messages, requests and replies over one connection, which needs no other sender or receiver.
 *
 * A message is a request if a handler is registered for its type and it has an id, or if its id begins with `req-`, as
 * the ids of {@link request} do. A peer in another language asks by sending such a message, and replies with a message of
 * type `soc_reply` (see reply.ts for the lines). All other messages come out of {@link messages}.
 *
 * An invalid line ends the connection unless the receiver skips them (`receiver: { onInvalid: 'skip' }`).
 */
export class Endpoint {
  /** The name of this endpoint in errors. */
  readonly name: string
  /** The connection in use. */
  readonly connection: Connection
  readonly #timeoutMs: number
  readonly #maxPendingBytes: number
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #requests: PendingRequests
  readonly #running: RunningHandlers
  readonly #feed: MessageFeed
  readonly #room = new Waiters()
  readonly #idle = new Waiters()
  #state: EndpointState = 'open'
  #closing: Promise<void> | undefined
  #lastRequest = 0
  /** Replies and cancellations that the kernel does not have. */
  #unsentBytes = 0
  /** A promise of the sender that has resolved. */
  #taken: Promise<void> | undefined
  #handled = 0
  #refused = 0
  #unknownReplies = 0
  #unsentReplies = 0

  /**
   * Reading starts in the same turn of the event loop, so register the handlers at once.
   *
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already; TypeError,
   *   RangeError for options that are not allowed
   */
  constructor(connection: Connection, name: string, options: EndpointOptions = {}) {
    checkConnection(connection, 'Endpoint')
    const checked = checkOptions('Endpoint', options, OPTIONS)
    this.name = name
    this.connection = connection
    this.#timeoutMs = checkTimeout(checked.timeoutMs)
    this.#maxPendingBytes = checked.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES
    this.#receiver = new Receiver(connection, name, checked.receiver)
    this.#sender = new Sender(connection, name, {
      maxPending: MAX_PENDING_SENDS,
      maxPendingBytes: Math.max(this.#maxPendingBytes, DEFAULT_MAX_PENDING_BYTES),
    })
    this.#requests = new PendingRequests(name, this.#maxPendingBytes, (id) => {
      this.#onWithdrawn(id)
    })
    this.#running = new RunningHandlers(this.#maxPendingBytes)
    this.#feed = new MessageFeed(this.#maxPendingBytes, () => {
      this.#checkRoom()
    })
    observeOn(connection, 'endpoint', this)
    void this.#readAll()
    void connection.whenClosed().then(() => {
      this.#onConnectionClosed()
    })
  }

  /**
   * The messages that are neither requests nor replies. Ends with the connection; rejects once if it broke or an invalid
   * line came. Leaving a loop does not close the connection.
   *
   * While a loop reads them too slowly, the connection is read no further once {@link EndpointOptions.maxPendingBytes}
   * wait, and replies that stand behind them wait too: do not await a request in the loop where the peer may send faster
   * than you read. While they are not read at all, further ones are dropped and counted.
   */
  get messages(): AsyncIterableIterator<SOCMessage, undefined, undefined> {
    return this.#feed
  }

  /** Counts since the endpoint was made. */
  get stats(): EndpointStats {
    return {
      pending: this.#requests.size,
      pendingBytes: this.#requests.bytes,
      latency: this.#requests.latency,
      handling: this.#running.size,
      handlingBytes: this.#running.bytes,
      handled: this.#handled,
      refused: this.#refused,
      unknownReplies: this.#unknownReplies,
      unsentReplies: this.#unsentReplies,
      dropped: this.#feed.dropped,
    }
  }

  /**
   * Sends a message that is not a request. Resolves when the kernel has all of it.
   *
   * @throws {IpcError} as `Sender.send`
   */
  send(message: SOCMessage, options?: SendOptions): Promise<void> {
    return this.#sender.send(message, options)
  }

  /**
   * Sends a request and resolves with its reply, whose `payload` is the value that the peer's handler returned, and whose
   * `id` is that of the request. Any number may be under way within {@link EndpointOptions.maxPendingBytes}. One that is withdrawn, by `timeoutMs` or `signal`, is
   * cancelled at the peer.
   *
   * @param payload as for `newSOCMessage`
   * @throws {IpcError} ERR_IPC_REMOTE with `remote: { code, message }` when the peer replied with an error,
   *   ERR_IPC_TIMEOUT, ERR_IPC_ABORTED, ERR_IPC_BUFFER_FULL, ERR_IPC_CLOSED (also when the peer ends while requests are
   *   under way: all of them reject then), ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE
   * @throws TypeError for a reserved type, a payload that JSON cannot express, or options that are not allowed
   */
  request<T = unknown>(
    type: string,
    payload?: unknown,
    options: RequestOptions = NO_OPTIONS,
  ): Promise<SOCMessage<T>> {
    try {
      return this.#request(type, payload, options) as Promise<SOCMessage<T>>
    } catch (error) {
      return rejected(error as Error)
    }
  }

  /**
   * Registers the handler of a type of requests. Replies go out in the order in which handlers finish.
   *
   * @throws TypeError if the type has a handler already or is reserved (`soc_reply`, `soc_cancel`)
   */
  respond<T = unknown>(type: string, handler: RequestHandler<T>): void {
    checkType(type)
    callback(handler, `handler of ${type}`)
    if (this.#handlers.has(type)) throw new TypeError(`${this.name}: ${type} has a handler already`)
    this.#handlers.set(type, handler as RequestHandler)
  }

  /**
   * Takes no more requests in either direction, waits for those under way, and closes the connection. Safe to call again.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT when requests or handlers were still under way after `timeoutMs` (default 5000):
   *   those requests reject, the signals of those handlers fire, and the connection is closed all the same
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_OPTIONS)
    return (this.#closing ??= this.#close(checkTimeout(timeoutMs)))
  }

  /** As {@link close} without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Resolves when the connection has ended. Never rejects. A handler of `serve` waits for this. */
  whenClosed(): Promise<void> {
    return this.connection.whenClosed()
  }

  #request(type: string, payload: unknown, options: RequestOptions): Promise<SOCMessage> {
    checkType(type)
    const { timeoutMs, signal } =
      options === NO_OPTIONS ? NO_OPTIONS : checkOptions('request', options, REQUEST_OPTIONS)
    const id = wire.REQUEST_ID_PREFIX + String(++this.#lastRequest)
    const message = newSOCMessage(type, payload as RawJSON | undefined, { id })
    if (signal?.aborted === true) throw abortedError(signal, `${this.name}: request ${type}`)
    if (this.#state !== 'open') throw this.#closedError()
    const bytes = sizeBound(message)
    if (!this.#requests.fits(bytes)) {
      throw new IpcError(
        'ERR_IPC_BUFFER_FULL',
        `${this.name}: ${this.#requests.size} requests (about ${this.#requests.bytes} bytes) have no reply yet; wait for some, or raise maxPendingBytes (${this.#maxPendingBytes})`,
      )
    }
    const reply = this.#requests.add(id, type, bytes, checkTimeout(timeoutMs, this.#timeoutMs), signal)
    const sent = this.#sender.send(message)
    if (sent !== this.#taken) {
      this.#sent(sent, 0, (error) => {
        this.#requests.fail(id, error as Error)
        this.#checkIdle()
      })
    }
    return reply
  }

  /** Never rejects. */
  async #readAll(): Promise<void> {
    let failure: Error | undefined
    try {
      const runs = this.#receiver.batches()
      for (let run = await runs.next(); run.done !== true; run = await runs.next()) {
        for (const message of run.value) {
          this.#take(message)
          while (this.#mustWait()) await this.#room.wait()
        }
      }
    } catch (error) {
      failure = error as Error
    }
    this.#onStreamEnd(failure)
  }

  #take(message: SOCMessage): void {
    if (message.type === wire.REPLY_TYPE) {
      this.#onReply(message)
      return
    }
    if (message.type === wire.CANCEL_TYPE) {
      this.#onCancellation(message)
      return
    }
    const handler = this.#handlers.get(message.type)
    const { id } = message
    if (id.startsWith(wire.REQUEST_ID_PREFIX) || (handler !== undefined && id !== '')) {
      this.#onRequest(message, handler)
    } else {
      this.#feed.push(message)
    }
  }

  #onReply(message: SOCMessage): void {
    const reply = wire.readReply(message)
    const request = reply === undefined ? undefined : this.#requests.takeReplied(reply.request)
    if (reply === undefined || request === undefined) {
      ++this.#unknownReplies
      return
    }
    if ('message' in reply) request.resolve(reply.message)
    else request.reject(wire.remoteFailure(this.name, request.type, reply.error))
    this.#checkIdle()
  }

  #onCancellation(message: SOCMessage): void {
    const id = wire.cancelledRequest(message)
    if (id === undefined || !this.#running.has(id)) return
    this.#running.cancel(id, new IpcError('ERR_IPC_ABORTED', `${this.name}: the peer withdrew the request`))
  }

  #onRequest(message: SOCMessage, handler: RequestHandler | undefined): void {
    const { id } = message
    const bytes = sizeBound(message)
    const { unknownType, duplicateId, full, closed } = wire.ReplyErrorCode
    if (handler === undefined) this.#refuse(id, unknownType, `there is no handler for ${message.type}`)
    else if (this.#state !== 'open') this.#refuse(id, closed, 'the peer is closing')
    else if (this.#running.has(id)) this.#refuse(id, duplicateId, 'a request with this id is being handled')
    else if (!this.#running.fits(bytes)) this.#refuse(id, full, 'too many requests are being handled')
    else this.#handle(message, handler, this.#running.start(id, bytes))
  }

  #handle(message: SOCMessage, handler: RequestHandler, running: RunningHandler): void {
    ++this.#handled
    try {
      const result = handler(message, running)
      if (isThenable(result)) {
        result.then(
          (value: unknown) => {
            this.#finish(running, value)
          },
          (error: unknown) => {
            this.#finishWithError(running, error)
          },
        )
      } else {
        this.#finish(running, result)
      }
    } catch (error) {
      this.#finishWithError(running, error)
    }
  }

  #finish(running: RunningHandler, value: unknown): void {
    if (running.finished) return
    let reply: SOCMessage | undefined
    try {
      // Runs toJSON of the value, so it comes before anything changes.
      if (!running.cancelled) reply = wire.valueReply(running.id, value)
    } catch (error) {
      reply = wire.errorReply(running.id, wire.ReplyErrorCode.invalid, wire.remoteErrorOf(error).message)
    }
    this.#running.finish(running)
    if (reply !== undefined) this.#reply(running.id, reply)
    this.#checkIdle()
  }

  #finishWithError(running: RunningHandler, thrown: unknown): void {
    if (running.finished) return
    const { code, message } = wire.remoteErrorOf(thrown)
    this.#running.finish(running)
    if (!running.cancelled) this.#reply(running.id, wire.errorReply(running.id, code, message))
    this.#checkIdle()
  }

  #refuse(id: string, code: string, why: string): void {
    ++this.#refused
    this.#write(wire.errorReply(id, code, why))
  }

  /** Sends the reply of a handler; where it does not fit or cannot be sent, an error in its place. */
  #reply(id: string, reply: SOCMessage): void {
    if (this.#unsentBytes > 0 && this.#unsentBytes + sizeBound(reply) > this.#maxPendingBytes) {
      this.#refuse(id, wire.ReplyErrorCode.full, 'too many replies wait to be read')
      return
    }
    this.#write(reply, id)
  }

  /** `id`: of the request, if an error may go in place of a reply that cannot be sent. */
  #write(message: SOCMessage, id?: string): void {
    const bytes = sizeBound(message)
    this.#sent(this.#sender.send(message), bytes, (error) => {
      if (error instanceof IpcError && id !== undefined && this.#writable(error)) {
        this.#write(wire.errorReply(id, error.code, error.message))
      } else {
        ++this.#unsentReplies
      }
    })
  }

  /**
   * Counts bytes until a send has settled, and calls `onFailure` if it fails. The sender returns one promise for all sends
   * that the kernel has taken at once: it is waited for the first time, and is no news after that.
   */
  #sent(promise: Promise<void>, bytes: number, onFailure: (error: unknown) => void): void {
    if (promise === this.#taken) return
    this.#unsentBytes += bytes
    promise.then(
      () => {
        this.#taken = promise
        this.#unsentBytes -= bytes
        this.#checkRoom()
      },
      (error: unknown) => {
        this.#unsentBytes -= bytes
        this.#checkRoom()
        onFailure(error)
      },
    )
  }

  /** Whether only this message could not be sent, so that another one can. */
  #writable({ code }: IpcError): boolean {
    return code === 'ERR_IPC_MESSAGE_TOO_LARGE' || code === 'ERR_IPC_INVALID_MESSAGE'
  }

  #onWithdrawn(id: string): void {
    this.#checkIdle()
    if (this.#state === 'closed' || this.#unsentBytes > this.#maxPendingBytes) return
    const message = wire.cancellation(id)
    this.#sent(this.#sender.send(message), sizeBound(message), () => undefined)
  }

  #mustWait(): boolean {
    if (!this.#feed.full && this.#unsentBytes <= this.#maxPendingBytes) return false
    return this.#state !== 'closed' && !this.connection.closed
  }

  #checkRoom(): void {
    if (!this.#mustWait()) this.#room.wake()
  }

  #checkIdle(): void {
    if (this.#requests.size > 0 || this.#running.size > 0) return
    this.#idle.wake()
    if (this.#state === 'peer-ended') void this.close().catch(() => undefined)
  }

  #onStreamEnd(failure: Error | undefined): void {
    if (this.#state === 'closed') return
    if (failure !== undefined) {
      this.#end(failure)
      this.connection.destroy()
      return
    }
    if (this.connection.closed) {
      this.#end(undefined)
      return
    }
    // No reply can come any more, but the peer may have closed its sending side alone and still read ours.
    if (this.#state === 'open') this.#state = 'peer-ended'
    this.#feed.end(undefined)
    this.#requests.failAll(this.#closedError())
    this.#checkIdle()
  }

  /**
   * Messages read before are taken first: the end of the stream follows them, with the reason why the connection
   * broke.
   */
  #onConnectionClosed(): void {
    if (this.#state === 'peer-ended') this.#end(undefined)
    this.#running.cancelAll(this.#closedError())
    this.#checkRoom()
  }

  /** Ends everything that is under way. */
  #end(failure: Error | undefined): void {
    if (this.#state === 'closed') return
    const error = this.#closedError(failure)
    this.#state = 'closed'
    this.#feed.end(failure)
    this.#requests.failAll(error)
    this.#room.wake()
    this.#idle.wake()
    this.#running.cancelAll(error)
  }

  async #close(timeoutMs: number): Promise<void> {
    if (this.#state === 'open') this.#state = 'closing'
    let late: IpcError | undefined
    if (this.#requests.size > 0 || this.#running.size > 0) {
      await waitAtMost(this.#idle.wait(), timeoutMs, () => {
        late = new IpcError(
          'ERR_IPC_TIMEOUT',
          `${this.name}: ${this.#requests.size} requests and ${this.#running.size} handlers were still under way ${timeoutMs} ms after close`,
        )
        this.#end(late)
      })
    }
    try {
      await this.#sender.close()
    } catch (error) {
      // The peer may close first: everything it waited for was sent.
      if (!(error instanceof IpcError) || error.code !== 'ERR_IPC_CLOSED') late ??= error as IpcError
    }
    this.#end(late)
    if (late !== undefined) throw late
  }

  #closedError(cause?: Error): IpcError {
    const why =
      this.#state === 'open' || this.#state === 'peer-ended'
        ? 'the peer has ended the connection'
        : 'the endpoint is closed'
    return cause === undefined
      ? new IpcError('ERR_IPC_CLOSED', `${this.name}: ${why}`)
      : new IpcError('ERR_IPC_CLOSED', `${this.name}: ${cause.message}`, { cause })
  }
}

function checkType(type: string): void {
  if (type === wire.REPLY_TYPE || type === wire.CANCEL_TYPE) {
    throw new TypeError(`${type} is reserved: requests need a type of their own`)
  }
  if (typeof type !== 'string' || type === '') throw new TypeError('a request needs a type that is not empty')
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}
