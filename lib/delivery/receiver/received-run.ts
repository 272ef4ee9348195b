// Messages that were read together, and the state of each of them. Must not know connections.
//
//     waiting ──> in hand ──> done (accepted, rejected, or released: then a copy waits, or the sender sends it again)
//        └──────────────────────^  (known already, or thrown away)

import type { HeldRead } from '../../message/held-reads.js'
import { bindDelivery, type Delivery, type SOCMessage } from '../../message/message.js'

const IN_HAND = 1
const DONE = 2

/** Settles the messages of runs. */
export interface Settler {
  release(run: ReceivedRun, index: number, delayMs: number): void
  reject(run: ReceivedRun, index: number, reason: string): void
}

/** Optional data of a run besides its messages. */
interface RunExtras {
  /** The keys of its messages, if the receiver orders by key. */
  readonly keys?: readonly (string | undefined)[] | undefined
  /** The read whose memory its messages keep alive. */
  readonly read?: HeldRead | undefined
}

export class ReceivedRun implements Delivery {
  /** Private to this object: the application gets copies of the array. */
  readonly messages: readonly SOCMessage[]
  /** Number of the first message; the others follow. 0: the sender does not number them. */
  readonly first: number
  /** Bytes of the lines. */
  readonly bytes: number
  /** The read that its messages keep alive, until all of them are done. */
  readonly read: HeldRead | undefined
  readonly #settler: Settler
  /** The keys by which the messages are ordered; undefined if they are not. */
  readonly #keys: readonly (string | undefined)[] | undefined
  /**
   * The state of each message. Undefined while messages are handed out and finished in their order, as in most runs:
   * then those before `#doneEnd` are done, and the others before `#handedEnd` are in hand.
   */
  #states: Uint8Array | undefined
  #doneEnd = 0
  #handedEnd = 0
  /** By index: how many times a message was handed out, if not once. */
  #deliveries: Map<number, number> | undefined
  /** Index of the next message to be processed. */
  next = 0
  #left: number
  #searchFrom = 0
  /** Whether a message was settled individually, so that a range must be checked message by message. */
  #mixed = false

  constructor(
    settler: Settler,
    messages: readonly SOCMessage[],
    first: number,
    bytes: number,
    { keys, read }: RunExtras = {},
  ) {
    this.#settler = settler
    this.#keys = keys
    this.messages = messages
    this.first = first
    this.bytes = bytes
    this.read = read
    read?.hold()
    this.#left = messages.length
    // Read once: in the bundle for require(), that is a call.
    const bind = bindDelivery
    for (const message of messages) bind(message, this)
  }

  get count(): number {
    return this.messages.length
  }

  /** Number of messages that are not done. */
  get left(): number {
    return this.#left
  }

  /** Whether this object settles the messages. */
  isOf(settler: Settler): boolean {
    return this.#settler === settler
  }

  get isNumbered(): boolean {
    return this.first !== 0
  }

  /** The size that one of the messages counts for in bounds. */
  get bytesEach(): number {
    return this.bytes / this.messages.length
  }

  keyAt(index: number): string | undefined {
    return this.#keys?.[index]
  }

  isInHand(index: number): boolean {
    if (this.#states !== undefined) return this.#states[index] === IN_HAND
    return this.#doneEnd <= index && index < this.#handedEnd
  }

  handOut(begin: number, end: number): void {
    if (this.#states === undefined && begin === this.#handedEnd) this.#handedEnd = end
    else this.#eachState().fill(IN_HAND, begin, end)
  }

  noteDeliveries(index: number, deliveries: number): void {
    if (deliveries > 1) (this.#deliveries ??= new Map<number, number>()).set(index, deliveries)
  }

  deliveriesAt(index: number): number {
    return this.#deliveries?.get(index) ?? 1
  }

  /** Notes that messages were settled apart from the range in which they were handed out. */
  noteSettledApart(): void {
    this.#mixed = true
  }

  /** Marks a single message as done. */
  finishOne(index: number): void {
    this.#mixed = true
    this.#eachState()[index] = DONE
    this.#done(1)
  }

  /** Marks the messages of [begin, end) that are in hand as done; calls `onFinished` with each stretch of them. */
  finish(begin: number, end: number, onFinished: (begin: number, end: number) => void): void {
    if (!this.#mixed) {
      const inOrder = begin === this.#doneEnd && end <= this.#handedEnd
      if (this.#states === undefined && inOrder) this.#doneEnd = end
      else this.#eachState().fill(DONE, begin, end)
      this.#done(end - begin)
      onFinished(begin, end)
      return
    }
    const states = this.#eachState()
    for (let at = begin; at < end; ++at) {
      const start = at
      while (at < end && states[at] === IN_HAND) states[at++] = DONE
      if (at === start) continue
      this.#done(at - start)
      onFinished(start, at)
    }
  }

  #done(messages: number): void {
    this.#left -= messages
    if (this.#left === 0) this.read?.release()
  }

  /** Indexes of the messages in hand. */
  *inHand(): Iterable<number> {
    for (let index = 0; index < this.next; ++index) if (this.isInHand(index)) yield index
  }

  /** Returns the state of each message, kept one by one from now on. */
  #eachState(): Uint8Array {
    return (this.#states ??= new Uint8Array(this.count)
      .fill(DONE, 0, this.#doneEnd)
      .fill(IN_HAND, this.#doneEnd, this.#handedEnd))
  }

  /** Returns the index of a message; -1 for a message of another run. */
  indexOf(message: SOCMessage): number {
    // Messages are mostly settled in their order, and one may be looked up several times.
    const found = this.messages.indexOf(message, this.#searchFrom)
    const index = found >= 0 ? found : this.messages.indexOf(message)
    this.#searchFrom = Math.max(index, 0)
    return index
  }

  release(message: SOCMessage, delayMs: number): void {
    const index = this.indexOf(message)
    if (this.isInHand(index)) this.#settler.release(this, index, delayMs)
  }

  reject(message: SOCMessage, reason: string): void {
    const index = this.indexOf(message)
    if (this.isInHand(index)) this.#settler.reject(this, index, reason)
  }

  deliveriesOf(message: SOCMessage): number {
    return this.deliveriesAt(this.indexOf(message))
  }
}
