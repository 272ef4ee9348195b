// Splits lines that this package has written into their parts: spooled lines, and lines of text as `lineOf` makes them.
// The keys stand in the order type, id, ts, extra keys, payload, seq. Must not know sockets.

import { parseJson } from '../base/json.js'
import { PAYLOAD_KEY } from './envelope.js'
import { composed, type SOCMessage } from './message.js'
import { readMeta, type MadeMeta, type Meta } from './meta.js'
import { newSOCMessage, rawJSON } from './new-message.js'

/** The parts of a line. */
export interface LineParts {
  readonly type: string
  /** '' if the line has none. */
  readonly id: string
  readonly timestamp: number
  /** The extra keys as they stand in the line: `,"key":value` for each. */
  readonly metaText: string
  /** The text of the payload; undefined if there is none. */
  readonly payload: string | undefined
}

const HEAD = /^\{"type":("(?:[^"\\]|\\.)*")(?:,"id":("(?:[^"\\]|\\.)*"))?,"ts":(-?(?:0|[1-9]\d*))(?=[,}])/s
const TAIL = /(?:,"seq":\d{1,16})?\}$/
const TOKEN = /"(?:[^"\\]|\\.)*"|[^"[\]{},]+|[[\]{},]/sy

/**
 * Returns the parts of a line without its newline; undefined for a line in another layout. Does not check the extra
 * keys or the payload, which may be invalid.
 */
export function partsOfLine(line: string): LineParts | undefined {
  const head = HEAD.exec(line)
  const end = TAIL.exec(line)?.index
  if (head === null || end === undefined) return undefined
  const [{ length: start }, type = '', id] = head
  const payloadKey = findPayload(line, start, end)
  if (payloadKey === undefined) return undefined
  return {
    type: parseJson(type) as string,
    id: id === undefined ? '' : (parseJson(id) as string),
    timestamp: Number(head[3]),
    metaText: line.slice(start, payloadKey),
    payload: payloadKey === end ? undefined : line.slice(payloadKey + PAYLOAD_KEY.length, end),
  }
}

/**
 * Returns where the key `payload` begins, or `end` if there is none; undefined if the brackets in front of it do not
 * match.
 */
function findPayload(line: string, start: number, end: number): number | undefined {
  let depth = 0
  for (let at = start; at < end; at = TOKEN.lastIndex) {
    // Outside of all brackets, only a key follows a comma.
    if (depth === 0 && line.startsWith(PAYLOAD_KEY, at)) return at
    TOKEN.lastIndex = at
    const [token] = TOKEN.exec(line) ?? []
    if (token === undefined || TOKEN.lastIndex > end) return undefined
    if (token === '{' || token === '[') ++depth
    else if ((token === '}' || token === ']') && --depth < 0) return undefined
  }
  return depth === 0 ? end : undefined
}

/** Returns the extra keys of a line. @throws SyntaxError if they are not JSON */
export function metaOfLine({ metaText }: LineParts): Meta | undefined {
  return metaText === '' ? undefined : readMeta(`{${metaText.slice(1)}}`)
}

/**
 * Returns the message of a line that this package has written, with the payload and the extra keys exactly as in the
 * line.
 *
 * @throws SyntaxError for a line that is not JSON
 */
export function messageOfLine(line: string): SOCMessage {
  const parts = partsOfLine(line) ?? partsOfObject(line)
  const { type, id, timestamp, metaText, payload } = parts
  const content = payload === undefined ? undefined : rawJSON(payload)
  const meta = metaOfLine(parts)
  if (meta === undefined) return newSOCMessage(type, content, { id, timestamp })
  // Not checked like the meta of the application: the keys may come from a peer, and have been written before.
  const made: MadeMeta = { meta, text: metaText }
  return composed({ type, id, made }, 0, timestamp, payload ?? '', 0)
}

/** Returns the parts of an object whose keys stand in another order. */
function partsOfObject(line: string): LineParts {
  const parsed = parseJson(line) as { type: string; id?: string; ts?: number; payload?: unknown }
  const { type, id = '', ts: timestamp = 0, payload } = parsed
  let metaText = ''
  for (const [key, value] of Object.entries(readMeta(line)))
    metaText += `,${JSON.stringify(key)}:${JSON.stringify(value)}`
  return {
    type,
    id,
    timestamp,
    metaText,
    payload: payload === undefined ? undefined : JSON.stringify(payload),
  }
}
