// Messages that wait to be sent, bounded in number and bytes, and the rule for what goes when there is no room.
// Must not know connections or promises.

import { sizeBound, type SOCMessage } from '../message/message.js'
import { SOCMsgType } from '../message/type.js'

/** Messages that a sender holds (Go: `BufferSize`). */
export const BUFFER_SIZE = 4096
/** What the messages that a sender holds may come to, in UTF-16 units of text and bytes of buffers. */
export const DEFAULT_MAX_BYTES = 8 << 20

/**
 * What happens to a message when the buffer is full. It concerns only what was not sent yet.
 * - `reject`: the new message is not taken, and its sender is told.
 * - `drop-newest`: the new message is taken, dropped and counted.
 * - `drop-oldest`: the oldest waiting messages make room.
 * - `shed`: incidents before everything else before heartbeats: the oldest of the least important ones make room for a
 *   more important one. Among equals the earlier ones stay, and the new one is dropped.
 */
export type OnFull = 'reject' | 'drop-oldest' | 'drop-newest' | 'shed'

const POLICIES: readonly string[] = ['reject', 'drop-oldest', 'drop-newest', 'shed']

/** A rule for a full buffer, checked. */
export function checkOnFull(onFull: OnFull | undefined): OnFull {
  const policy = onFull ?? 'reject'
  if (!POLICIES.includes(policy)) throw new TypeError(`onFull must be one of ${POLICIES.join(', ')}`)
  return policy
}

/** A limit, checked. */
export function checkLimit(what: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${what} must be a whole number from 1`)
  return value
}

/** How important a type of message is, from 0. */
export function priorityOf(type: string): 0 | 1 | 2 {
  return type === SOCMsgType.Incident ? 2 : type === SOCMsgType.Heartbeat ? 0 : 1
}

export const PRIORITIES = 3
/** Taken entries at the front are cut off once they are this many. */
const COMPACT_AT = 1024

/** Counts and bytes of what waits. */
interface Share {
  messages: number
  bytes: number
  /** Places of its messages in the queue from `head` on. Kept for `shed` only. */
  places: number[]
  head: number
}

/**
 * A bounded queue. A message belongs to it until it is released: what was taken out and is still under way counts for the
 * bounds too, but is not dropped any more.
 */
export class MessageQueue<Owner> {
  readonly capacity: number
  readonly maxBytes: number
  readonly onFull: OnFull
  readonly #onDropped: (message: SOCMessage, owner: Owner) => void
  /** Undefined: it was dropped from the middle. */
  #messages: (SOCMessage | undefined)[] = []
  #owners: Owner[] = []
  #head = 0
  /** Place of #messages[0] since the beginning. */
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

  /** Messages in it and taken out, but not released. */
  get length(): number {
    return this.#waiting + this.#held
  }

  /** Messages that nobody has taken. */
  get waiting(): number {
    return this.#waiting
  }

  /** Place of the oldest waiting message. Each message pushed has a place one above the one before it. */
  get front(): number {
    return this.#waiting === 0 ? this.end : this.#base + this.#head
  }

  /** Place of the next message pushed. */
  get end(): number {
    return this.#base + this.#messages.length
  }

  /** What {@link length} comes to, in UTF-16 units of text and bytes of buffers. */
  get bytes(): number {
    return this.#bytes
  }

  /** At most half of the bounds is used. */
  get roomy(): boolean {
    return this.length * 2 <= this.capacity && this.#bytes * 2 <= this.maxBytes
  }

  /** Whether so much more would be taken without any drop. */
  fits(messages: number, bytes: number): boolean {
    return this.length + messages <= this.capacity && this.#bytes + bytes <= this.maxBytes
  }

  /** Takes a message in; others may be dropped for it. False: there is no room for it. */
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

  /** The oldest waiting message, to be released later. */
  take(): SOCMessage | undefined {
    const at = this.#takeOldest()
    const message = this.#messages[at]
    if (message === undefined) return undefined
    this.#messages[at] = undefined
    this.#compact()
    return message
  }

  /** Takes out waiting messages, oldest first, to be released later, until `visit` answers that this was the last one. */
  takeWhile(visit: (message: SOCMessage, owner: Owner) => boolean): void {
    for (let more = true; more && this.#waiting > 0;) {
      const at = this.#takeOldest()
      const message = this.#messages[at] as SOCMessage
      this.#messages[at] = undefined
      more = visit(message, this.#owners[at] as Owner)
    }
    this.#compact()
  }

  /** Counts messages that come to so many bytes as taken out at once, without ever waiting. They must fit. */
  pass(messages: number, bytes: number): void {
    this.#held += messages
    this.#bytes += bytes
  }

  /** Messages that were taken out, and come to so many bytes, are done with. */
  release(messages: number, bytes: number): void {
    this.#held -= messages
    this.#bytes -= bytes
  }

  /** Takes everything out for good. */
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

  /** Counts the oldest waiting message as taken out; answers where it is, or where the next one would be. */
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

  /** Drops waiting messages until so many bytes fit, if that is possible at all. */
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
    const owner = this.#owners[at] as Owner // before compacting moves it
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

  /** Index of the oldest waiting message of a rank that has some. */
  #oldestOf(rank: number): number {
    const share = this.#shares[rank] as Share
    for (;;) {
      const at = (share.places[share.head] as number) - this.#base
      ++share.head
      // What was taken meanwhile is passed over.
      if (at >= this.#head && this.#messages[at] !== undefined) return at
    }
  }
}
