// What the receiving application of the crash run leaves behind: one record for each message that it finished, appended in one
// write with its number in the sender's session. A kill may cut a write short, so only whole records count.

import {
  closeSync,
  existsSync,
  ftruncateSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

import type { Told } from './notes.js'

/** Index of the message, its number in the session. */
const RECORD_BYTES = 8

export class Output {
  readonly #descriptor: number
  readonly #sessionPath: string
  /** Every message of the session through this number is finished. */
  readonly through: number
  /** Finished messages beyond it. */
  readonly beyond: readonly number[]
  session: string | undefined

  constructor(directory: string) {
    this.#sessionPath = join(directory, 'session')
    this.session = existsSync(this.#sessionPath) ? readFileSync(this.#sessionPath, 'utf8') : undefined
    this.#descriptor = openSync(join(directory, 'output'), 'a+')
    const whole = Math.floor(fstatSync(this.#descriptor).size / RECORD_BYTES) * RECORD_BYTES
    ftruncateSync(this.#descriptor, whole)
    const finished = new Set(numbersIn(readFileSync(join(directory, 'output'))))
    let through = 0
    // A refused message is not in the output, and its number is not needed.
    while (finished.has(through + 1)) finished.delete(++through)
    this.through = through
    this.beyond = [...finished]
  }

  append(session: string, indexes: readonly number[], numbers: readonly number[]): void {
    if (session !== this.session) {
      writeFileSync(`${this.#sessionPath}.new`, session)
      renameSync(`${this.#sessionPath}.new`, this.#sessionPath)
      this.session = session
    }
    const records = Buffer.alloc(indexes.length * RECORD_BYTES)
    indexes.forEach((index, i) => {
      records.writeUInt32LE(index, i * RECORD_BYTES)
      records.writeUInt32LE(numbers[i] ?? 0, i * RECORD_BYTES + 4)
    })
    for (let at = 0; at < records.length;) at += writeSync(this.#descriptor, records, at)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function numbersIn(records: Buffer): number[] {
  return Array.from({ length: Math.floor(records.length / RECORD_BYTES) }, (_, i) =>
    records.readUInt32LE(i * RECORD_BYTES + 4),
  )
}

export interface Findings {
  readonly messages: number
  readonly lost: number
  readonly twice: number
  /** Messages that are there although they were to be refused. */
  readonly unrefused: number
  /** Messages under another number than their own. */
  readonly misnumbered: number
  /** Messages that are there although their sender was told that they were given up. */
  readonly misreported: number
  /** Messages that are not there, and of which the sender was told nothing because it was killed. */
  readonly untold: number
}

/**
 * What became of the messages 1 to `expected`, of which some were to be refused.
 *
 * @param told what their sender was told of them
 * @param fullDisk whether a message that its sender was told nothing of may be gone
 */
export function inspectOutput(
  directory: string,
  expected: number,
  isRefused: (index: number) => boolean,
  told: readonly Told[],
  fullDisk: boolean,
): Findings {
  const records = readFileSync(join(directory, 'output'))
  const seen = new Uint8Array(expected + 1)
  let twice = 0
  let misnumbered = 0
  const messages = Math.floor(records.length / RECORD_BYTES)
  for (let i = 0; i < messages; ++i) {
    const index = records.readUInt32LE(i * RECORD_BYTES)
    if (records.readUInt32LE(i * RECORD_BYTES + 4) !== index) ++misnumbered
    if (seen[index] === 1) ++twice
    seen[index] = 1
  }
  let lost = 0
  let unrefused = 0
  let misreported = 0
  let untold = 0
  for (let index = 1; index <= expected; ++index) {
    const arrived = seen[index] === 1
    if (told[index] === 'given up') {
      if (arrived) ++misreported
    } else if (isRefused(index)) {
      if (arrived) ++unrefused
    } else if (!arrived) {
      if (fullDisk && told[index] === 'nothing') ++untold
      else ++lost
    }
  }
  return { messages, lost, twice, unrefused, misnumbered, misreported, untold }
}
