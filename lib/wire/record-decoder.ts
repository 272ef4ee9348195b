// From the record of a checked line to a message, or to the error that says why it is none.

import { IpcError } from '../base/errors.js'
import { INVALID_REASONS, MESSAGE_STATE, RecordFlag, RecordWord, TOO_LARGE_STATE } from '../binding/abi.js'
import { TYPE_NAMES } from '../message/type.js'
import { MessageFlag, messageFromParts, sizeAround, type SOCMessage } from '../message/message.js'
import type { PeerIdentity } from '../peer/peer.js'
import { PAGE_BYTES, type ReadPage } from '../message/page.js'
import { readWindow, records } from './read-window.js'

/** Whether the line of the record at `at` is ASCII. */
export function isAscii(at: number): boolean {
  return ((records[at + RecordWord.flags] as number) & RecordFlag.ascii) !== 0
}

/**
 * Where the page ends that begins with the record at `at`, of those up to `endAt`: behind a line ending. All of its lines
 * are ASCII, or none.
 */
export function pageEndOf(at: number, endAt: number): number {
  const begin = records[at + RecordWord.lineStart] as number
  const ascii = isAscii(at)
  let end = records[at + RecordWord.lineEnd] as number
  for (let next = at + RecordWord.count; next < endAt; next += RecordWord.count) {
    const lineEnd = records[next + RecordWord.lineEnd] as number
    if (lineEnd - begin >= PAGE_BYTES || records[next + RecordWord.state] !== MESSAGE_STATE) break
    if (isAscii(next) !== ascii) break
    end = lineEnd
  }
  return end + 1
}

/** Makes a message of the record at `at`; `origin` is where the page's bytes begin in the window. */
export function toMessage(at: number, page: ReadPage, origin: number, peer: PeerIdentity): SOCMessage {
  const flags = records[at + RecordWord.flags] as number
  const typeCode = records[at + RecordWord.typeCode] as number
  const idStart = records[at + RecordWord.idStart] as number
  const idEnd = records[at + RecordWord.idEnd] as number
  const payloadStart = records[at + RecordWord.payloadStart] as number
  const lineStart = records[at + RecordWord.lineStart] as number
  return messageFromParts(
    typeCode !== 0 ? (TYPE_NAMES[typeCode] as string) : typeAt(at, flags),
    idStart === idEnd ? '' : (flags & RecordFlag.idEscaped) !== 0 ? cut(idStart, idEnd, true) : undefined,
    (records[at + RecordWord.timestampHigh] as number) * 0x1_0000_0000 +
      ((records[at + RecordWord.timestampLow] as number) >>> 0),
    page,
    '',
    lineStart - origin,
    idStart - origin,
    idEnd - origin,
    payloadStart - origin,
    (records[at + RecordWord.payloadEnd] as number) - origin,
    messageFlagsOf(flags),
    peer,
    (records[at + RecordWord.lineEnd] as number) - lineStart + sizeAround(0),
  )
}

function messageFlagsOf(flags: number): number {
  return (
    MessageFlag.checked |
    ((flags & RecordFlag.ascii) !== 0 ? MessageFlag.ascii : 0) |
    ((flags & RecordFlag.canonical) !== 0 ? MessageFlag.canonical : 0) |
    ((flags & RecordFlag.plainNames) !== 0 ? MessageFlag.plainNames : 0)
  )
}

function typeAt(at: number, flags: number): string {
  return cut(
    records[at + RecordWord.typeStart] as number,
    records[at + RecordWord.typeEnd] as number,
    (flags & RecordFlag.typeEscaped) !== 0,
  )
}

/** A string of the envelope, within its quotes. */
function cut(start: number, end: number, escaped: boolean): string {
  const text = readWindow.toString('utf8', start, end)
  return escaped ? (JSON.parse(`"${text}"`) as string) : text
}

/** First bytes of a line that go into an error. */
const SAMPLE_BYTES = 64

export function toError(at: number, name: string): IpcError {
  const state = records[at + RecordWord.state] as number
  const start = records[at + RecordWord.lineStart] as number
  const end = Math.min(records[at + RecordWord.lineEnd] as number, start + SAMPLE_BYTES)
  const [reason, sentence] = INVALID_REASONS[state] ?? ['unknown', 'it is invalid']
  const offset = records[at + RecordWord.errorOffset] as number
  // Whoever wrote this line may not choose what a log or a terminal shows.
  const sample = JSON.stringify(readWindow.toString('latin1', start, end)).replace(
    /[^\x20-\x7e]/g,
    escapeUnit,
  )
  const code = state === TOO_LARGE_STATE ? 'ERR_IPC_MESSAGE_TOO_LARGE' : 'ERR_IPC_INVALID_MESSAGE'
  return new IpcError(code, `${name}: a line is no message: ${sentence} (at byte ${offset} of ${sample})`, {
    reason,
    offset,
    sample,
  })
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
