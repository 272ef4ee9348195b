// The files of a spool from outside: copies as a crash would leave them, and damage.

import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { HEADER_BYTES, readHeader, type RecordHeader } from '../../lib/spool/record.js'
import { temporaryDirectory } from './directory.js'

/** What a kill at this moment would leave: the files as the kernel has them, and no lock. */
export function leftBehind(directory: string): string {
  const copy = join(temporaryDirectory(), 'spool')
  cpSync(directory, copy, { recursive: true })
  chmodSync(copy, 0o700) // cpSync of Node 22 makes directories that others may read
  return copy
}

export function segmentsOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .sort()
}

export interface RecordPlace {
  readonly offset: number
  readonly size: number
  readonly header: RecordHeader
}

/** Where the records of a segment stand. */
export function recordsOf(directory: string, segment: string): RecordPlace[] {
  const bytes = readFileSync(join(directory, segment))
  const records: RecordPlace[] = []
  for (let offset = 0; offset < bytes.length;) {
    const header = readHeader(bytes, offset, Number.parseInt(segment, 10))
    if (header === undefined) throw new Error(`there is no record at ${offset}`)
    const size = HEADER_BYTES + header.bodyBytes
    records.push({ offset, size, header })
    offset += size
  }
  return records
}

/** Changes bits of one byte. */
export function flip(path: string, offset: number, mask = 1): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(offset) ^ mask, offset)
  writeFileSync(path, bytes)
}
