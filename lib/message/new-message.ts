// Makes messages of values: with an id, a time, and the payload as JSON.

import { WHOLE_FRAME } from '../binding/abi.js'
import { latestMillisecond, nextSequence, STAMPED_ID_LENGTH, type Millisecond } from './id.js'
import { TYPE_NAMES, type SOCMsgType } from './type.js'
import { composed, MessageFlag, type SOCMessage, type Stamp } from './message.js'
import { stringifyPayload } from './payload.js'

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
  let content: string | Buffer = ''
  if (payload instanceof RawJSON) {
    if (payload.content.length === 0) throw new TypeError('rawJSON of nothing is no JSON value')
    content = payload.content
  } else {
    content = stringifyPayload(payload) ?? ''
    flags = MessageFlag.checked
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
  return { text, millions, rest, type, typeCode: typeCodeOf(type, millisecond), id: undefined }
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

function nameMessage(
  type: string,
  options: NewMessageOptions,
  content: string | Buffer,
  flags: number,
): SOCMessage {
  const now = Date.now()
  const id = options.id ?? nextId(now)
  if (typeof id !== 'string') throw new TypeError('id must be a string')
  const timestamp = options.timestamp ?? Math.floor(now / 1000)
  if (!Number.isSafeInteger(timestamp)) throw new RangeError('timestamp must be a safe integer')
  return composed({ type, id }, 0, timestamp, content, flags)
}

function nextId(now: number): string {
  const sequence = nextSequence(now)
  return latestMillisecond().text + String(sequence)
}
