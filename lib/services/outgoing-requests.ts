// The requests to the peer: gives them ids, sends them, and settles each with its reply, an error, its deadline or its
// signal.

import { IpcError } from '../base/errors.js'
import { sizeBound, type SOCMessage } from '../message/message.js'
import { newSOCMessage } from '../message/new-message.js'
import type { Latency, LatencyStats } from '../observe/latency.js'
import type { Outbox } from './outbox.js'
import { PendingRequests } from './pending-requests.js'
import * as wire from './reply.js'

export class OutgoingRequests {
  readonly #name: string
  readonly #outbox: Outbox
  readonly #maxBytes: number
  readonly #onEnded: () => void
  readonly #pending: PendingRequests
  #lastId = 0
  #unknownReplies = 0
  #closed = false

  /** @param onEnded called when requests have ended */
  constructor(name: string, outbox: Outbox, maxBytes: number, onEnded: () => void) {
    this.#name = name
    this.#outbox = outbox
    this.#maxBytes = maxBytes
    this.#onEnded = onEnded
    this.#pending = new PendingRequests(name, maxBytes, (id) => {
      this.#onWithdrawn(id)
    })
  }

  /** Requests without a reply. */
  get size(): number {
    return this.#pending.size
  }

  get bytes(): number {
    return this.#pending.bytes
  }

  /** The durations behind {@link latency}; undefined before the first reply. */
  get measured(): Latency | undefined {
    return this.#pending.measured
  }

  /** How long the peer took to reply. */
  get latency(): LatencyStats {
    return this.#pending.latency
  }

  get unknownReplies(): number {
    return this.#unknownReplies
  }

  /** Makes the message of the next request. @throws TypeError for a payload that JSON cannot express */
  message(type: string, payload: unknown): SOCMessage {
    return newSOCMessage(type, payload, { id: wire.REQUEST_ID_PREFIX + String(++this.#lastId) })
  }

  /**
   * Sends a request. The promise settles when it ends.
   *
   * @throws {IpcError} ERR_IPC_BUFFER_FULL
   */
  ask(message: SOCMessage, timeoutMs: number, signal: AbortSignal | undefined): Promise<SOCMessage> {
    const { type, id } = message
    const bytes = sizeBound(message)
    if (!this.#pending.fits(bytes)) {
      throw new IpcError(
        'ERR_IPC_BUFFER_FULL',
        `${this.#name}: ${this.#pending.size} requests (about ${this.#pending.bytes} bytes) have no reply yet; wait for some, or raise maxPendingBytes (${this.#maxBytes})`,
      )
    }
    const reply = this.#pending.add(id, type, bytes, timeoutMs, signal)
    // Not counted by the outbox: the request is counted here until its reply comes.
    const onFailure = (error: unknown): void => {
      this.#pending.fail(id, error as Error)
      this.#onEnded()
    }
    this.#outbox.post(message, onFailure, false)
    return reply
  }

  /** Handles a reply of the peer. */
  takeReply(message: SOCMessage): void {
    const reply = wire.readReply(message)
    const request = reply === undefined ? undefined : this.#pending.takeReplied(reply.request)
    if (reply === undefined || request === undefined) {
      ++this.#unknownReplies
      return
    }
    if ('message' in reply) request.resolve(reply.message)
    else request.reject(wire.remoteFailure(this.#name, request.type, reply.error))
    this.#onEnded()
  }

  /** Rejects all requests. */
  failAll(error: IpcError): void {
    this.#pending.failAll(error)
  }

  /** Stops sending cancellations, because the connection is closed. */
  stop(): void {
    this.#closed = true
  }

  #onWithdrawn(id: string): void {
    this.#onEnded()
    if (!this.#closed && !this.#outbox.full) this.#outbox.post(wire.cancellation(id), () => undefined)
  }
}
