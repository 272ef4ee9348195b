// One record of the log: a header of fixed size with a checksum of its own, and a body. Must not know files.
//
//   0 magic | 4 checksum of bytes 8 to 64 | 8 checksum of the body | 12 kind | 16 bytes of the body | 20 lines
//   24 number of the first line | 32 spool time | 40 wall clock | 48 lines by priority, three times | 60 segment
//
// The header's checksum covers the body's. So a flipped bit in the body leaves the header readable, which shows how
// many messages are lost. Neither valid UTF-8 nor a JSON line contains the magic number, so no message can imitate a
// record.

import { crc32 } from 'node:zlib'

export const HEADER_BYTES = 64
const MAGIC = Buffer.of(0xff, 0x53, 0xf7, 0x00)
const MAGIC_NUMBER = MAGIC.readUInt32LE(0)

/** `start`: the state when a segment began, as JSON. `lines`: messages. `settled`: ranges of numbers, as JSON. */
export const RecordKind = { start: 1, lines: 2, settled: 3 } as const
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind]

export interface RecordHeader {
  readonly kind: RecordKind
  readonly bodyBytes: number
  readonly bodyChecksum: number
  readonly count: number
  readonly first: number
  /** Milliseconds on the spool's own clock; see clock.ts. */
  readonly timeMs: number
  /** Unix milliseconds. */
  readonly wallMs: number
  readonly priorities: readonly [number, number, number]
  /** The lower 32 bits of the number of its segment, to distinguish it from remains of a deleted file on the disk. */
  readonly segment: number
}

export type HeaderFields = Omit<RecordHeader, 'bodyBytes' | 'bodyChecksum'>

/** Fills in the header of a value whose body follows at {@link HEADER_BYTES}. */
export function writeHeader(value: Buffer, fields: HeaderFields): void {
  const body = value.subarray(HEADER_BYTES)
  value.writeUInt32LE(MAGIC_NUMBER, 0)
  value.writeUInt32LE(crc32(body), 8)
  value.writeUInt32LE(fields.kind, 12)
  value.writeUInt32LE(body.length, 16)
  value.writeUInt32LE(fields.count, 20)
  value.writeDoubleLE(fields.first, 24)
  value.writeDoubleLE(fields.timeMs, 32)
  value.writeDoubleLE(fields.wallMs, 40)
  value.writeUInt32LE(fields.priorities[0], 48)
  value.writeUInt32LE(fields.priorities[1], 52)
  value.writeUInt32LE(fields.priorities[2], 56)
  value.writeUInt32LE(fields.segment >>> 0, 60)
  value.writeUInt32LE(crc32(value.subarray(8, HEADER_BYTES)), 4)
}

/** A record without messages. */
export function controlRecord(kind: RecordKind, body: unknown, at: Omit<HeaderFields, 'kind'>): Buffer {
  const text = JSON.stringify(body)
  const bodyBytes = Buffer.byteLength(text)
  const value = Buffer.allocUnsafeSlow(HEADER_BYTES + bodyBytes)
  value.write(text, HEADER_BYTES)
  writeHeader(value, { ...at, kind })
  return value
}

/** The header at an offset, or undefined if there is no complete header of this segment. */
export function readHeader(bytes: Buffer, offset: number, segment: number): RecordHeader | undefined {
  if (bytes.length - offset < HEADER_BYTES || bytes.readUInt32LE(offset) !== MAGIC_NUMBER) return undefined
  const header = bytes.subarray(offset, offset + HEADER_BYTES)
  if (header.readUInt32LE(4) !== crc32(header.subarray(8))) return undefined
  const kind = header.readUInt32LE(12)
  const found = header.readUInt32LE(60)
  if (found !== segment >>> 0 || (kind !== 1 && kind !== 2 && kind !== 3)) return undefined
  return {
    kind,
    bodyChecksum: header.readUInt32LE(8),
    bodyBytes: header.readUInt32LE(16),
    count: header.readUInt32LE(20),
    first: header.readDoubleLE(24),
    timeMs: header.readDoubleLE(32),
    wallMs: header.readDoubleLE(40),
    priorities: [header.readUInt32LE(48), header.readUInt32LE(52), header.readUInt32LE(56)],
    segment: found,
  }
}

/** Returns the offset of the next magic number; -1 if there is none. */
export function findMagic(bytes: Buffer, offset: number): number {
  return bytes.indexOf(MAGIC, offset)
}

export const MAGIC_BYTES = MAGIC.length

/** The lines of a record with those marked in `gone` made empty. */
export function blankLines(lines: Buffer, gone: Uint8Array): Buffer {
  const kept: Buffer[] = []
  let begin = 0
  for (let index = 0; index < gone.length && begin < lines.length; ++index) {
    const end = lines.indexOf(10, begin) + 1
    if (end === 0) break
    kept.push(gone[index] === 0 ? lines.subarray(begin, end) : lines.subarray(end - 1, end))
    begin = end
  }
  return Buffer.concat(kept)
}

/** Returns for each line of a record whether it is empty, because its message is settled or given up. */
export function emptyLines(lines: Buffer, count: number): Uint8Array {
  const gone = new Uint8Array(count)
  for (let begin = 0, index = 0; index < count && begin < lines.length; ++index) {
    const end = lines.indexOf(10, begin) + 1
    if (end === 0) break
    if (end - begin === 1) gone[index] = 1
    begin = end
  }
  return gone
}
