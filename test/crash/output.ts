// What the receiving application of the crash run leaves behind: one record for each message, appended in one write with
// its place in the sender's session. A kill may cut a write short, so only whole records count.

import {
  closeSync,
  existsSync,
  ftruncateSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

/** Index of the message, its number in the session. */
const RECORD_BYTES = 8

export class Output {
  readonly #descriptor: number
  readonly #sessionPath: string
  /** Number in the session of the last message. */
  readonly last: number
  session: string | undefined

  constructor(directory: string) {
    this.#sessionPath = join(directory, 'session')
    this.session = existsSync(this.#sessionPath) ? readFileSync(this.#sessionPath, 'utf8') : undefined
    this.#descriptor = openSync(join(directory, 'output'), 'a+')
    const whole = Math.floor(fstatSync(this.#descriptor).size / RECORD_BYTES) * RECORD_BYTES
    ftruncateSync(this.#descriptor, whole)
    const record = Buffer.alloc(RECORD_BYTES)
    if (whole > 0) readSync(this.#descriptor, record, 0, RECORD_BYTES, whole - RECORD_BYTES)
    this.last = record.readUInt32LE(4)
  }

  append(session: string, indexes: readonly number[], lastNumber: number): void {
    if (session !== this.session) {
      writeFileSync(`${this.#sessionPath}.new`, session)
      renameSync(`${this.#sessionPath}.new`, this.#sessionPath)
      this.session = session
    }
    const records = Buffer.alloc(indexes.length * RECORD_BYTES)
    indexes.forEach((index, i) => {
      records.writeUInt32LE(index, i * RECORD_BYTES)
      records.writeUInt32LE(lastNumber - indexes.length + 1 + i, i * RECORD_BYTES + 4)
    })
    for (let at = 0; at < records.length;) at += writeSync(this.#descriptor, records, at)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

export interface Findings {
  readonly messages: number
  readonly lost: number
  readonly twice: number
  readonly disordered: number
}

/** What became of the messages 1 to `expected`. */
export function inspectOutput(directory: string, expected: number): Findings {
  const records = readFileSync(join(directory, 'output'))
  const seen = new Uint8Array(expected + 1)
  let twice = 0
  let disordered = 0
  let before = 0
  const messages = Math.floor(records.length / RECORD_BYTES)
  for (let i = 0; i < messages; ++i) {
    const index = records.readUInt32LE(i * RECORD_BYTES)
    if (seen[index] === 1) ++twice
    if (index <= before) ++disordered
    seen[index] = 1
    before = index
  }
  let lost = 0
  for (let index = 1; index <= expected; ++index) if (seen[index] !== 1) ++lost
  return { messages, lost, twice, disordered }
}
