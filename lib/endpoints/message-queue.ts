// A queue of messages to be sent, bounded in number and bytes, and the policy for dropping messages when it is full.
// Must not know connections or promises.

import { sizeBound, type SOCMessage } from '../message/message.js'
import { SOCMsgType } from '../message/type.js'

/** Default number of messages a sender holds (Go: `BufferSize`). */
export const BUFFER_SIZE = 4096
/** Default size of the messages a sender holds, in UTF-16 units of text plus bytes of buffers. */
export const DEFAULT_MAX_BYTES = 8 << 20

/**
 * What happens to a new message when the buffer is full. Only messages that are still waiting are ever dropped.
 * - `reject`: the new message is not accepted; the call that sends it fails.
 * - `drop-newest`: the new message is accepted, dropped and counted.
 * - `drop-oldest`: the oldest waiting messages are dropped to make room.
 * - `shed`: drops by priority: incidents rank highest and heartbeats lowest. The oldest messages of the lowest priority
 *   make room for a message of a higher one. If all waiting messages rank at least as high, the new one is dropped.
 */
export type OnFull = 'reject' | 'drop-oldest' | 'drop-newest' | 'shed'

/** The priority of a message type under `shed`; 0 is the lowest. */
export function priorityOf(type: string): 0 | 1 | 2 {
  return type === SOCMsgType.Incident ? 2 : type === SOCMsgType.Heartbeat ? 0 : 1
}

export const PRIORITIES = 3
/** Number of taken entries at the front at which the arrays are compacted. */
const COMPACT_AT = 1024

/** The waiting messages of one priority. */
interface Share {
  messages: number
  bytes: number
  /** From index `head` on: the places of its messages in the queue. Kept for `shed` only. */
  places: number[]
  head: number
}

/**
 * A bounded queue. A message counts towards the bounds until it is released: messages that were taken out and are being
 * sent still count, but can no longer be dropped.
 */
export class MessageQueue<Owner> {
  readonly capacity: number
  readonly maxBytes: number
  readonly onFull: OnFull
  readonly #onDropped: (message: SOCMessage, owner: Owner) => void
  /** Undefined for a message that was dropped from the middle. */
  #messages: (SOCMessage | undefined)[] = []
  #owners: Owner[] = []
  #head = 0
  /** The place of `#messages[0]`, counted since the queue was created. */
  #base = 0
  #waiting = 0
  #held = 0
  #bytes = 0
  readonly #shares: Share[] = Array.from({ length: PRIORITIES }, () => ({
    messages: 0,
    bytes: 0,
    places: [],
    head: 0,
  }))

  constructor(
    capacity: number,
    maxBytes: number,
    onFull: OnFull,
    onDropped: (message: SOCMessage, owner: Owner) => void,
  ) {
    this.capacity = capacity
    this.maxBytes = maxBytes
    this.onFull = onFull
    this.#onDropped = onDropped
  }

  /** Messages waiting, plus those taken out and not yet released. */
  get length(): number {
    return this.#waiting + this.#held
  }

  /** Messages not yet taken out. */
  get waiting(): number {
    return this.#waiting
  }

  /** Place of the oldest waiting message. Places are consecutive: each pushed message gets the next one. */
  get front(): number {
    return this.#waiting === 0 ? this.end : this.#base + this.#head
  }

  /** Place of the next message pushed. */
  get end(): number {
    return this.#base + this.#messages.length
  }

  /** Size of the messages counted by {@link length}, in UTF-16 units of text plus bytes of buffers. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether at most half of each bound is used. */
  get roomy(): boolean {
    return this.length * 2 <= this.capacity && this.#bytes * 2 <= this.maxBytes
  }

  /** Whether this many more messages and bytes fit without dropping any. */
  fits(messages: number, bytes: number): boolean {
    return this.length + messages <= this.capacity && this.#bytes + bytes <= this.maxBytes
  }

  /** Adds a message, dropping others if the policy allows it. Returns false if the queue is full. */
  push(message: SOCMessage, owner: Owner): boolean {
    const bytes = sizeBound(message)
    if (!this.fits(1, bytes) && !this.#makeRoom(bytes, message)) return false
    const rank = this.#rankOf(message)
    const share = this.#shares[rank] as Share
    ++share.messages
    share.bytes += bytes
    if (this.onFull === 'shed') share.places.push(this.#base + this.#messages.length)
    this.#messages.push(message)
    this.#owners.push(owner)
    ++this.#waiting
    this.#bytes += bytes
    return true
  }

  /** Takes out the oldest waiting message. The caller releases it later. */
  take(): SOCMessage | undefined {
    const at = this.#takeOldest()
    const message = this.#messages[at]
    if (message === undefined) return undefined
    this.#messages[at] = undefined
    this.#compact()
    return message
  }

  /** Takes out waiting messages, oldest first, until `visit` returns false. The caller releases them later. */
  takeWhile(visit: (message: SOCMessage, owner: Owner) => boolean): void {
    for (let more = true; more && this.#waiting > 0;) {
      const at = this.#takeOldest()
      const message = this.#messages[at] as SOCMessage
      this.#messages[at] = undefined
      more = visit(message, this.#owners[at] as Owner)
    }
    this.#compact()
  }

  /** Counts messages of `bytes` in total that bypass the queue as taken out. They must fit. */
  pass(messages: number, bytes: number): void {
    this.#held += messages
    this.#bytes += bytes
  }

  /** Releases messages that were taken out, of `bytes` in total. */
  release(messages: number, bytes: number): void {
    this.#held -= messages
    this.#bytes -= bytes
  }

  /** Takes out and releases all waiting messages. */
  clear(): { messages: SOCMessage[]; owners: Owner[] } {
    const messages: SOCMessage[] = []
    const owners: Owner[] = []
    this.takeWhile((message, owner) => {
      this.release(1, sizeBound(message))
      messages.push(message)
      return owners.push(owner) > 0
    })
    return { messages, owners }
  }

  /** Counts the oldest waiting message as taken out. Returns its index, or `#messages.length` if none waits. */
  #takeOldest(): number {
    if (this.#waiting === 0) return this.#messages.length
    const at = this.#firstWaiting()
    const message = this.#messages[at] as SOCMessage
    this.#uncount(message, sizeBound(message))
    ++this.#held
    this.#head = at + 1
    return at
  }

  #compact(): void {
    if (this.#head === this.#messages.length) {
      this.#base += this.#head
      this.#messages = []
      this.#owners = []
      this.#head = 0
      for (const share of this.#shares) {
        share.places = []
        share.head = 0
      }
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#messages.length) {
      this.#base += this.#head
      this.#messages = this.#messages.slice(this.#head)
      this.#owners = this.#owners.slice(this.#head)
      this.#head = 0
      if (this.onFull !== 'shed') return
      for (const share of this.#shares) {
        share.places = share.places.slice(share.head).filter((place) => place >= this.#base)
        share.head = 0
      }
    }
  }

  #rankOf(message: SOCMessage): number {
    return this.onFull === 'shed' ? priorityOf(message.type) : 0
  }

  #uncount(message: SOCMessage, bytes: number): void {
    const share = this.#shares[this.#rankOf(message)] as Share
    --share.messages
    share.bytes -= bytes
    --this.#waiting
  }

  /** Drops waiting messages until `message` of `bytes` fits. Returns false, dropping none, if it never could. */
  #makeRoom(bytes: number, message: SOCMessage): boolean {
    const below = this.onFull === 'drop-oldest' ? 1 : this.onFull === 'shed' ? this.#rankOf(message) : 0
    let messages = this.length + 1
    let left = this.#bytes + bytes
    for (const share of this.#shares.slice(0, below)) {
      messages -= share.messages
      left -= share.bytes
    }
    if (messages > this.capacity || left > this.maxBytes) return false
    for (let rank = 0; rank < below; ++rank) {
      while ((this.#shares[rank] as Share).messages > 0) {
        if (this.fits(1, bytes)) return true
        this.#dropOldest(rank)
      }
    }
    return this.fits(1, bytes)
  }

  #dropOldest(rank: number): void {
    const at = this.onFull === 'shed' ? this.#oldestOf(rank) : this.#firstWaiting()
    const message = this.#messages[at]
    if (message === undefined) return
    const owner = this.#owners[at] as Owner // read before compacting moves it
    const bytes = sizeBound(message)
    this.#messages[at] = undefined
    this.#uncount(message, bytes)
    this.#bytes -= bytes
    if (at === this.#head) {
      ++this.#head
      this.#compact()
    }
    this.#onDropped(message, owner)
  }

  #firstWaiting(): number {
    while (this.#messages[this.#head] === undefined) ++this.#head
    return this.#head
  }

  /** Index of the oldest waiting message of a rank, which must have one. */
  #oldestOf(rank: number): number {
    const share = this.#shares[rank] as Share
    for (;;) {
      const at = (share.places[share.head] as number) - this.#base
      ++share.head
      // Skip messages that were taken out meanwhile.
      if (at >= this.#head && this.#messages[at] !== undefined) return at
    }
  }
}
