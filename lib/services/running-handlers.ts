// The requests of the peer that are being handled: bounded in bytes, each with a signal that stops its handler.

import type { AbortController } from '../base/globals.js'
import { userAbortController } from '../base/user-signal.js'
import { HeldReads, type HeldRead } from '../message/held-reads.js'

/** Approximate bytes that a running handler takes besides its message. */
const OVERHEAD_BYTES = 384

/** Passed to a {@link RequestHandler} beside the request. */
export interface RequestContext {
  /** Fires when the reply is no longer wanted: the peer withdrew the request, or the connection has ended. */
  readonly signal: AbortSignal
}

/**
 * One running handler. The signal is made on first access, because most handlers never use it.
 *
 *     running ──reply──▶ finished
 *        └──cancel──▶ cancelled ──the handler returns──▶ finished, without a reply
 */
export class RunningHandler implements RequestContext {
  readonly id: string
  /** The read that its message keeps alive. */
  readonly read: HeldRead
  /** It has returned, and is not counted any more. For {@link RunningHandlers} to set. */
  finished = false
  #controller: AbortController | undefined
  #cancelled: { readonly reason: unknown } | undefined

  constructor(id: string, read: HeldRead) {
    this.id = id
    this.read = read
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = userAbortController('listener on the signal of a request')
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled.reason)
    }
    return this.#controller.signal
  }

  get cancelled(): boolean {
    return this.#cancelled !== undefined
  }

  cancel(reason: unknown): void {
    if (this.#cancelled !== undefined) return
    this.#cancelled = { reason }
    this.#controller?.abort(reason)
  }
}

/**
 * Handlers by the id of their request. A cancelled one counts until it returns: a handler that ignores its signal still
 * takes memory, and a peer could otherwise start any number of them by sending and withdrawing requests.
 */
export class RunningHandlers {
  readonly #maxBytes: number
  readonly #byId = new Map<string, RunningHandler>()
  readonly #reads = new HeldReads()
  /** The read that the requests started now came in. */
  #read = this.#reads.begin(0)

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#byId.size
  }

  /** Approximate memory of the running handlers, except what they allocate themselves. */
  get bytes(): number {
    return this.#reads.bytes + this.#byId.size * OVERHEAD_BYTES
  }

  /** Begins another run: the requests from now on belong to it, and it keeps this much memory alive. */
  beginRun(bytes: number): void {
    this.#read = this.#reads.begin(bytes)
  }

  has(id: string): boolean {
    return this.#byId.has(id)
  }

  /** Whether a handler for one more request of this run fits within the bound. A single handler always fits. */
  fits(): boolean {
    return this.#byId.size === 0 || this.bytes + this.#read.cost + OVERHEAD_BYTES <= this.#maxBytes
  }

  start(id: string): RunningHandler {
    this.#read.hold()
    const handler = new RunningHandler(id, this.#read)
    this.#byId.set(id, handler)
    return handler
  }

  finish(handler: RunningHandler): void {
    if (handler.finished) return
    handler.finished = true
    this.#byId.delete(handler.id)
    handler.read.release()
  }

  cancel(id: string, reason: unknown): void {
    this.#byId.get(id)?.cancel(reason)
  }

  cancelAll(reason: unknown): void {
    for (const handler of [...this.#byId.values()]) handler.cancel(reason)
  }
}
