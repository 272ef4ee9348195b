// Reads records back from the segments, adjacent records in one read, and checks them.

import { readSync } from 'node:fs'
import { crc32 } from 'node:zlib'

import { HEADER_BYTES, readHeader } from './record.js'
import type { IndexEntry } from './record-index.js'
import type { Segment } from './log-files.js'

export class LogReader {
  /**
   * Returns the values of records, with their headers; undefined for a damaged record. Stops before a record that
   * cannot be read.
   *
   * @throws the error of the system if not even the first record can be read
   */
  read(entries: readonly IndexEntry[]): (Buffer | undefined)[] {
    const values: (Buffer | undefined)[] = []
    let mayCombine = true
    while (values.length < entries.length) {
      const begin = values.length
      const end = mayCombine ? neighbours(entries, begin) : begin + 1
      const { segment, offset } = entries[begin] as IndexEntry
      const last = entries[end - 1] as IndexEntry
      try {
        const bytes = segment && readBytes(segment, offset, last.offset + last.size - offset)
        for (const entry of entries.slice(begin, end))
          values.push(bytes && checkedValue(bytes, entry, offset))
      } catch (error) {
        // A bad sector must not hide the records before it.
        if (!mayCombine || end === begin + 1) {
          if (begin === 0) throw error
          return values
        }
        mayCombine = false
      }
    }
    return values
  }
}

/** Returns the end of the adjacent records in one segment. */
function neighbours(entries: readonly IndexEntry[], begin: number): number {
  let end = begin + 1
  for (; end < entries.length; ++end) {
    const before = entries[end - 1] as IndexEntry
    const entry = entries[end] as IndexEntry
    if (entry.segment !== before.segment || entry.offset !== before.offset + before.size) break
  }
  return end
}

function readBytes({ descriptor }: Segment, position: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size)
  for (let filled = 0; filled < size;) {
    const read = readSync(descriptor, bytes, filled, size - filled, position + filled)
    if (read === 0) return bytes.subarray(0, filled)
    filled += read
  }
  return bytes
}

function checkedValue(bytes: Buffer, entry: IndexEntry, base: number): Buffer | undefined {
  const value = bytes.subarray(entry.offset - base, entry.offset - base + entry.size)
  const header = readHeader(value, 0, entry.segment?.sequence ?? 0)
  if (header?.first !== entry.first || header.bodyBytes !== entry.size - HEADER_BYTES) return undefined
  return crc32(value.subarray(HEADER_BYTES)) === header.bodyChecksum ? value : undefined
}
