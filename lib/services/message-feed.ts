// The messages of an endpoint that are neither requests nor replies, queued until the application reads them.

import { Fifo } from '../base/fifo.js'
import { inputOf, type Connection } from '../connection/connection.js'
import { HeldReads, type HeldRead } from '../message/held-reads.js'
import type { SOCMessage } from '../message/message.js'

type Result = IteratorResult<SOCMessage, undefined>

interface Kept {
  readonly message: SOCMessage
  readonly read: HeldRead
}

/** Approximate bytes that a queued message takes besides its line. */
const OVERHEAD_BYTES = 192

const END: Result = { value: undefined, done: true }

/**
 * Whether the application reads.
 *
 *     unread ──next()──▶ read ──return(), the loop is left──▶ unread
 *        └────────────────┴──the stream ends──▶ ended
 */
type FeedState = 'unread' | 'read' | 'ended'

/** A queue with one end for the endpoint and an iterator for the application. */
export class MessageFeed implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** Name and connection of the endpoint, which `validated` puts into errors and audit events. */
  readonly name: string
  readonly connection: Connection
  readonly #maxBytes: number
  readonly #onTaken: () => void
  #state: FeedState = 'unread'
  #failure: Error | undefined
  readonly #messages = new Fifo<Kept>()
  readonly #reads = new HeldReads()
  /** The read that the messages pushed now came in. */
  #read = this.#reads.begin(0)
  #dropped = 0
  #waiting: { readonly resolve: (result: Result) => void; readonly reject: (error: Error) => void }[] = []

  /** @param onTaken called when a message was taken, or messages are no longer read */
  constructor(name: string, connection: Connection, maxBytes: number, onTaken: () => void) {
    this.name = name
    this.connection = connection
    this.#maxBytes = maxBytes
    this.#onTaken = onTaken
  }

  /** Whether the application does not read, so that excess messages are dropped instead of waited for. */
  get unread(): boolean {
    return this.#state === 'unread'
  }

  /**
   * Messages dropped while the application did not read, because the queue or the account of the peer's user was full.
   */
  get dropped(): number {
    return this.#dropped
  }

  /** Approximate memory of the queued messages and of the reads that they keep alive. */
  get bytes(): number {
    return this.#reads.bytes + this.#messages.length * OVERHEAD_BYTES
  }

  /** Whether the application reads too slowly, so that the endpoint should stop reading the connection. */
  get full(): boolean {
    return this.#state === 'read' && this.bytes >= this.#maxBytes
  }

  /** Begins another run: the messages pushed from now on belong to it, and it keeps this much memory alive. */
  beginRun(bytes: number): void {
    this.#read = this.#reads.begin(bytes)
  }

  push(message: SOCMessage): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ value: message, done: false })
    } else if (this.#state === 'unread' && (this.bytes >= this.#maxBytes || this.#crowded)) {
      ++this.#dropped
    } else {
      this.#read.hold()
      this.#messages.push({ message, read: this.#read })
    }
  }

  /** Whether the account of the peer's user is full. */
  get #crowded(): boolean {
    return inputOf(this.connection)?.crowded === true
  }

  /** Ends the feed: queued messages are handed out first, then `failure`, once. */
  end(failure: Error | undefined): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    const [first, ...others] = this.#waiting
    this.#waiting = []
    if (first === undefined) this.#failure = failure
    else if (failure === undefined) first.resolve(END)
    else first.reject(failure)
    for (const { resolve } of others) resolve(END)
  }

  next(): Promise<Result> {
    if (this.#state === 'unread') this.#state = 'read'
    const message = this.#shift()
    if (message !== undefined) {
      return Promise.resolve({ value: message, done: false })
    }
    if (this.#state === 'ended') {
      const failure = this.#failure
      this.#failure = undefined
      return failure === undefined ? Promise.resolve(END) : Promise.reject(failure)
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Leaves the loop. The endpoint stays open; a new loop goes on with the next message. */
  return(): Promise<Result> {
    if (this.#state === 'read') this.#state = 'unread'
    this.#onTaken()
    return Promise.resolve(END)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #shift(): SOCMessage | undefined {
    const kept = this.#messages.shift()
    if (kept === undefined) return undefined
    kept.read.release()
    this.#onTaken()
    return kept.message
  }
}
