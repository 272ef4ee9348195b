// The SOC message: what it holds, how it is made from a value or from a checked line, and how it becomes a line.
// Must not know sockets.

import { inspect, type InspectOptions } from 'node:util'

import { IpcError } from './errors.js'
import { nextId } from './message-id.js'
import { detached, parsePayload, stringifyPayload } from './payload.js'
import type { PeerIdentity } from './peer.js'

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
/** Longest message in bytes, as a line without its newline: what a Go `Receiver` takes. */
export const MAX_MESSAGE_BYTES = 1 << 20

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

/** A message as bytes to be written: text, or text around bytes that go out untouched. */
export type Frame = string | readonly [head: string, payload: Buffer, tail: string]

const UNPARSED = Symbol('unparsed')
/** Keys, quotes, a timestamp of at most 17 characters and the newline. */
const FRAME_OVERHEAD = 64

/** What is known of a message beforehand. */
export const MessageFlag = {
  /** Its line is byte for byte what {@link frameOf} would make. */
  canonical: 1,
  /** Its text belongs to a whole read and is ASCII. */
  shared: 2,
  /** Its payload is known to be valid JSON on one line. */
  checked: 4,
  /** Its id needs no escapes in JSON. */
  plainId: 8,
} as const

// Set by the static block of SOCMessage, which alone can reach its private fields.
/**
 * Makes a message from parts of a text. Positional and without defaults, because one is made for each line received.
 * `id` undefined: cut from the text when asked for. Equal payload positions and no bytes: no payload.
 */
export let messageFromParts: (
  type: string,
  id: string | undefined,
  timestamp: number,
  bytes: Buffer | undefined,
  text: string,
  lineStart: number,
  idStart: number,
  idEnd: number,
  payloadStart: number,
  payloadEnd: number,
  flags: number,
  peer: PeerIdentity | undefined,
) => SOCMessage
/** The message as a line with its newline. Keys in the order type, id, ts, payload. */
export let frameOf: (message: SOCMessage) => Frame
/**
 * Where the frame stands ready in a text that messages share, as `[start, end)`: start, or -1 when it does not. Messages
 * that came one after the other stand one after the other there.
 */
export let readyFrameStart: (message: SOCMessage) => number
export let readyFrameEnd: (message: SOCMessage) => number
export let readyFrameText: (message: SOCMessage) => string
/** Whether the payload is known to be valid JSON on one line. */
export let isChecked: (message: SOCMessage) => boolean
/** About how large the frame is, in UTF-16 units and bytes of buffers; never less than it is. */
export let sizeBound: (message: SOCMessage) => number

/**
 * One message (Go: `SOCMessage`). Immutable. Made by {@link newSOCMessage}, or by a `Receiver`.
 *
 * A received message cuts its parts from the text of the read that it came with when they are first asked for, and keeps
 * that text (at most 64 KiB unless a message is longer) alive as long as it lives. To keep many messages for long, keep
 * what you need of them instead.
 */
export class SOCMessage<T = unknown> {
  /** What kind of message it is: a {@link SOCMsgType} or any other text that is not empty. */
  readonly type: string
  /** Unix time in whole seconds (Go: `ts`); 0 when the line had none. */
  readonly timestamp: number
  /** Who sent it, as the kernel told at the connection: nothing that the sender wrote. Undefined on messages of our own. */
  readonly peer: PeerIdentity | undefined
  #id: string | undefined
  #value: unknown = UNPARSED
  #bytes: Buffer | undefined
  #text: string
  #lineStart: number
  #idStart: number
  #idEnd: number
  #payloadStart: number
  #payloadEnd: number
  #flags: number

  private constructor(
    type: string,
    id: string | undefined,
    timestamp: number,
    bytes: Buffer | undefined,
    text: string,
    lineStart: number,
    idStart: number,
    idEnd: number,
    payloadStart: number,
    payloadEnd: number,
    flags: number,
    peer: PeerIdentity | undefined,
  ) {
    this.type = type
    this.timestamp = timestamp
    this.peer = peer
    this.#id = id
    this.#bytes = bytes
    this.#text = text
    this.#lineStart = lineStart
    this.#idStart = idStart
    this.#idEnd = idEnd
    this.#payloadStart = payloadStart
    this.#payloadEnd = payloadEnd
    this.#flags = flags
  }

  static {
    messageFromParts = (type, id, timestamp, bytes, text, line, idStart, idEnd, start, end, flags, peer) =>
      new SOCMessage(type, id, timestamp, bytes, text, line, idStart, idEnd, start, end, flags, peer)
    frameOf = (message) => message.#frame()
    readyFrameStart = (message) =>
      (message.#flags & MessageFlag.canonical) !== 0 &&
      message.#text.charCodeAt(message.#payloadEnd + 1) === 0x0a
        ? message.#lineStart
        : -1
    readyFrameEnd = (message) => message.#payloadEnd + 2
    readyFrameText = (message) => message.#text
    isChecked = (message) => (message.#flags & MessageFlag.checked) !== 0
    sizeBound = (message) =>
      message.#payloadEnd -
      message.#payloadStart +
      (message.#bytes?.length ?? 0) +
      // A character may become an escape of six.
      (message.type.length + (message.#id?.length ?? message.#idEnd - message.#idStart)) * 6 +
      FRAME_OVERHEAD
  }

  /** The sender's id for it; '' when the line had none. By default decimal Unix nanoseconds. */
  get id(): string {
    return (this.#id ??= detached(this.#text.slice(this.#idStart, this.#idEnd)))
  }

  /**
   * The payload as a value: `JSON.parse` of {@link rawPayload}, done when first asked for; undefined when there is none.
   * A key `__proto__` is an own property that is not enumerable, so that copying the value never changes a prototype.
   *
   * @throws SyntaxError only on a message of our own made with {@link rawJSON} from something that is not JSON
   */
  get payload(): T {
    if (this.#value === UNPARSED) {
      const text = this.#payloadText()
      this.#value = text === undefined ? undefined : parsePayload(text)
    }
    return this.#value as T
  }

  /** The payload's text exactly as it was received or will be sent; undefined when there is none. */
  get rawPayload(): string | undefined {
    const text = this.#payloadText()
    return text === undefined || (this.#flags & MessageFlag.shared) === 0 ? text : detached(text)
  }

  #payloadText(): string | undefined {
    if (this.#bytes !== undefined) return this.#bytes.toString('utf8')
    if (this.#payloadStart === this.#payloadEnd) return undefined
    return this.#text.slice(this.#payloadStart, this.#payloadEnd)
  }

  #frame(): Frame {
    // What the gate found to be exactly what follows here is passed on as it came.
    if ((this.#flags & MessageFlag.canonical) !== 0)
      return this.#text.slice(this.#lineStart, this.#payloadEnd) + '}\n'
    // Few pieces, most of them shared by many messages: each one costs when the batch is made into bytes.
    const head =
      (this.#flags & MessageFlag.plainId) !== 0
        ? headWithId(this.type) + this.id + '"'
        : `{"type":${JSON.stringify(this.type)}${this.id === '' ? '' : `,"id":${JSON.stringify(this.id)}`}`
    if (this.#bytes !== undefined) return [head + beforePayload(this.timestamp), this.#bytes, '}\n']
    if (this.#payloadStart === this.#payloadEnd) return head + `,"ts":${this.timestamp}}\n`
    return (
      head + beforePayload(this.timestamp) + this.#text.slice(this.#payloadStart, this.#payloadEnd) + '}\n'
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
  const now = Date.now()
  let id = options?.id
  let flags = 0
  if (id === undefined) {
    id = nextId(now)
    flags = MessageFlag.plainId
  } else if (typeof id !== 'string') throw new TypeError('id must be a string')
  const timestamp = options?.timestamp ?? Math.floor(now / 1000)
  if (!Number.isSafeInteger(timestamp)) throw new RangeError('timestamp must be a safe integer')
  let content: string | Buffer | undefined
  if (payload instanceof RawJSON) {
    if (payload.content.length === 0) throw new TypeError('rawJSON of nothing is no JSON value')
    content = payload.content
  } else {
    content = stringifyPayload(payload)
    flags |= MessageFlag.checked
  }
  const text = typeof content === 'string' ? content : ''
  const bytes = typeof content === 'object' ? content : undefined
  return messageFromParts(
    type,
    id,
    timestamp,
    bytes,
    text,
    0,
    0,
    0,
    0,
    text.length,
    flags,
    undefined,
  ) as SOCMessage<T>
}

/** Throws ERR_IPC_MESSAGE_TOO_LARGE for a line that no receiver would take. */
export function checkFrameSize(frame: Frame): void {
  // A UTF-16 unit takes at most three bytes, so most lines need no count.
  if (typeof frame === 'string' && frame.length * 3 <= MAX_MESSAGE_BYTES) return
  const bytes =
    typeof frame === 'string'
      ? Buffer.byteLength(frame)
      : Buffer.byteLength(frame[0]) + frame[1].length + frame[2].length
  if (bytes - 1 <= MAX_MESSAGE_BYTES) return
  throw new IpcError(
    'ERR_IPC_MESSAGE_TOO_LARGE',
    `the message is ${bytes - 1} bytes long; at most ${MAX_MESSAGE_BYTES} are allowed`,
    { reason: 'too-large' },
  )
}

let lastType = ''
let lastHead = ''

/** What stands in front of an id that needs no escapes. */
function headWithId(type: string): string {
  if (type !== lastType) {
    lastType = type
    lastHead = `{"type":${JSON.stringify(type)},"id":"`
  }
  return lastHead
}

let lastTimestamp = 0
let lastBeforePayload = ',"ts":0,"payload":'

/** What stands between id and payload. Messages of the same second share it. */
function beforePayload(timestamp: number): string {
  if (timestamp !== lastTimestamp) {
    lastTimestamp = timestamp
    lastBeforePayload = `,"ts":${timestamp},"payload":`
  }
  return lastBeforePayload
}
