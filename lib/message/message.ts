// The SOC message: its parts, and how it becomes a line. new-message.ts makes new messages; wire/record-decoder.ts
// makes messages of received lines. Must not know sockets.

import { inspect, type InspectOptions } from 'node:util'

import { parsePlainNames } from '../base/json.js'
import { WHOLE_FRAME, LayoutWord } from '../binding/abi.js'
import type { PeerIdentity } from '../peer/peer.js'
import { NOT_CLONEABLE, SOC_MESSAGE } from './brand.js'
import { closeFrame, openFrame, PAYLOAD_KEY, type Frame } from './envelope.js'
import { parseExact } from './exact-integers.js'
import { STAMPED_ID_LENGTH } from './id.js'
import { checkPointer, valueAt } from './json-pointer.js'
import { metaText, NO_META, readMeta, type MadeMeta, type Meta } from './meta.js'
import { ReadPage } from './page.js'
import { bytesOfLine, MessageFlag, metaStamp, sizeAround, type NamedOrigin, type Stamp } from './parts.js'
import { detached, parsePayload } from './payload.js'
import { NOT_PLAIN, plainScalar } from './scalar.js'

const UNPARSED = Symbol('unparsed')

/** Settles the messages that an `AcknowledgingReceiver` handed out. One object serves many messages. */
export interface Delivery {
  release(message: SOCMessage, delayMs: number): void
  reject(message: SOCMessage, reason: string): void
  deliveriesOf(message: SOCMessage): number
}

// The following functions are set by the static block of SOCMessage, which alone can access its private fields. For
// this package only.
/**
 * Makes a message from the parts of a line on a page. Positional, because it is called for every line received. `id` is
 * undefined if it is sliced from the page when needed. Equal payload positions mean that there is no payload.
 */
export let received: (
  type: string,
  id: string | undefined,
  timestamp: number,
  page: ReadPage,
  lineStart: number,
  idStart: number,
  idEnd: number,
  payloadStart: number,
  payloadEnd: number,
  flags: number,
  peer: PeerIdentity,
  size: number,
) => SOCMessage
/** Makes a message of this process. `sequence` is the end of its id if its origin is a stamp; otherwise 0. */
export let composed: (
  origin: Stamp | NamedOrigin,
  sequence: number,
  timestamp: number,
  content: string | Buffer,
  flags: number,
) => SOCMessage
/** The message as a line with its newline. The keys are in the order type, id, ts, payload. */
export let frameOf: (message: SOCMessage) => Frame
/**
 * Where the finished frame stands in the bytes of a read, as `[start, end)`; start is -1 if there is none. Messages
 * that arrived one after the other stand one after the other there.
 */
export let readyFrameStart: (message: SOCMessage) => number
export let readyFrameEnd: (message: SOCMessage) => number
export let readyFrameBytes: (message: SOCMessage) => Buffer
/**
 * Describes the frame in the words at `at` (see {@link LayoutWord}) and returns the payload's text. Returns undefined
 * if the frame must be laid out whole, with {@link frameOf}.
 */
export let describeFrame: (message: SOCMessage, words: Int32Array, at: number) => string | undefined
/** Whether the payload is known to be valid JSON on one line. */
export let isChecked: (message: SOCMessage) => boolean
/** The flag {@link MessageFlag.exactIntegers} of a message, or 0. */
export let exactIntegersOf: (message: SOCMessage) => number
/**
 * An upper bound of the frame's size, in UTF-16 units and bytes of buffers; for a received message, of the line that it
 * keeps alive too. It never changes.
 */
export let sizeBound: (message: SOCMessage) => number
/**
 * Returns the memory that a received message keeps alive, shared with the other messages of its read; 0 for a message
 * of this process.
 */
export let keptBytes: (message: SOCMessage) => number

/** Sets the object that settles a received message. */
export let bindDelivery: (message: SOCMessage, delivery: Delivery) => void
/** Returns a second object for the same received message. The two are settled independently. */
export let copyOf: (message: SOCMessage) => SOCMessage
/** Returns the object that settles a message; undefined for a message that is not acknowledged. */
export let deliveryOf: (message: SOCMessage) => Delivery | undefined

/**
 * One message (Go: `SOCMessage`). Immutable. Made by {@link newSOCMessage}, or by a `Receiver`.
 *
 * A received message cuts its parts out of the read that it came with when they are first asked for. It keeps the bytes
 * of that read alive as long as it lives: at most 116 KiB and one line. A string from `rawPayload` keeps a page of 4
 * KiB alive, or its own line if that is longer. To keep many messages for long, copy what you need out of them.
 *
 * Clone or compare the value of {@link SOCMessage.toJSON}: `structuredClone` and `postMessage` refuse a message with a
 * DataCloneError, and `assert.deepStrictEqual` sees its type, timestamp and peer only.
 */
export class SOCMessage<T = unknown> {
  /** The kind of message: a {@link SOCMsgType} or any other string that is not empty. */
  readonly type: string
  /** Unix time in whole seconds (Go: `ts`); 0 if the line had none. */
  readonly timestamp: number
  /**
   * The process that sent the message, as the kernel reported it when the connection was made. Never taken from the
   * line itself. Undefined for messages made in this process.
   */
  readonly peer: PeerIdentity | undefined
  /**
   * Makes structuredClone and postMessage refuse a message, with a DataCloneError, instead of losing most of it in
   * silence.
   *
   * @internal
   */
  protected readonly notCloneable: symbol = NOT_CLONEABLE
  /** Cut from the page, or put together from the stamp, on first use. Always set if the stamp only carries the meta. */
  #id: string | undefined
  #stamp: Stamp | undefined
  #value: unknown = UNPARSED
  /** Holds the line, or only the payload of a message of this process; otherwise #text holds the payload. */
  #page: ReadPage | undefined
  #text = ''
  #lineStart = 0
  /** For a message with a stamp: the digits of the id that follow it. */
  #idStart = 0
  #idEnd = 0
  #payloadStart = 0
  #payloadEnd: number
  readonly #flags: number
  #size = 0
  #delivery: Delivery | undefined = undefined

  private constructor(
    type: string,
    timestamp: number,
    payloadEnd: number,
    flags: number,
    peer: PeerIdentity | undefined,
  ) {
    this.type = type
    this.timestamp = timestamp
    this.peer = peer
    this.#payloadEnd = payloadEnd
    this.#flags = flags
  }

  static {
    Object.defineProperty(this.prototype, SOC_MESSAGE, { value: true })
    received = (
      type,
      id,
      timestamp,
      page,
      lineStart,
      idStart,
      idEnd,
      payloadStart,
      payloadEnd,
      flags,
      peer,
      size,
    ) => {
      const message = new this(type, timestamp, payloadEnd, flags, peer)
      message.#id = id
      message.#page = page
      message.#lineStart = lineStart
      message.#idStart = idStart
      message.#idEnd = idEnd
      message.#payloadStart = payloadStart
      message.#size = size
      return message
    }
    composed = (origin, sequence, timestamp, content, flags) => {
      const { type, id } = origin
      const peer = id === undefined ? undefined : origin.peer
      const message = new this(type, timestamp, content.length, flags, peer)
      message.#idStart = sequence
      if (id === undefined) {
        message.#stamp = origin
      } else {
        message.#id = id
        if (origin.made !== undefined) message.#stamp = metaStamp(origin.made)
      }
      if (typeof content === 'string') message.#text = content
      else message.#page = ReadPage.ofBytes(content, 0, content.length)
      message.#size = content.length + sizeAround(type.length + (id?.length ?? STAMPED_ID_LENGTH))
      message.#size += message.#stamp?.made?.text.length ?? 0
      return message
    }
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
    exactIntegersOf = (message) => message.#flags & MessageFlag.exactIntegers
    sizeBound = (message) => message.#size
    keptBytes = (message) => message.#page?.keptBytes ?? 0
    bindDelivery = (message, delivery) => {
      message.#delivery = delivery
    }
    deliveryOf = (message) => message.#delivery
    copyOf = (message) =>
      received(
        message.type,
        message.#id,
        message.timestamp,
        message.#page as ReadPage,
        message.#lineStart,
        message.#idStart,
        message.#idEnd,
        message.#payloadStart,
        message.#payloadEnd,
        message.#flags,
        message.peer as PeerIdentity,
        message.#size,
      )
  }

  /** The id that the sender chose; '' if the line had none. By default decimal Unix nanoseconds. */
  get id(): string {
    return (this.#id ??= this.#stamp === undefined ? this.#cutId() : this.#stamp.text + String(this.#idStart))
  }

  #cutId(): string {
    const id = this.#slice(this.#idStart, this.#idEnd)
    // Applications keep ids, and an id must not keep its page alive.
    return (this.#flags & MessageFlag.ascii) === 0 ? id : detached(id)
  }

  /**
   * The payload as a value: `JSON.parse` of {@link rawPayload}, parsed on first use; undefined if there is none. A key
   * `__proto__` becomes an own property that is not enumerable, so that copying the value never changes a prototype.
   *
   * @throws SyntaxError for a message made with {@link rawJSON} from text that is not JSON
   */
  get payload(): T {
    if (this.#value === UNPARSED) {
      const text = this.rawPayload
      this.#value = text === undefined ? undefined : this.#parse(text)
    }
    return this.#value as T
  }

  #parse(text: string): unknown {
    if ((this.#flags & MessageFlag.exactIntegers) !== 0) return parseExact(text)
    return (this.#flags & MessageFlag.plainNames) !== 0 ? parsePlainNames(text) : parsePayload(text)
  }

  /** The payload's text exactly as it was received or will be sent; undefined if there is none. */
  get rawPayload(): string | undefined {
    if (this.#payloadStart === this.#payloadEnd) return undefined
    return this.#slice(this.#payloadStart, this.#payloadEnd)
  }

  /**
   * The value in the payload that a JSON Pointer (RFC 6901) leads to: `message.field('/host/name')`, the same as in
   * {@link payload}; undefined if it leads nowhere, and the whole payload for `''`.
   *
   * For pointers in the `fields` of the receiver, the payload is not parsed: the value is cut out of the line where the
   * addon found it. A string is a copy that keeps nothing else alive; objects and arrays are parsed alone, anew in each
   * call. For any other pointer, and for messages of this process, the payload is parsed first.
   *
   * @throws TypeError or RangeError for a text that is not a JSON Pointer, or too long
   */
  field(pointer: string): unknown {
    const fields = this.#page?.fields
    const index = fields?.set.indexOf(pointer)
    if (fields === undefined || index === undefined) {
      checkPointer(pointer, 'field: the pointer')
      return valueAt(this.payload, pointer)
    }
    const row = fields.rowOf(this.#lineStart)
    const start = fields.startOf(row, index)
    const end = fields.endOf(row, index)
    if (start === end) return undefined
    const ascii = (this.#flags & MessageFlag.ascii) !== 0
    const value = plainScalar(this.#page as ReadPage, start, end, ascii, fields.set.recentStrings)
    return value === NOT_PLAIN ? this.#parse(this.#slice(start, end)) : value
  }

  /**
   * Extra keys of the envelope, which the sender gave in {@link NewMessageOptions.meta} or a peer in another language
   * wrote: a frozen object without a prototype, whose values are JSON values, frozen too. Empty for a message without
   * extra keys. Parsed at the first use. The peer chose them: do not base security decisions on them.
   *
   * At most 32 keys with 4096 bytes as `"key":value`: if a line has more, all of its extra keys are ignored.
   */
  get meta(): Meta {
    return this.#made()?.meta ?? NO_META
  }

  #made(): MadeMeta | undefined {
    const made = this.#stamp?.made
    if (made !== undefined || (this.#flags & MessageFlag.hasMeta) === 0) return made
    const meta = readMeta(this.#envelope())
    // Before the stamp is set: with a stamp, the id would no longer be cut from the page.
    this.#id = this.id
    const read = { meta, text: metaText(meta) }
    this.#stamp = metaStamp(read)
    return read
  }

  /** The line without its payload. */
  #envelope(): string {
    const end = this.#lineStart + bytesOfLine(this.#size, this.#flags)
    if (this.#payloadStart === this.#payloadEnd) return this.#slice(this.#lineStart, end)
    return `${this.#slice(this.#lineStart, this.#payloadStart)}null${this.#slice(this.#payloadEnd, end)}`
  }

  /** The extra keys as they stand in a frame, behind `head`. */
  #metaText(head: string): string {
    if ((this.#flags & MessageFlag.metaInPlace) !== 0) {
      return this.#slice(this.#lineStart + Buffer.byteLength(head), this.#payloadStart - PAYLOAD_KEY.length)
    }
    return this.#made()?.text ?? ''
  }

  /**
   * How many times this message has been handed out by an `AcknowledgingReceiver`, this time included; 1 for any other
   * message.
   */
  get deliveries(): number {
    return this.#delivery?.deliveriesOf(this) ?? 1
  }

  /**
   * Returns a message to the `AcknowledgingReceiver` that handed it out. The receiver hands it out again, after
   * `delayMs` milliseconds at the earliest (default 0). Does nothing if the message is settled already.
   *
   * @throws TypeError for a message that is not from an `AcknowledgingReceiver`; RangeError for an invalid delay
   */
  release(options: { readonly delayMs?: number } = {}): void {
    const { delayMs = 0 } = options
    if (!(Number.isFinite(delayMs) && delayMs >= 0)) {
      throw new RangeError('release: delayMs must be 0 or more, and finite')
    }
    this.#settleable('release').release(this, delayMs)
  }

  /**
   * Refuses a message that an `AcknowledgingReceiver` handed out, for good: its sender learns that it was rejected, and
   * the reason, of which at most 128 characters are sent. Does nothing if the message is settled already.
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
    // The addon found that the line is exactly what the code below would make, so it is passed on unchanged.
    if ((this.#flags & MessageFlag.canonical) !== 0)
      return this.#slice(this.#lineStart, this.#payloadEnd) + '}\n'
    const opened = openFrame(this.type, this.id, this.timestamp)
    const head = opened + this.#metaText(opened)
    if (this.#payloadStart === this.#payloadEnd) return closeFrame(head, undefined)
    return closeFrame(
      head,
      this.#page === undefined
        ? this.#text.slice(this.#payloadStart, this.#payloadEnd)
        : this.#page.bytes.subarray(this.#payloadStart, this.#payloadEnd),
    )
  }

  /** The value that `JSON.stringify` writes, with the same keys as on the wire. */
  toJSON(): {
    /** The type. */
    type: string
    /** The id; absent if it is empty. */
    id?: string
    /** The timestamp, in Unix seconds. */
    ts: number
    /** The parsed payload; absent if there is none. */
    payload?: T
    /** The extra keys. */
    [key: string]: unknown
  } {
    return {
      type: this.type,
      ...(this.id !== '' && { id: this.id }),
      ts: this.timestamp,
      ...this.meta,
      ...(this.payload !== undefined && { payload: this.payload }),
    }
  }

  /** Returns the text that `util.inspect` and `console.log` show. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `SOCMessage ${inspect(this.toJSON(), options)}`
  }
}
