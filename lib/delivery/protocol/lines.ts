// Numbered lines, as they go over the wire and into a spool: numbers them, splits them at a number, and converts them
// back to messages.

import { addon } from '../../binding/addon.js'
import { messageOfLine } from '../../message/line.js'
import type { SOCMessage } from '../../message/message.js'

const NEWLINE = 10
/** Copies the lines of [0, end) to `out` with the numbers from `first` on; returns where they end. */
export function numberLines(lines: Buffer, end: number, out: Buffer, at: number, first: number): number {
  return addon.numberLines(lines, end, out, at, first)
}

/** Returns the offset at which line `index` begins. */
export function offsetOfLine(lines: Buffer, index: number): number {
  let offset = 0
  for (let i = 0; i < index; ++i) {
    const newline = lines.indexOf(NEWLINE, offset)
    // An index may come from elsewhere, and be far larger than the number of lines.
    if (newline < 0) return lines.length
    offset = newline + 1
  }
  return offset
}

/**
 * Calls `onRange` with each stretch of lines whose indexes `isWanted`, as [begin, end) in bytes and the first index.
 */
export function forEachStretch(
  lines: Buffer,
  count: number,
  isWanted: (index: number) => boolean,
  onRange: (begin: number, end: number, first: number) => void,
): void {
  let offset = 0
  let begin = -1
  let first = 0
  for (let index = 0; index < count; ++index) {
    const wanted = isWanted(index)
    if (wanted && begin < 0) {
      begin = offset
      first = index
    } else if (!wanted && begin >= 0) {
      onRange(begin, offset, first)
      begin = -1
    }
    offset = lines.indexOf(NEWLINE, offset) + 1
  }
  if (begin >= 0) onRange(begin, offset, first)
}

/** Returns the messages of numbered lines, without empty lines. */
export function messagesOf(lines: Buffer): SOCMessage[] {
  const messages: SOCMessage[] = []
  for (const line of lines.toString('utf8').split('\n')) if (line !== '') messages.push(messageOfLine(line))
  return messages
}
