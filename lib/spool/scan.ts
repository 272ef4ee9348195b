// Reads one segment from its beginning, record by record, and continues after damage with the next complete record.

import { crc32 } from 'node:zlib'

import type { LogFiles, Segment } from './log-files.js'
import { findMagic, HEADER_BYTES, MAGIC_BYTES, readHeader, type RecordHeader } from './record.js'

const CHUNK_BYTES = 1 << 20

/** A complete record. The body is valid until the next one is requested. */
export interface FoundRecord {
  readonly kind: 'record'
  readonly offset: number
  readonly header: RecordHeader
  readonly body: Buffer
}

/** Bytes that do not form a complete record. */
export interface FoundDamage {
  readonly kind: 'damage'
  readonly offset: number
  readonly bytes: number
  /** The header, if only the body is damaged or short. */
  readonly header: RecordHeader | undefined
  /** Whether the file ends before the record does. */
  readonly short: boolean
}

/** A part of the file, in memory. */
class Window {
  readonly #files: LogFiles
  readonly #segment: Segment
  #bytes: Buffer = Buffer.alloc(0)
  #begin = 0

  constructor(files: LogFiles, segment: Segment) {
    this.#files = files
    this.#segment = segment
  }

  /** The bytes from an offset on: `size` or more, fewer only at the end of the file. */
  async at(offset: number, size: number): Promise<Buffer> {
    const end = this.#begin + this.#bytes.length
    const wanted = Math.min(size, this.#segment.size - offset)
    if (offset < this.#begin || offset + wanted > end) {
      const most = Math.min(Math.max(wanted, CHUNK_BYTES), this.#segment.size - offset)
      this.#bytes = await this.#files.read(this.#segment, offset, most)
      this.#begin = offset
    }
    return this.#bytes.subarray(offset - this.#begin)
  }
}

export async function* scan(files: LogFiles, segment: Segment): AsyncGenerator<FoundRecord | FoundDamage> {
  const window = new Window(files, segment)
  const { size, sequence } = segment
  for (let offset = 0; offset < size;) {
    const header = readHeader(await window.at(offset, HEADER_BYTES), 0, sequence)
    if (header === undefined) {
      const next = await findRecord(window, offset + 1, size, sequence)
      const short = next === size && size - offset < HEADER_BYTES
      yield { kind: 'damage', offset, bytes: next - offset, header: undefined, short }
      offset = next
      continue
    }
    const bytes = HEADER_BYTES + header.bodyBytes
    if (offset + bytes > size) {
      yield { kind: 'damage', offset, bytes: size - offset, header, short: true }
      return
    }
    const body = (await window.at(offset, bytes)).subarray(HEADER_BYTES, bytes)
    if (body.length === header.bodyBytes && crc32(body) === header.bodyChecksum) {
      yield { kind: 'record', offset, header, body }
    } else {
      yield { kind: 'damage', offset, bytes, header, short: false }
    }
    offset += bytes
  }
}

/** The offset of the next header; the end of the file if there is none. */
async function findRecord(window: Window, from: number, size: number, sequence: number): Promise<number> {
  for (let offset = from; offset + HEADER_BYTES <= size;) {
    const bytes = await window.at(offset, CHUNK_BYTES)
    for (let at = findMagic(bytes, 0); at >= 0; at = findMagic(bytes, at + 1)) {
      // The header may extend beyond the bytes read so far.
      const found =
        bytes.length - at >= HEADER_BYTES ? bytes.subarray(at) : await window.at(offset + at, HEADER_BYTES)
      if (readHeader(found, 0, sequence) !== undefined) return offset + at
    }
    offset += Math.max(1, bytes.length - MAGIC_BYTES + 1)
  }
  return size
}
