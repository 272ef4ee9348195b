// Makes messages from values: adds an id and a time, and turns the payload into JSON.

import { isUint8Array } from 'node:util/types'

import { anything, checkOptions, type OptionTable } from '../base/options.js'
import { WHOLE_FRAME } from '../binding/abi.js'
import { latestMillisecond, nextSequence, STAMPED_ID_LENGTH, type Millisecond } from './id.js'
import { TYPE_NAMES, type SOCMsgType } from './type.js'
import { composed, type SOCMessage } from './message.js'
import { makeMeta, type Meta } from './meta.js'
import { MessageFlag, type Stamp } from './parts.js'
import { LEAST_DEEP_LENGTH, mayBeTooDeep, stringifyPayload } from './payload.js'

/** The same in every copy of this package and in every realm. */
const RAW_JSON = Symbol.for('sentinel-ipc.RawJSON')

/** JSON text that is sent unchanged. Created by {@link rawJSON}. */
export class RawJSON {
  /** The JSON text. */
  readonly content: string | Buffer

  constructor(content: string | Buffer) {
    this.content = content
  }

  static {
    Object.defineProperty(this.prototype, RAW_JSON, { value: true })
  }
}

/** Checks the brand, because another copy of this package may have made the object. */
function isRawJSON(payload: unknown): payload is RawJSON {
  return (
    typeof payload === 'object' &&
    payload !== null &&
    (payload as { [RAW_JSON]?: unknown })[RAW_JSON] === true
  )
}

/**
 * Marks a text, or the bytes of a text, as JSON to be sent untouched as a payload (Go: `json.RawMessage`). Line breaks
 * around the value are removed. The rest is checked natively just before it is written: if it is not one JSON value on
 * one line, `send` rejects with ERR_IPC_INVALID_MESSAGE and writes nothing of the message. Bytes are not copied until
 * they are written; do not change them before the send has resolved.
 *
 * @throws TypeError if `content` is neither a string nor a Buffer or other Uint8Array
 */
export function rawJSON(content: string | Uint8Array): RawJSON {
  if (typeof content === 'string')
    return new RawJSON(content.slice(...withoutBreaks(content.length, (at) => content.charCodeAt(at))))
  if (!isUint8Array(content)) throw new TypeError('rawJSON() takes a string or a Buffer')
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  return new RawJSON(bytes.subarray(...withoutBreaks(bytes.length, (at) => bytes[at] as number)))
}

/**
 * Where a value begins and ends, without the line breaks around it, which would end the message's line. Blanks beside a
 * line break go with it; everything else stays as it is. `unitAt` gives a character code, or a byte.
 */
function withoutBreaks(length: number, unitAt: (at: number) => number): [start: number, end: number] {
  let start = 0
  let end = length
  let breaks = false
  for (; start < end && isBlank(unitAt(start)); ++start) breaks ||= isBreak(unitAt(start))
  for (; end > start && isBlank(unitAt(end - 1)); --end) breaks ||= isBreak(unitAt(end - 1))
  // A text of white space alone is refused later, like any other invalid JSON.
  return breaks && start < end ? [start, end] : [0, length]
}

function isBreak(unit: number): boolean {
  return unit === 0x0a || unit === 0x0d
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09 || isBreak(unit)
}

function checkedRaw(content: string | Buffer): string | Buffer {
  if (content.length === 0) throw new TypeError('rawJSON() requires non-empty JSON')
  // As UTF-8 it would silently become U+FFFD.
  if (typeof content === 'string' && !content.isWellFormed()) {
    throw new TypeError(
      'rawJSON() takes no half of a surrogate pair, which has no UTF-8: write it as an escape, such as \\ud800',
    )
  }
  return content
}

/** Options of {@link newSOCMessage}. */
export interface NewMessageOptions {
  /** Default: decimal Unix nanoseconds, unique and rising within a thread (Go: `time.Now().UnixNano()`). */
  readonly id?: string
  /** Unix time in whole seconds. Default: now. */
  readonly timestamp?: number
  /**
   * Extra keys of the envelope with their JSON values, such as `traceparent`: see {@link SOCMessage.meta}. At most 32
   * keys and 4096 bytes as JSON; undefined values are left out. `type`, `id`, `ts`, `timestamp`, `payload`, `seq` and
   * `source` are reserved, in upper and lower case. Default: none.
   */
  readonly meta?: Meta
}

/**
 * Makes a message (Go: `NewSOCMessage`). The payload is turned into JSON at once, so later changes to the value have no
 * effect. A payload that is nested more than 255 levels deep is refused when it is sent. Half a surrogate pair, in any
 * text of the message, is sent as an escape such as `\ud800`: this library receives it as it was; a Go peer reads
 * U+FFFD in its place.
 *
 * @param payload any JSON value, {@link rawJSON}, or undefined for none
 * @throws TypeError for an empty type, an unknown option, an id that is not a string, a value that JSON cannot express,
 *   empty `rawJSON` or `rawJSON` with an unescaped half of a surrogate pair, or a reserved key in `meta`
 * @throws RangeError for a timestamp that is not a safe integer, or too much `meta`
 */
export function newSOCMessage<T = unknown>(
  type: SOCMsgType | (string & {}),
  payload?: T | RawJSON,
  options?: NewMessageOptions,
): SOCMessage<T> {
  if (typeof type !== 'string' || type === '') throw new TypeError('type must be a non-empty string')
  let flags = 0
  let content: string | Buffer = ''
  if (isRawJSON(payload)) {
    content = checkedRaw(payload.content)
  } else {
    content = stringifyPayload(payload) ?? ''
    if (content.length < LEAST_DEEP_LENGTH || !mayBeTooDeep(content)) flags = MessageFlag.checked
  }
  const message =
    options === undefined
      ? stampMessage(type, Date.now(), content, flags)
      : nameMessage(type, options, content, flags)
  return message as SOCMessage<T>
}

let lastStampOf = latestMillisecond()
let lastStamp = stampOf(lastStampOf, '')

function stampOf(millisecond: Millisecond, type: string): Stamp {
  const { text, millions, rest } = millisecond
  // Not with a spread: V8 would give each stamp a hidden class of its own.
  return {
    text,
    millions,
    rest,
    type,
    typeCode: typeCodeOf(type, millisecond),
    id: undefined,
    made: undefined,
  }
}

function stampMessage(type: string, now: number, content: string | Buffer, flags: number): SOCMessage {
  const sequence = nextSequence(now)
  const millisecond = latestMillisecond()
  if (millisecond !== lastStampOf || type !== lastStamp.type) {
    lastStampOf = millisecond
    lastStamp = stampOf(millisecond, type)
  }
  return composed(lastStamp, sequence, Math.floor(now / 1000), content, flags)
}

/** The addon writes ids whose milliseconds have 13 digits; a clock before 2001 gives fewer. */
function typeCodeOf(type: string, millisecond: Millisecond): number {
  return millisecond.text.length === STAMPED_ID_LENGTH - 6
    ? Math.max(WHOLE_FRAME, TYPE_NAMES.indexOf(type))
    : WHOLE_FRAME
}

const MESSAGE_TABLE: OptionTable<NewMessageOptions> = { id: anything, timestamp: anything, meta: anything }

function nameMessage(
  type: string,
  options: NewMessageOptions,
  content: string | Buffer,
  flags: number,
): SOCMessage {
  // A copy of the options, as checkOptions makes one, would cost more than the rest.
  for (const key in options)
    if (!Object.hasOwn(MESSAGE_TABLE, key)) checkOptions('newSOCMessage', options, MESSAGE_TABLE)
  const now = Date.now()
  const id = options.id ?? nextId(now)
  if (typeof id !== 'string') throw new TypeError('id must be a string')
  const timestamp = options.timestamp ?? Math.floor(now / 1000)
  if (!Number.isSafeInteger(timestamp)) throw new RangeError('timestamp must be a safe integer')
  if (options.meta === undefined) return composed({ type, id }, 0, timestamp, content, flags)
  const made = makeMeta(options.meta)
  // Deeply nested meta may make the line too deep; the addon looks when it is sent.
  const checked = mayBeTooDeep(made.text) ? flags & ~MessageFlag.checked : flags
  return composed({ type, id, made: made.text === '' ? undefined : made }, 0, timestamp, content, checked)
}

function nextId(now: number): string {
  const sequence = nextSequence(now)
  return latestMillisecond().text + String(sequence)
}
