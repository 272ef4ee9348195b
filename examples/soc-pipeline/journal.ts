// What soc-correlate has finished, in a file that survives it: one record for each run of events, written before they are
// acknowledged. A new process reads it, has the same rules in the same state, and takes no event a second time.

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

import type { Position } from 'sentinel-ipc'

import type { Fact } from './rules/fact.js'

/** One run of events that are finished. */
export interface JournalRecord {
  /** Where the last one stands in the flow; undefined for a sender that does not number its messages. */
  readonly position: Position | undefined
  readonly events: number
  /** What the rules made of them. Most events report nothing that a rule needs. */
  readonly facts: readonly Fact[]
}

export class Journal {
  readonly #descriptor: number
  /** The records that were there when it was opened. */
  readonly records: readonly JournalRecord[]

  constructor(path: string) {
    this.#descriptor = openSync(path, 'a+', 0o600)
    const bytes = readFileSync(this.#descriptor)
    // A kill in the middle of a write leaves a torn last line: its events were not acknowledged, and come again.
    const whole = bytes.lastIndexOf('\n') + 1
    ftruncateSync(this.#descriptor, whole)
    this.records = bytes
      .toString('utf8', 0, whole)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JournalRecord)
  }

  /** Records a run. The kernel has it when this returns, which is enough for the end of a process at any moment. */
  append(record: JournalRecord): void {
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`)
    for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}
