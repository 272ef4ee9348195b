// Messages as the lines that a spool keeps, and back. The lines are those that go over the wire.

import { IpcError } from '../errors.js'
import { frameOf, MessageFlag, messageFromParts, type SOCMessage } from '../message.js'
import { priorityOf } from '../message-queue.js'
import { countFrames } from './frame-check.js'
import type { SpoolEntry } from './spool.js'

/** Messages as lines, and as messages that do not change when their makers reuse a buffer. */
export interface KeptLines extends SpoolEntry {
  readonly messages: readonly SOCMessage[]
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE when one of them is none */
export function toLines(messages: readonly SOCMessage[]): KeptLines {
  let text = ''
  const chunks: Buffer[] = []
  const priorities: [number, number, number] = [0, 0, 0]
  for (const message of messages) {
    ++priorities[priorityOf(message.type)]
    const frame = frameOf(message)
    if (typeof frame === 'string') {
      text += frame
    } else {
      chunks.push(Buffer.from(text + frame[0]), frame[1], Buffer.from(frame[2]))
      text = ''
    }
  }
  const lines = chunks.length === 0 ? Buffer.from(text) : Buffer.concat([...chunks, Buffer.from(text)])
  if (countFrames(lines) !== messages.length) {
    throw new IpcError('ERR_IPC_INVALID_MESSAGE', 'a raw payload is not one JSON value on one line', {
      reason: 'not-json',
    })
  }
  return {
    count: messages.length,
    lines,
    priorities,
    messages: chunks.length === 0 ? messages.slice() : fromLines(lines).flatMap((message) => message ?? []),
  }
}

/** The messages of a record; undefined where one was given up. */
export function fromLines(lines: Buffer): (SOCMessage | undefined)[] {
  const texts = lines.toString('utf8').split('\n')
  texts.pop()
  return texts.map((text) => (text === '' ? undefined : fromLine(text)))
}

const TYPE_AT = '{"type":"'.length
const BEFORE_ID = ',"id":"'
const BEFORE_TIMESTAMP = ',"ts":'
const BEFORE_PAYLOAD = ',"payload":'
const LINE =
  /^\{"type":("(?:[^"\\]|\\.)*")(?:,"id":("(?:[^"\\]|\\.)*"))?,"ts":(-?\d+)(?:,"payload":(.*))?\}$/s

/** A line that `frameOf` wrote. */
function fromLine(line: string): SOCMessage {
  // Almost all have an id, a payload, and no escapes: their line can be sent again as it is.
  const typeEnd = line.indexOf('"', TYPE_AT)
  const idStart = typeEnd + 1 + BEFORE_ID.length
  const idEnd = line.indexOf('"', idStart)
  const timestampStart = idEnd + 1 + BEFORE_TIMESTAMP.length
  const timestampEnd = line.indexOf(',', timestampStart)
  const payloadStart = timestampEnd + BEFORE_PAYLOAD.length
  if (
    !line.startsWith(BEFORE_ID, typeEnd + 1) ||
    !line.startsWith(BEFORE_TIMESTAMP, idEnd + 1) ||
    timestampEnd < 0 ||
    idStart === idEnd ||
    line.lastIndexOf('\\', idEnd) > 0
  ) {
    return fromUnusualLine(line)
  }
  return messageFromParts(
    typeOf(line, typeEnd),
    // Now: what a message cuts later is taken for ASCII.
    line.slice(idStart, idEnd),
    Number(line.slice(timestampStart, timestampEnd)),
    undefined,
    line,
    0,
    idStart,
    idEnd,
    payloadStart,
    line.length - 1,
    MessageFlag.checked | MessageFlag.canonical,
    undefined,
  )
}

let lastType = ''

/** The same string for the same type, as most follow one of their own type. */
function typeOf(line: string, end: number): string {
  if (end - TYPE_AT !== lastType.length || !line.startsWith(lastType, TYPE_AT))
    lastType = line.slice(TYPE_AT, end)
  return lastType
}

function fromUnusualLine(line: string): SOCMessage {
  const [, type, id, timestamp, payload = ''] = LINE.exec(line) ?? []
  if (type === undefined || timestamp === undefined) {
    throw new IpcError('ERR_IPC_SYSTEM', 'the spool holds a line that is no message')
  }
  return messageFromParts(
    JSON.parse(type) as string,
    id === undefined ? '' : (JSON.parse(id) as string),
    Number(timestamp),
    undefined,
    payload,
    0,
    0,
    0,
    0,
    payload.length,
    MessageFlag.checked,
    undefined,
  )
}
