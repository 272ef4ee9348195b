// Writes the records that hold the state of a spool rather than messages: the start record of each segment, which
// carries all of it, and records of settled numbers, which change it.

import type { IpcError } from '../base/errors.js'
import type { SpoolClock } from './clock.js'
import type { Segment } from './log-files.js'
import type { LogWriter } from './log-writer.js'
import type { Range } from './ranges.js'
import { controlRecord, RecordKind } from './record.js'
import type { StartState } from './recovery.js'

/** The part of the state that the spool and its index provide. */
export type SpoolState = Omit<StartState, 'version' | 'bootId' | 'baseMs'>

export class StateRecords {
  readonly #writer: () => LogWriter
  readonly #clock: SpoolClock
  readonly #state: () => SpoolState

  constructor(writer: () => LogWriter, clock: SpoolClock, state: () => SpoolState) {
    this.#writer = writer
    this.#clock = clock
    this.#state = state
  }

  /** Makes the first record of a segment. */
  start({ sequence }: Segment): Buffer {
    const { bootId, baseMs } = this.#clock
    const state: StartState = { version: 1, bootId, baseMs, ...this.#state() }
    return this.#make(RecordKind.start, state, sequence)
  }

  /** Begins a new segment with the current state. Rejects if it cannot be written. */
  checkpoint(): Promise<void> {
    this.#writer().seal()
    return new Promise((resolve, reject) => {
      this.#write({ sync: true, ranges: [], onWritten: resolve, onFailed: reject })
    })
  }

  /** Records that ranges are settled, without waiting for the disk. */
  settled(
    ranges: readonly Range[],
    outcome: { readonly onWritten: () => void; readonly onFailed: () => void },
  ): void {
    this.#write({ sync: false, ranges, ...outcome })
  }

  /**
   * Records that messages of a failed `add` are gone, as durably as they were written. Rejects if that cannot be
   * written.
   */
  withdrawn(first: number, through: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#write({ sync: true, ranges: [[first, through]], onWritten: resolve, onFailed: reject })
    })
  }

  #write({ sync, ranges, onWritten, onFailed }: ControlJob): void {
    this.#writer().enqueue({
      sync,
      urgent: true,
      make: ({ sequence }) => this.#make(RecordKind.settled, ranges, sequence),
      onWritten,
      onFailed,
    })
  }

  #make(kind: RecordKind, body: unknown, segment: number): Buffer {
    const timeMs = this.#clock.nowMs()
    const wallMs = this.#clock.wallMs()
    return controlRecord(kind, body, { count: 0, first: 0, priorities: [0, 0, 0], timeMs, wallMs, segment })
  }
}

interface ControlJob {
  readonly sync: boolean
  readonly ranges: readonly Range[]
  readonly onWritten: () => void
  readonly onFailed: (error: IpcError) => void
}
