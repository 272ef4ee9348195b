// The lines of messages on their way in, with their local numbers, in the records that an AcknowledgedSender reads and
// writes. Keeps them in memory until they are removed.

import { indexAtLeast } from '../base/sorted.js'
import { NUMBER_BYTES } from '../binding/abi.js'
import { numberLines, offsetOfLine } from '../delivery/protocol/lines.js'
import type { SpoolRecord } from '../spool/spool-log.js'

const NEWLINE = 10
/** Records of about this size are written together. */
const RECORD_BYTES = 1 << 16

export class InboundRecords {
  /** Ascending by number. */
  readonly #records: SpoolRecord[] = []

  /** Adds `count` lines, and numbers them from `first` on. */
  add(lines: Buffer, count: number, first: number): void {
    const next = first + count
    for (let offset = 0, number = first; offset < lines.length;) {
      const end = endOfRecord(lines, offset)
      const part = lines.subarray(offset, end)
      const messages = end === lines.length ? next - number : countLines(part)
      const out = Buffer.allocUnsafe(part.length + messages * NUMBER_BYTES)
      const size = numberLines(part, part.length, out, 0, number)
      this.#records.push({ first: number, count: messages, lines: out.subarray(0, size), patchy: false })
      number += messages
      offset = end
    }
  }

  /** Returns the records from the one with a number on, of up to `maxBytes`, but at least one. */
  read(from: number, maxBytes: number): SpoolRecord[] {
    const found: SpoolRecord[] = []
    let bytes = 0
    for (let i = this.#indexOf(from); i < this.#records.length; ++i) {
      const record = this.#records[i] as SpoolRecord
      if (found.length > 0 && bytes + record.lines.length > maxBytes) break
      found.push(record)
      bytes += record.lines.length
    }
    return found
  }

  /** Returns a line with its newline, as it is sent to the receiver; nothing if it is not here. */
  lineOf(number: number): Buffer {
    const record = this.#records[this.#indexOf(number)]
    if (record === undefined) return Buffer.alloc(0)
    const begin = offsetOfLine(record.lines, number - record.first)
    return record.lines.subarray(begin, record.lines.indexOf(NEWLINE, begin) + 1)
  }

  /** Removes the records without a number above `through`. */
  removeThrough(through: number): void {
    const kept = this.#indexOf(through + 1)
    if (kept > 0) this.#records.splice(0, kept)
  }

  #indexOf(number: number): number {
    return indexAtLeast(this.#records, number, lastNumber)
  }
}

const lastNumber = ({ first, count }: SpoolRecord): number => first + count - 1

function endOfRecord(lines: Buffer, offset: number): number {
  if (lines.length - offset <= RECORD_BYTES) return lines.length
  const end = lines.lastIndexOf(NEWLINE, offset + RECORD_BYTES)
  return end >= offset ? end + 1 : lines.indexOf(NEWLINE, offset) + 1
}

function countLines(lines: Buffer): number {
  let count = 0
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) ++count
  return count
}
