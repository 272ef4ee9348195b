// Both directions of one connection: messages, requests to the peer, and the peer's requests. This file contains the
// life of an endpoint; inbox.ts reads, outbox.ts sends, outgoing-requests.ts and incoming-requests.ts handle requests,
// message-feed.ts messages, and reply.ts has the wire format.

import { abortedError, hasCode, IpcError, rejected } from '../base/errors.js'
import { checkTimeout, waitAtMost } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import { checkConnection, type Connection } from '../connection/connection.js'
import { Receiver } from '../endpoints/receiver.js'
import type { SendOptions } from '../endpoints/sender-options.js'
import type { SOCMessage } from '../message/message.js'
import {
  checkCloseOptions,
  checkEndpointOptions,
  checkRequestOptions,
  DEFAULT_MAX_PENDING_BYTES,
  NO_REQUEST_OPTIONS,
  type EndpointCloseOptions,
  type EndpointOptions,
  type EndpointStats,
  type RequestOptions,
} from './endpoint-options.js'
import { Inbox } from './inbox.js'
import { IncomingRequests, type RequestHandler } from './incoming-requests.js'
import { MessageFeed } from './message-feed.js'
import { setLatencySource } from '../observe/latency.js'
import { observeOn } from '../observe/registry.js'
import { Outbox } from './outbox.js'
import { OutgoingRequests } from './outgoing-requests.js'
import { checkRequestType } from './reply.js'

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
 * the ids of {@link request} do. A peer in another language makes a request by sending such a message, and replies with
 * a message of type `soc_reply` (docs/services.md shows the lines). All other messages come out of {@link messages}.
 *
 * An invalid line ends the connection unless the receiver skips them (`receiver: { onInvalid: 'skip' }`).
 */
export class Endpoint {
  /** The name of this endpoint in errors. */
  readonly name: string
  /** The connection in use. */
  readonly connection: Connection
  readonly #timeoutMs: number
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #outgoing: OutgoingRequests
  readonly #incoming: IncomingRequests
  readonly #feed: MessageFeed
  readonly #idle = new Waiters()
  #state: EndpointState = 'open'
  #closing: Promise<void> | undefined

  /**
   * Reading starts in the same turn of the event loop, so register the handlers at once.
   *
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already;
   *   TypeError, RangeError for options that are not allowed
   */
  constructor(connection: Connection, name: string, options: EndpointOptions = {}) {
    checkConnection(connection, 'Endpoint')
    const checked = checkEndpointOptions(options)
    const maxBytes = checked.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES
    const onTaken = (): void => {
      this.#inbox.charge()
      this.#inbox.checkRoom()
    }
    const checkIdle = (): void => {
      this.#checkIdle()
    }
    const onFinished = (): void => {
      this.#inbox.charge()
      this.#checkIdle()
    }
    this.name = name
    this.connection = connection
    this.#timeoutMs = checkTimeout(checked.timeoutMs)
    const receiver = new Receiver(connection, name, checked.receiver)
    this.#outbox = new Outbox(connection, name, maxBytes, onTaken)
    this.#outgoing = new OutgoingRequests(name, this.#outbox, maxBytes, checkIdle)
    this.#incoming = new IncomingRequests(name, this.#outbox, maxBytes, onFinished)
    this.#feed = new MessageFeed(name, connection, maxBytes, onTaken)
    this.#inbox = new Inbox(receiver, this.#outbox, this.#outgoing, this.#incoming, this.#feed)
    observeOn(connection, 'endpoint', this)
    setLatencySource(this, () => this.#outgoing.measured)
    void this.#inbox.readAll((failure) => {
      this.#onStreamEnd(failure)
    })
    void connection.whenClosed().then(() => {
      this.#onConnectionClosed()
    })
  }

  /**
   * Iterates over the messages that are neither requests nor replies. Ends with the connection; rejects once if the
   * connection broke or an invalid line arrived. Leaving a loop does not close the connection.
   *
   * If a loop reads too slowly, the endpoint stops reading the connection when {@link EndpointOptions.maxPendingBytes}
   * wait, and replies behind those messages wait too: do not await a request in the loop if the peer may send faster
   * than you read. While no loop reads, further messages are dropped and counted.
   */
  get messages(): AsyncIterableIterator<SOCMessage, undefined, undefined> {
    return this.#feed
  }

  /** Counts since the endpoint was made. */
  get stats(): EndpointStats {
    return {
      pending: this.#outgoing.size,
      pendingBytes: this.#outgoing.bytes,
      latency: this.#outgoing.latency,
      handling: this.#incoming.size,
      handlingBytes: this.#incoming.bytes,
      handled: this.#incoming.handled,
      refused: this.#incoming.refused,
      unknownReplies: this.#outgoing.unknownReplies,
      unsentReplies: this.#incoming.unsentReplies,
      dropped: this.#feed.dropped,
    }
  }

  /**
   * Sends a message that is not a request. Resolves when the kernel has all of it.
   *
   * @throws {IpcError} as `Sender.send`
   */
  send(message: SOCMessage, options?: SendOptions): Promise<void> {
    return this.#outbox.send(message, options)
  }

  /**
   * Sends a request and resolves with its reply, whose `payload` is the value that the peer's handler returned, and
   * whose `id` is that of the request. Any number may be under way within {@link EndpointOptions.maxPendingBytes}. A
   * request that `timeoutMs` or `signal` withdraws is also cancelled at the peer.
   *
   * @param payload as for `newSOCMessage`
   * @throws {IpcError} ERR_IPC_REMOTE with `remote: { code, message }` when the peer replied with an error,
   *   ERR_IPC_TIMEOUT, ERR_IPC_ABORTED, ERR_IPC_BUFFER_FULL, ERR_IPC_CLOSED (also when the peer ends while requests are
   *   under way: all of them reject then), ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE
   * @throws TypeError for a reserved type, a payload that JSON cannot express, or options that are not allowed;
   *   RangeError for a time-out that is not positive
   */
  request<T = unknown>(
    type: string,
    payload?: unknown,
    options: RequestOptions = NO_REQUEST_OPTIONS,
  ): Promise<SOCMessage<T>> {
    try {
      return this.#request(type, payload, options) as Promise<SOCMessage<T>>
    } catch (error) {
      return rejected(error as Error)
    }
  }

  /**
   * Registers the handler for a type of request. Replies are sent in the order in which handlers finish. Their payload
   * is the value that the handler returns, any JSON value or `rawJSON`; with `Reply` the compiler checks its type. When
   * the connection closes, the signals of the running handlers fire, and requests that were read and not begun are
   * refused: `stats.refused` and `stats.unsentReplies` count them.
   *
   * @throws TypeError if the type has a handler already, is reserved (`soc_reply`, `soc_cancel`) or empty, or if
   *   `handler` is not a function
   */
  respond<T = unknown, Reply = unknown>(type: string, handler: RequestHandler<T, Reply>): void {
    checkRequestType(type)
    this.#incoming.respond(type, handler as RequestHandler)
  }

  /**
   * Refuses new requests in both directions, waits for the pending ones, and closes the connection. Safe to call again.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT when requests or handlers were still under way after `timeoutMs` (default 5000):
   *   those requests reject, the signals of those handlers fire, and the connection is closed all the same
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options: EndpointCloseOptions = {}): Promise<void> {
    const { timeoutMs } = checkCloseOptions(options)
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
    checkRequestType(type)
    const { timeoutMs, signal } = checkRequestOptions(options)
    const message = this.#outgoing.message(type, payload)
    if (signal?.aborted === true) throw abortedError(signal, `${this.name}: request ${type}`)
    if (this.#state !== 'open') throw this.#closedError()
    return this.#outgoing.ask(message, checkTimeout(timeoutMs, this.#timeoutMs), signal)
  }

  #enter(state: Exclude<EndpointState, 'open'>): void {
    this.#state = state
    this.#incoming.stop()
  }

  get #busy(): boolean {
    return this.#outgoing.size > 0 || this.#incoming.size > 0
  }

  #checkIdle(): void {
    if (this.#busy) return
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
    // No reply can arrive any more, but the peer may have closed only its sending side, and still read.
    if (this.#state === 'open') this.#enter('peer-ended')
    this.#feed.end(undefined)
    this.#outgoing.failAll(this.#closedError())
    this.#checkIdle()
  }

  /**
   * Messages read before are processed first: the end of the stream follows them, with the reason why the connection
   * broke.
   */
  #onConnectionClosed(): void {
    if (this.#state === 'peer-ended') this.#end(undefined)
    this.#incoming.cancelAll(this.#closedError())
    this.#inbox.checkRoom()
  }

  /** Ends everything that is under way. */
  #end(failure: Error | undefined): void {
    if (this.#state === 'closed') return
    const error = this.#closedError(failure)
    this.#enter('closed')
    this.#outgoing.stop()
    this.#feed.end(failure)
    this.#outgoing.failAll(error)
    this.#inbox.stop()
    this.#idle.wake()
    this.#incoming.cancelAll(error)
  }

  async #close(timeoutMs: number): Promise<void> {
    if (this.#state === 'open') this.#enter('closing')
    let late: IpcError | undefined
    if (this.#busy) {
      await waitAtMost(this.#idle.wait(), timeoutMs, () => {
        late = new IpcError(
          'ERR_IPC_TIMEOUT',
          `${this.name}: ${this.#outgoing.size} requests and ${this.#incoming.size} handlers were still under way ${timeoutMs} ms after close`,
        )
        this.#end(late)
      })
    }
    try {
      await this.#outbox.close()
    } catch (error) {
      // The peer may close first, because everything that it waited for was sent.
      if (!hasCode(error, 'ERR_IPC_CLOSED')) late ??= error as IpcError
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
