// The requests of one endpoint that have no reply yet: bounded in bytes, each with a deadline and a signal that
// withdraw it.

import { offAbort, onAbort } from '../base/abort.js'
import { abortedError, IpcError } from '../base/errors.js'
import { monotonicMs } from '../base/globals.js'
import type { SOCMessage } from '../message/message.js'
import { Latency, type LatencyStats } from '../observe/latency.js'
import { Deadlines, type Timed } from './deadlines.js'

/** Approximate bytes that a pending request takes besides its message. */
const OVERHEAD_BYTES = 256

const NONE: LatencyStats = { count: 0, p50: 0, p99: 0, max: 0 }

/** One request without a reply. */
interface PendingRequest extends Timed {
  readonly id: string
  readonly type: string
  readonly bytes: number
  readonly sentMs: number
  readonly timeoutMs: number
  readonly resolve: (reply: SOCMessage) => void
  readonly reject: (error: Error) => void
  readonly signal: AbortSignal | undefined
  readonly onAborted: (() => void) | undefined
}

/** Requests by id. Each ends once: with a reply, an error, its deadline or its signal. */
export class PendingRequests {
  readonly #name: string
  readonly #maxBytes: number
  readonly #onWithdrawn: (id: string) => void
  readonly #byId = new Map<string, PendingRequest>()
  readonly #deadlines = new Deadlines<PendingRequest>((late) => {
    this.#withdraw(
      late,
      new IpcError(
        'ERR_IPC_TIMEOUT',
        `${this.#name}: the peer did not reply to ${late.type} within ${late.timeoutMs} ms`,
      ),
    )
  })

  #bytes = 0
  #latency: Latency | undefined

  /** @param onWithdrawn called after a request was withdrawn by its deadline or signal, to tell the peer */
  constructor(name: string, maxBytes: number, onWithdrawn: (id: string) => void) {
    this.#name = name
    this.#maxBytes = maxBytes
    this.#onWithdrawn = onWithdrawn
  }

  get size(): number {
    return this.#byId.size
  }

  /** The durations behind {@link latency}; undefined before the first reply. */
  get measured(): Latency | undefined {
    return this.#latency
  }

  /** How long replies took. */
  get latency(): LatencyStats {
    return this.#latency?.stats ?? NONE
  }

  /** Approximate memory of the pending requests. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a request of this many bytes fits within the bound. A single request always fits. */
  fits(messageBytes: number): boolean {
    return this.#byId.size === 0 || this.#bytes + messageBytes + OVERHEAD_BYTES <= this.#maxBytes
  }

  /** Adds a request; the promise settles when it ends. */
  add(
    id: string,
    type: string,
    messageBytes: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<SOCMessage> {
    const sentMs = monotonicMs()
    return new Promise((resolve, reject) => {
      const request: PendingRequest = {
        heapAt: -1,
        deadlineMs: sentMs + timeoutMs,
        sentMs,
        id,
        type,
        bytes: messageBytes + OVERHEAD_BYTES,
        timeoutMs,
        resolve,
        reject,
        signal,
        onAborted:
          signal === undefined
            ? undefined
            : () => {
                this.#withdraw(request, abortedError(signal, `${this.#name}: request ${type}`))
              },
      }
      this.#byId.set(id, request)
      this.#bytes += request.bytes
      this.#deadlines.add(request)
      if (signal !== undefined && request.onAborted !== undefined) onAbort(signal, request.onAborted)
    })
  }

  /** Removes and returns a request that was replied to; undefined if there is none with this id. */
  takeReplied(id: string): PendingRequest | undefined {
    const request = this.take(id)
    if (request !== undefined) (this.#latency ??= new Latency()).add(monotonicMs() - request.sentMs)
    return request
  }

  /** Removes and returns a request; undefined if there is none with this id. */
  take(id: string): PendingRequest | undefined {
    const request = this.#byId.get(id)
    if (request !== undefined) this.#remove(request)
    return request
  }

  /** Rejects a request, if it has not ended. */
  fail(id: string, error: Error): void {
    this.take(id)?.reject(error)
  }

  /** Rejects all requests. */
  failAll(error: Error): void {
    const all = [...this.#byId.values()]
    this.#byId.clear()
    this.#deadlines.clear()
    this.#bytes = 0
    for (const { signal, onAborted, reject } of all) {
      if (signal !== undefined && onAborted !== undefined) offAbort(signal, onAborted)
      reject(error)
    }
  }

  #withdraw(request: PendingRequest, error: Error): void {
    this.#remove(request)
    request.reject(error)
    this.#onWithdrawn(request.id)
  }

  #remove(request: PendingRequest): void {
    this.#byId.delete(request.id)
    this.#bytes -= request.bytes
    this.#deadlines.remove(request)
    if (request.signal !== undefined && request.onAborted !== undefined) {
      offAbort(request.signal, request.onAborted)
    }
  }
}
