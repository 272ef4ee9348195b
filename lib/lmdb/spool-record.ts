// A value of the spool: lines, when they were kept, and a checksum over both. Must not know LMDB.

import { crc32 } from 'node:zlib'

import { priorityOf } from '../endpoints/message-queue.js'
import { SOCMsgType } from '../message/type.js'

export interface StoredRecord {
  readonly count: number
  /** Unix milliseconds. */
  readonly keptAtMs: number
  readonly priorities: readonly [number, number, number]
  readonly lines: Buffer
}

const VERSION = 1
/** checksum, version, count, time, three counts by priority. */
export const HEADER_BYTES = 4 + 4 + 4 + 8 + 12

export function encodeRecord(record: StoredRecord): Buffer {
  const value = Buffer.allocUnsafeSlow(HEADER_BYTES + record.lines.length)
  record.lines.copy(value, HEADER_BYTES)
  writeHeader(value, record)
  return value
}

/** Completes a value in which the lines stand already. */
export function writeHeader(
  value: Buffer,
  { count, keptAtMs, priorities }: Omit<StoredRecord, 'lines'>,
): void {
  value.writeUInt32LE(VERSION, 4)
  value.writeUInt32LE(count, 8)
  value.writeDoubleLE(keptAtMs, 12)
  priorities.forEach((lives, rank) => value.writeUInt32LE(lives, 20 + 4 * rank))
  value.writeUInt32LE(crc32(value.subarray(4)), 0)
}

/** Undefined: it is damaged. */
export function decodeRecord(value: Buffer | undefined): StoredRecord | undefined {
  const lines = linesOf(value)
  if (value === undefined || lines === undefined || value.readUInt32LE(0) !== crc32(value.subarray(4))) {
    return undefined
  }
  return {
    count: value.readUInt32LE(8),
    keptAtMs: value.readDoubleLE(12),
    priorities: [value.readUInt32LE(20), value.readUInt32LE(24), value.readUInt32LE(28)],
    lines,
  }
}

/** The lines of a value whose checksum this process has found right, or has written. Undefined: it is not even one. */
export function linesOf(value: Buffer | undefined): Buffer | undefined {
  if (value === undefined || value.length < HEADER_BYTES || value.readUInt32LE(4) !== VERSION)
    return undefined
  return value.subarray(HEADER_BYTES)
}

/** The lines without some of them; those become empty. */
export function blankLines(lines: Buffer, isGone: (line: Buffer, index: number) => boolean): Buffer {
  const kept: Buffer[] = []
  for (let begin = 0, index = 0; begin < lines.length; ++index) {
    const end = lines.indexOf(10, begin) + 1
    kept.push(
      isGone(lines.subarray(begin, end), index) ? lines.subarray(end - 1, end) : lines.subarray(begin, end),
    )
    begin = end
  }
  return Buffer.concat(kept)
}

const INCIDENT = Buffer.from(`{"type":"${SOCMsgType.Incident}",`)
const HEARTBEAT = Buffer.from(`{"type":"${SOCMsgType.Heartbeat}",`)

/** How important the message of a line is; 1 for an empty line too, which nobody asks for. */
export function priorityOfLine(line: Buffer): number {
  if (begins(line, INCIDENT)) return priorityOf(SOCMsgType.Incident)
  return begins(line, HEARTBEAT) ? priorityOf(SOCMsgType.Heartbeat) : priorityOf(SOCMsgType.Event)
}

function begins(line: Buffer, head: Buffer): boolean {
  return line.length > head.length && line.subarray(0, head.length).equals(head)
}
