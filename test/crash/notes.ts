// What the sending application of the crash run was told of its messages, noted outside of the spool's disk: `spooled` must
// arrive, `given up` must not. A kill may come before the note; then either is right.

import { openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const SPOOLED = 1
const GIVEN_UP = 2
/** From this index on, nothing is known: the messages are sent again. */
const OPEN = 0
const NOTE_BYTES = 9

export type Told = 'spooled' | 'given up' | 'nothing'

export class Notes {
  readonly #descriptor: number

  constructor(directory: string) {
    this.#descriptor = openSync(join(directory, 'notes'), 'a+')
  }

  spooled(first: number, last: number): void {
    this.#write(SPOOLED, first, last)
  }

  givenUp(index: number): void {
    this.#write(GIVEN_UP, index, index)
  }

  /** A new process begins at this index. Returns whether an earlier one was told that the spool has it. */
  begin(index: number): boolean {
    const told = this.read(index)
    let broken = false
    for (let i = index; i < told.length; ++i) broken ||= told[i] === 'spooled'
    this.#write(OPEN, index, 0xffff_ffff)
    return broken
  }

  /** What was last said of each index. */
  read(atLeast: number): Told[] {
    const told: Told[] = Array<Told>(atLeast + 1).fill('nothing')
    const note = Buffer.alloc(NOTE_BYTES)
    for (let at = 0; readSync(this.#descriptor, note, 0, NOTE_BYTES, at) === NOTE_BYTES; at += NOTE_BYTES) {
      const [kind, first, last] = [note.readUInt8(0), note.readUInt32LE(1), note.readUInt32LE(5)]
      if (kind === OPEN) told.fill('nothing', first)
      else for (let i = first; i <= last; ++i) told[i] = kind === SPOOLED ? 'spooled' : 'given up'
    }
    return told
  }

  #write(kind: number, first: number, last: number): void {
    const note = Buffer.alloc(NOTE_BYTES)
    note.writeUInt8(kind, 0)
    note.writeUInt32LE(first, 1)
    note.writeUInt32LE(last, 5)
    writeSync(this.#descriptor, note)
  }
}
