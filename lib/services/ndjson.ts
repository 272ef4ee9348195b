// Lines of newline-delimited JSON to messages and back, for streams of text. Must not know streams.

import { StringDecoder } from 'node:string_decoder'

import { parseJson } from '../base/json.js'
import { describeError, IpcError, isIpcError } from '../base/errors.js'
import { quoteText } from '../base/quote.js'
import { checkFrameSize, frameBytes, invalidPayload, MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { metaOfLine, partsOfLine, type LineParts } from '../message/line.js'
import { frameOf, isChecked, type SOCMessage } from '../message/message.js'
import { metaText, readMeta } from '../message/meta.js'
import { newSOCMessage, rawJSON } from '../message/new-message.js'
import { countFrames } from '../wire/batch.js'

/**
 * Returns a message as one line of text with its newline: the payload unchanged, the keys as on the wire, extra keys
 * included.
 */
export function lineOf(message: SOCMessage): string {
  const { type, id, timestamp, meta, rawPayload } = message
  const idText = id === '' ? '' : `,"id":${JSON.stringify(id)}`
  const payloadText = rawPayload === undefined ? '' : `,"payload":${rawPayload}`
  return `{"type":${JSON.stringify(type)}${idText},"ts":${timestamp}${metaText(meta)}${payloadText}}\n`
}

/**
 * Returns the message of a line in the form that {@link lineOf} writes. The text of the payload is kept, so that
 * numbers of any size pass unchanged; it is checked when the message is sent.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE for a line that is not a message
 */
export function messageOf(line: string): SOCMessage {
  try {
    const parts = partsOfLine(line)
    if (parts !== undefined && parts.type !== '' && parts.payload !== '') return messageOfParts(parts)
    return messageOfValue(line, parseJson(line))
  } catch (error) {
    if (error instanceof IpcError) throw error
    // SyntaxError of JSON.parse; TypeError and RangeError of extra keys that messages cannot have.
    throw invalidLine(line, error instanceof SyntaxError ? 'not JSON' : describeError(error), error)
  }
}

function messageOfParts(parts: LineParts): SOCMessage {
  const { type, id, timestamp, payload } = parts
  const meta = metaOfLine(parts)
  const content = payload === undefined ? undefined : rawJSON(payload)
  return newSOCMessage(type, content, { id, timestamp, ...(meta !== undefined && { meta }) })
}

/** Returns the message of a line whose keys stand in another order. */
function messageOfValue(line: string, value: unknown): SOCMessage {
  const message = value as Partial<Record<'type' | 'id' | 'ts' | 'payload', unknown>> | null
  if (typeof message !== 'object' || message === null) throw invalidLine(line, 'not an object')
  const { type, id = '', ts = 0, payload } = message
  if (typeof type !== 'string' || type === '') throw invalidLine(line, 'without a type')
  if (typeof id !== 'string' || !Number.isSafeInteger(ts)) throw invalidLine(line, 'with an invalid id or ts')
  return newSOCMessage(type, payload, { id, timestamp: ts as number, meta: readMeta(line) })
}

/** Returns a message of this type with the line as its payload. */
export function payloadMessage(type: string, line: string): SOCMessage {
  return newSOCMessage(type, rawJSON(line))
}

function invalidLine(line: string, what: string, cause?: unknown): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', `a line of the text is ${what}: ${quoteText(line, 80)}`, {
    cause,
    reason: 'not-a-message',
  })
}

/** Returns the error for a refused line with its place in the text: `number` is the number of the line, from 1. */
export function withPlace(error: IpcError, line: string, number: number): IpcError {
  const { code, reason, message } = error
  return new IpcError(code, `line ${number} of the text: ${message}: ${quoteText(line, 80)}`, {
    cause: error,
    ...(reason !== undefined && { reason }),
  })
}

/** Returns why a message cannot be sent; undefined if it can. */
export function refusalOf(message: SOCMessage): IpcError | undefined {
  try {
    const frame = frameOf(message)
    checkFrameSize(frame)
    const count = isChecked(message) ? 1 : countFrames(frameBytes(frame))
    return count === 1 ? undefined : invalidPayload(-count)
  } catch (error) {
    return isIpcError(error) ? error : undefined
  }
}

/** Cuts chunks of text or bytes into lines. Holds at most one unfinished line. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  /**
   * Returns the lines that end in this chunk, without line endings. Blank lines are left out.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE when a line is longer than any message
   */
  push(chunk: string | Uint8Array): string[] {
    return this.split(chunk).filter((line) => line !== '')
  }

  /** Like {@link push}, but includes blank lines, so that lines can be counted. */
  split(chunk: string | Uint8Array): string[] {
    const text = typeof chunk === 'string' ? chunk : this.#decoder.write(Buffer.from(chunk))
    // A line of many chunks is joined once, when it is whole: strings of V8 are joined lazily.
    if (!text.includes('\n')) {
      this.#rest += text
      if (this.#rest.length > MAX_MESSAGE_BYTES) {
        throw new IpcError('ERR_IPC_MESSAGE_TOO_LARGE', 'a line of the text is longer than any message', {
          reason: 'too-large',
        })
      }
      return []
    }
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => line.trim())
  }

  /** Returns the last line if it has no newline. */
  end(): string[] {
    const line = (this.#rest + this.#decoder.end()).trim()
    this.#rest = ''
    return line === '' ? [] : [line]
  }
}
