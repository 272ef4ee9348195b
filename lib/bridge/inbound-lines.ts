// Checks lines from a message system, where anyone with permission may have stored them: each must be a message that a
// sender of this package could have sent.

import { parseJson } from '../base/json.js'
import { CONTROL_ID } from '../delivery/protocol/control.js'
import { SOCMsgType } from '../message/type.js'
import { countFrames } from '../wire/batch.js'

const NEWLINE = 10
const CLOSING_BRACE = 0x7d
/** Lines with neither text are no control messages. The id may be written with escapes. */
const SUSPICIOUS = [CONTROL_ID, '\\u']

/** Whether these are exactly `count` lines, all of which can be numbered and sent. */
export function areDeliverable(lines: Buffer, count: number): boolean {
  if (countFrames(lines) !== count) return false
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) {
    // The number is inserted in front of the last byte.
    if (lines[at - 1] !== CLOSING_BRACE) return false
  }
  return !isSuspicious(lines) || linesOf(lines).every((line) => !isControlLine(line))
}

/** Separates lines that can be sent from lines that cannot. */
export function sortLines(lines: Buffer): { readonly good: Buffer[]; readonly bad: Buffer[] } {
  const good: Buffer[] = []
  const bad: Buffer[] = []
  for (const line of linesOf(lines)) (areDeliverable(line, 1) ? good : bad).push(line)
  return { good, bad }
}

function isSuspicious(lines: Buffer): boolean {
  return SUSPICIOUS.some((text) => lines.includes(text))
}

/**
 * Whether a line is a control message of delivery. Such messages belong to one connection: a stored one would speak in
 * the bridge's name.
 */
function isControlLine(line: Buffer): boolean {
  if (!isSuspicious(line)) return false
  const { type, id } = parseJson(line.toString()) as { type?: unknown; id?: unknown }
  return id === CONTROL_ID && (type === SOCMsgType.Heartbeat || type === SOCMsgType.Ack)
}

function linesOf(lines: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let offset = 0; offset < lines.length;) {
    const newline = lines.indexOf(NEWLINE, offset)
    const end = newline < 0 ? lines.length : newline + 1
    found.push(lines.subarray(offset, end))
    offset = end
  }
  return found
}
