// The SOC message: what it holds, and how it becomes a line. How new ones are made: new-message.ts; how received ones
// are: frame-decoder.ts. Must not know sockets.

import { inspect, type InspectOptions } from 'node:util'

import { closeFrame, openFrame, type Frame } from './envelope.js'
import { WHOLE_FRAME, LayoutWord } from '../binding/frame-layout.js'
import { STAMPED_ID_LENGTH, type Millisecond } from './id.js'
import { detached, parsePayload } from './payload.js'
import type { PeerIdentity } from '../peer/peer.js'
import type { ReadPage } from './page.js'

/** How large a frame is beside its payload, when so many characters are in its type and id: each may become an escape of six. */
export function sizeAround(characters: number): number {
  return characters * 6 + FRAME_OVERHEAD
}

const UNPARSED = Symbol('unparsed')
/** Keys, quotes, a timestamp of at most 17 characters and the newline. */
const FRAME_OVERHEAD = 64

/** What is known of a message beforehand. */
export const MessageFlag = {
  /** Its line is byte for byte what {@link frameOf} would make, and stands on a page. */
  canonical: 1,
  /** The bytes of its line are ASCII, so that its page can be cut as text. */
  ascii: 2,
  /** Its payload is known to be valid JSON on one line. */
  checked: 4,
  /** No name in its payload can be `__proto__`. */
  plainNames: 8,
} as const

/** Settles the messages that an `AcknowledgingReceiver` handed out. One object serves many messages. */
export interface Delivery {
  release(message: SOCMessage, delayMs: number): void
  reject(message: SOCMessage, reason: string): void
  deliveriesOf(message: SOCMessage): number
}

/** What messages share that were made within the same millisecond: the start of their ids. */
export interface Stamp extends Millisecond {
  readonly type: string
  readonly typeCode: number
}
// Set by the static block of SOCMessage, which alone can reach its private fields.
/**
 * Makes a message from parts of a page or of a text. Positional and without defaults, because one is made for each line
 * received. `id` undefined: cut from the page when asked for. Equal payload positions: no payload.
 */
export let messageFromParts: (
  type: string,
  id: string | undefined,
  timestamp: number,
  page: ReadPage | undefined,
  text: string,
  lineStart: number,
  idStart: number,
  idEnd: number,
  payloadStart: number,
  payloadEnd: number,
  flags: number,
  peer: PeerIdentity | undefined,
  size: number,
) => SOCMessage
/** Makes a message of our own with an id of our own. */
export let stampedMessage: (
  stamp: Stamp,
  sequence: number,
  timestamp: number,
  page: ReadPage | undefined,
  text: string,
  payloadEnd: number,
  flags: number,
) => SOCMessage
/** The message as a line with its newline. Keys in the order type, id, ts, payload. */
export let frameOf: (message: SOCMessage) => Frame
/**
 * Where the frame stands ready in the bytes of a read, as `[start, end)`: start, or -1 when it does not. Messages that came
 * one after the other stand one after the other there.
 */
export let readyFrameStart: (message: SOCMessage) => number
export let readyFrameEnd: (message: SOCMessage) => number
export let readyFrameBytes: (message: SOCMessage) => Buffer
/**
 * Describes the frame in the words at `at`, if a payload's text and a few numbers are all it takes (see
 * {@link LayoutWord}); answers that text, or undefined if the frame must be given whole.
 */
export let describeFrame: (message: SOCMessage, words: Int32Array, at: number) => string | undefined
/** Whether the payload is known to be valid JSON on one line. */
export let isChecked: (message: SOCMessage) => boolean
/**
 * About how large the frame is, in UTF-16 units and bytes of buffers; never less than it is, nor, of a received message, than
 * the line that it holds. Never changes.
 */
export let sizeBound: (message: SOCMessage) => number

/** Says who settles a received message. */
export let bindDelivery: (message: SOCMessage, delivery: Delivery) => void
/** The same received message as an object of its own, to be settled for itself. */
export let copyOf: (message: SOCMessage) => SOCMessage
/** Who settles a message. */
export let deliveryOf: (message: SOCMessage) => Delivery | undefined

/**
 * One message (Go: `SOCMessage`). Immutable. Made by {@link newSOCMessage}, or by a `Receiver`.
 *
 * A received message cuts its parts from what came with it when they are first asked for, and keeps the bytes of that read
 * alive as long as it lives, at most 116 KiB and a line. What `rawPayload` gives keeps a page of 4 KiB, or
 * its own line. To keep many messages for long, keep what you need of them instead.
 */
export class SOCMessage<T = unknown> {
  /** What kind of message it is: a {@link SOCMsgType} or any other text that is not empty. */
  readonly type: string
  /** Unix time in whole seconds (Go: `ts`); 0 when the line had none. */
  readonly timestamp: number
  /** Who sent it, as the kernel told at the connection: nothing that the sender wrote. Undefined on messages of our own. */
  readonly peer: PeerIdentity | undefined
  /** Cut from the text, or put together from the stamp, when asked for. */
  #id: string | undefined
  readonly #stamp: Stamp | undefined
  #value: unknown = UNPARSED
  /** Holds the line, or the payload alone on a message of our own; otherwise the text does. */
  readonly #page: ReadPage | undefined
  readonly #text: string
  readonly #lineStart: number
  /** With a stamp: the digits of the id that follow it. */
  readonly #idStart: number
  readonly #idEnd: number
  readonly #payloadStart: number
  readonly #payloadEnd: number
  readonly #flags: number
  readonly #size: number
  #delivery: Delivery | undefined = undefined

  private constructor(
    type: string,
    id: string | undefined,
    stamp: Stamp | undefined,
    timestamp: number,
    page: ReadPage | undefined,
    text: string,
    lineStart: number,
    idStart: number,
    idEnd: number,
    payloadStart: number,
    payloadEnd: number,
    flags: number,
    peer: PeerIdentity | undefined,
    size: number,
  ) {
    this.type = type
    this.timestamp = timestamp
    this.peer = peer
    this.#id = id
    this.#stamp = stamp
    this.#page = page
    this.#text = text
    this.#lineStart = lineStart
    this.#idStart = idStart
    this.#idEnd = idEnd
    this.#payloadStart = payloadStart
    this.#payloadEnd = payloadEnd
    this.#flags = flags
    this.#size = size
  }

  static {
    messageFromParts = (
      type,
      id,
      timestamp,
      page,
      text,
      line,
      idStart,
      idEnd,
      start,
      end,
      flags,
      peer,
      size,
    ) =>
      new SOCMessage(
        type,
        id,
        undefined,
        timestamp,
        page,
        text,
        line,
        idStart,
        idEnd,
        start,
        end,
        flags,
        peer,
        size,
      )
    stampedMessage = (stamp, sequence, timestamp, page, text, payloadEnd, flags) =>
      new SOCMessage(
        stamp.type,
        undefined,
        stamp,
        timestamp,
        page,
        text,
        0,
        sequence,
        sequence,
        0,
        payloadEnd,
        flags,
        undefined,
        payloadEnd + sizeAround(stamp.type.length + STAMPED_ID_LENGTH),
      )
    frameOf = (message) => message.#frame()
    readyFrameStart = (message) => ((message.#flags & MessageFlag.canonical) !== 0 ? message.#lineStart : -1)
    readyFrameEnd = (message) => message.#payloadEnd + 2
    readyFrameBytes = (message) => (message.#page as ReadPage).bytes
    describeFrame = (message, words, at) => {
      const stamp = message.#stamp
      const { timestamp } = message
      if (
        stamp === undefined ||
        stamp.typeCode === WHOLE_FRAME ||
        message.#page !== undefined ||
        message.#payloadEnd === 0
      ) {
        return undefined
      }
      words[at + LayoutWord.units] = message.#payloadEnd
      words[at + LayoutWord.type] = stamp.typeCode
      words[at + LayoutWord.idMillions] = stamp.millions
      words[at + LayoutWord.idRest] = stamp.rest
      words[at + LayoutWord.idSequence] = message.#idStart
      words[at + LayoutWord.timestamp] = timestamp
      return message.#text
    }
    isChecked = (message) => (message.#flags & MessageFlag.checked) !== 0
    sizeBound = (message) => message.#size
    bindDelivery = (message, delivery) => {
      message.#delivery = delivery
    }
    deliveryOf = (message) => message.#delivery
    copyOf = (message) =>
      new SOCMessage(
        message.type,
        message.#id,
        message.#stamp,
        message.timestamp,
        message.#page,
        message.#text,
        message.#lineStart,
        message.#idStart,
        message.#idEnd,
        message.#payloadStart,
        message.#payloadEnd,
        message.#flags,
        message.peer,
        message.#size,
      )
  }

  /** The sender's id for it; '' when the line had none. By default decimal Unix nanoseconds. */
  get id(): string {
    return (this.#id ??= this.#stamp === undefined ? this.#cutId() : this.#stamp.text + String(this.#idStart))
  }

  #cutId(): string {
    const id = this.#slice(this.#idStart, this.#idEnd)
    // Ids are what people keep, and one must not keep its page.
    return (this.#flags & MessageFlag.ascii) === 0 ? id : detached(id)
  }

  /**
   * The payload as a value: `JSON.parse` of {@link rawPayload}, done when first asked for; undefined when there is none.
   * A key `__proto__` is an own property that is not enumerable, so that copying the value never changes a prototype.
   *
   * @throws SyntaxError only on a message of our own made with {@link rawJSON} from something that is not JSON
   */
  get payload(): T {
    if (this.#value === UNPARSED) {
      const text = this.rawPayload
      if (text === undefined) this.#value = undefined
      else this.#value = (this.#flags & MessageFlag.plainNames) !== 0 ? JSON.parse(text) : parsePayload(text)
    }
    return this.#value as T
  }

  /** The payload's text exactly as it was received or will be sent; undefined when there is none. */
  get rawPayload(): string | undefined {
    if (this.#payloadStart === this.#payloadEnd) return undefined
    return this.#slice(this.#payloadStart, this.#payloadEnd)
  }

  /**
   * How many times this message has been handed out by an `AcknowledgingReceiver`, this time included; 1 for any other
   * message.
   */
  get deliveries(): number {
    return this.#delivery?.deliveriesOf(this) ?? 1
  }

  /**
   * Gives a message back that an `AcknowledgingReceiver` handed out: it is handed out again, at the earliest in `delayMs`
   * milliseconds (default 0). Does nothing if the message is settled already.
   *
   * @throws TypeError for a message that is not from an `AcknowledgingReceiver`; RangeError for an invalid delay
   */
  release(options: { readonly delayMs?: number } = {}): void {
    const { delayMs = 0 } = options
    if (!(delayMs >= 0)) throw new RangeError('release: delayMs must be 0 or more')
    this.#settleable('release').release(this, delayMs)
  }

  /**
   * Refuses a message that an `AcknowledgingReceiver` handed out, for good: its sender hears `rejected` and the reason, of
   * which at most 128 characters. Does nothing if the message is settled already.
   *
   * @param reason default `rejected`
   * @throws TypeError for a message that is not from an `AcknowledgingReceiver`
   */
  reject(reason = 'rejected'): void {
    this.#settleable('reject').reject(this, reason)
  }

  #settleable(what: string): Delivery {
    if (this.#delivery !== undefined) return this.#delivery
    throw new TypeError(`${what}: the message was not handed out by an AcknowledgingReceiver`)
  }

  #slice(start: number, end: number): string {
    if (this.#page === undefined) return this.#text.slice(start, end)
    return (this.#flags & MessageFlag.ascii) === 0
      ? this.#page.utf8(start, end)
      : this.#page.ascii(start, end)
  }

  #frame(): Frame {
    // What the gate found to be exactly what follows here is passed on as it came.
    if ((this.#flags & MessageFlag.canonical) !== 0)
      return this.#slice(this.#lineStart, this.#payloadEnd) + '}\n'
    const head = openFrame(this.type, this.id, this.timestamp)
    if (this.#payloadStart === this.#payloadEnd) return closeFrame(head, undefined)
    return closeFrame(
      head,
      this.#page === undefined
        ? this.#text.slice(this.#payloadStart, this.#payloadEnd)
        : this.#page.bytes.subarray(this.#payloadStart, this.#payloadEnd),
    )
  }

  /** What `JSON.stringify` writes: the same keys as on the wire. */
  toJSON(): { type: string; id?: string; ts: number; payload?: T } {
    return {
      type: this.type,
      ...(this.id !== '' && { id: this.id }),
      ts: this.timestamp,
      ...(this.payload !== undefined && { payload: this.payload }),
    }
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `SOCMessage ${inspect(this.toJSON(), options)}`
  }
}
