// The SOC message: what it holds, how it is made from a value or from a checked line, and how it becomes a line.
// Must not know sockets.

import { inspect, type InspectOptions } from 'node:util'

import { closeFrame, openFrame, type Frame } from './envelope.js'
import { WHOLE_FRAME, LayoutWord } from './frame-layout.js'
import { latestMillisecond, nextSequence, type Millisecond } from './message-id.js'
import { detached, parsePayload, stringifyPayload } from './payload.js'
import type { PeerIdentity } from './peer.js'
import { ReadPage } from './read-page.js'

/** The message kinds that the Go package defines (Go: `SOCMsgType`). Others are passed on as they are. */
export const SOCMsgType = {
  /** A persisted event, to be correlated. */
  Event: 'soc_event',
  /** An incident, to be responded to. */
  Incident: 'soc_incident',
  /** An acknowledgement. */
  Ack: 'soc_ack',
  /** A keepalive. */
  Heartbeat: 'soc_heartbeat',
} as const
export type SOCMsgType = (typeof SOCMsgType)[keyof typeof SOCMsgType]

/** Milliseconds that one `send` or `dial` may take (Go: `DefaultTimeout`). */
export const DEFAULT_TIMEOUT_MS = 5000
/** Tries of `sendWithRetry` (Go: `MaxRetries`). */
export const MAX_RETRIES = 3
/** Messages that a `BufferedSender` holds (Go: `BufferSize`). */
export const BUFFER_SIZE = 4096

/** JSON that goes out as it is. Made by {@link rawJSON}. */
export class RawJSON {
  readonly content: string | Buffer
  constructor(content: string | Buffer) {
    this.content = content
  }
}

/**
 * Marks a text or the bytes of a text as JSON, to be sent untouched as a payload (Go: `json.RawMessage`). It is checked
 * natively just before it is written, with the rest of its batch; a `send` of something else rejects with
 * ERR_IPC_INVALID_MESSAGE and writes nothing of it. JSON on several lines is refused too, as a line is a message. Bytes
 * are not copied until they are written: leave them alone until the send has resolved.
 */
export function rawJSON(content: string | Buffer): RawJSON {
  if (typeof content !== 'string' && !Buffer.isBuffer(content)) {
    throw new TypeError('rawJSON takes a string or a Buffer')
  }
  return new RawJSON(content)
}

/** How large a frame is beside its payload, when so many characters are in its type and id: each may become an escape of six. */
export function sizeAround(characters: number): number {
  return characters * 6 + FRAME_OVERHEAD
}

const NEWLINE = 0x0a
const UNPARSED = Symbol('unparsed')
/** Keys, quotes, a timestamp of at most 17 characters and the newline. */
const FRAME_OVERHEAD = 64

/** What is known of a message beforehand. */
export const MessageFlag = {
  /** Its line is byte for byte what {@link frameOf} would make. */
  canonical: 1,
  /** The bytes of its line are ASCII, so that its page can be cut as text. */
  ascii: 2,
  /** Its payload is known to be valid JSON on one line. */
  checked: 4,
} as const

/** The message types in the order of native/frame_record.h (MessageType); 0 stands for any other. */
export const TYPE_NAMES: readonly string[] = [
  '',
  SOCMsgType.Event,
  SOCMsgType.Incident,
  SOCMsgType.Ack,
  SOCMsgType.Heartbeat,
]
/** What messages share that were made within the same millisecond: the start of their ids. */
interface Stamp extends Millisecond {
  readonly type: string
  readonly typeCode: number
}
/** Digits of such an id: the milliseconds, until the year 2286, and six more. */
const STAMPED_ID_LENGTH = 19

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
let stampedMessage: (
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
    readyFrameStart = (message) =>
      (message.#flags & MessageFlag.canonical) !== 0 &&
      message.#page !== undefined &&
      message.#page.byteAt(message.#payloadEnd + 1) === NEWLINE
        ? message.#lineStart
        : -1
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
      this.#value = text === undefined ? undefined : parsePayload(text)
    }
    return this.#value as T
  }

  /** The payload's text exactly as it was received or will be sent; undefined when there is none. */
  get rawPayload(): string | undefined {
    if (this.#payloadStart === this.#payloadEnd) return undefined
    return this.#slice(this.#payloadStart, this.#payloadEnd)
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

/** Options of {@link newSOCMessage}. */
export interface NewMessageOptions {
  /** Default: decimal Unix nanoseconds, unique and rising within a thread (Go: `time.Now().UnixNano()`). */
  readonly id?: string
  /** Unix time in whole seconds. Default: now. */
  readonly timestamp?: number
}

/**
 * Makes a message (Go: `NewSOCMessage`). The payload is turned into JSON now, so later changes to the value do not show.
 *
 * @param payload any JSON value, {@link rawJSON}, or undefined for none
 * @throws TypeError for a type that is empty, an id that is not a string, or a value that JSON cannot express
 * @throws RangeError for a timestamp that is not a safe integer
 */
export function newSOCMessage<T = unknown>(
  type: SOCMsgType | (string & {}),
  payload?: T | RawJSON,
  options?: NewMessageOptions,
): SOCMessage<T> {
  if (typeof type !== 'string' || type === '') throw new TypeError('type must be a string that is not empty')
  let flags = 0
  let text = ''
  let page: ReadPage | undefined
  if (payload instanceof RawJSON) {
    if (payload.content.length === 0) throw new TypeError('rawJSON of nothing is no JSON value')
    if (typeof payload.content === 'string') text = payload.content
    else page = ReadPage.ofBytes(payload.content, 0, payload.content.length)
  } else {
    text = stringifyPayload(payload) ?? ''
    flags = MessageFlag.checked
  }
  const message =
    options === undefined
      ? stampMessage(type, Date.now(), page, text, flags)
      : describedMessage(type, options, page, text, flags)
  return message as SOCMessage<T>
}

let lastStamp: Stamp = { ...latestMillisecond(), type: '', typeCode: 0 }
let lastStampOf = latestMillisecond()

function stampMessage(
  type: string,
  now: number,
  page: ReadPage | undefined,
  text: string,
  flags: number,
): SOCMessage {
  const sequence = nextSequence(now)
  const millisecond = latestMillisecond()
  if (millisecond !== lastStampOf || type !== lastStamp.type) {
    lastStampOf = millisecond
    lastStamp = { ...millisecond, type, typeCode: typeCodeOf(type, millisecond) }
  }
  return stampedMessage(
    lastStamp,
    sequence,
    Math.floor(now / 1000),
    page,
    text,
    page?.bytes.length ?? text.length,
    flags,
  )
}

/** The addon writes ids of 13 digits of milliseconds: a clock before 2001 gives fewer. */
function typeCodeOf(type: string, millisecond: Millisecond): number {
  return millisecond.text.length === STAMPED_ID_LENGTH - 6
    ? Math.max(WHOLE_FRAME, TYPE_NAMES.indexOf(type))
    : WHOLE_FRAME
}

function describedMessage(
  type: string,
  options: NewMessageOptions,
  page: ReadPage | undefined,
  text: string,
  flags: number,
): SOCMessage {
  const now = Date.now()
  const id = options.id ?? nextId(now)
  if (typeof id !== 'string') throw new TypeError('id must be a string')
  const timestamp = options.timestamp ?? Math.floor(now / 1000)
  if (!Number.isSafeInteger(timestamp)) throw new RangeError('timestamp must be a safe integer')
  const payloadEnd = page?.bytes.length ?? text.length
  return messageFromParts(
    type,
    id,
    timestamp,
    page,
    text,
    0,
    0,
    0,
    0,
    payloadEnd,
    flags,
    undefined,
    payloadEnd + sizeAround(type.length + id.length),
  )
}

function nextId(now: number): string {
  const sequence = nextSequence(now)
  return latestMillisecond().text + String(sequence)
}
