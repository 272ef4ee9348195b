// The contract between acknowledged delivery and the log that keeps its messages. `Spool` implements it.

import type { IpcError } from '../base/errors.js'

/**
 * Messages with consecutive numbers, as lines that end in a newline. An empty line stands for a message that is settled
 * or given up.
 */
export interface SpoolRecord {
  /** Number of the first line. */
  readonly first: number
  /** How many messages it holds. */
  readonly count: number
  /** The lines, each with its newline. */
  readonly lines: Buffer
  /** Whether some lines are empty. */
  readonly patchy: boolean
}

/** Messages that are about to be stored. */
export interface SpoolEntry {
  /** How many messages it holds. */
  readonly count: number
  /** `headerBytes` that the spool fills in, then the lines. Must not change until `durable` settles. */
  readonly value: Buffer
  /** The number of lines of priority 0, 1 and 2. */
  readonly priorities: readonly [number, number, number]
}

/** Callbacks of the user of a spool. Each is called in a microtask of its own. */
export interface SpoolEvents {
  /** Messages were given up: too old (`expired`), or damaged (`storage`). */
  onLost(count: number, reason: 'expired' | 'storage', error: IpcError): void
  /**
   * Records were added other than by `append`. Only for a log that fills by itself, such as one fed by a message
   * system.
   */
  onMore?(): void
}

/** A place where messages wait, in order, until they are settled. Used by one sender at a time. */
export interface SpoolLog {
  /** The session that the numbers belong to: 32 hexadecimal digits. */
  readonly session: string
  /** Every message up to this number is settled or given up. */
  readonly settledThrough: number
  /**
   * Every message up to this number stays settled or given up even if this process is killed. A receiver must remember
   * settled messages beyond it, because they may be sent again. Default: `settledThrough`.
   */
  readonly recordedThrough?: number
  /** The number that the next line gets. */
  readonly next: number
  /**
   * Messages that are neither settled nor given up. Messages found damaged when the spool was opened count until
   * `attach` reports them lost, so that a sender's sums include them.
   */
  readonly messages: number
  /** The size with which the stored records count towards `maxBytes`. */
  readonly bytes: number
  /** Maximum size of the stored messages in bytes. */
  readonly maxBytes: number
  /** Bytes that the spool needs in front of the lines of an entry. */
  readonly headerBytes: number
  /** Bytes that an entry counts in addition to its lines. */
  readonly overheadBytes: number
  /**
   * Registers the sender that uses the spool. Losses are reported to it, including those found when the spool was
   * opened.
   *
   * @throws TypeError if a sender is attached already
   */
  attach(events: SpoolEvents): void
  /** Whether entries that count for this many bytes fit. */
  fits(bytes: number): boolean
  /**
   * Gives up durable messages after number `through` until entries that count for this many bytes fit: the oldest
   * first, or with `below` only those of a lower priority, the lowest first. Gives up nothing if that would not be
   * enough. Returns the number of messages given up.
   */
  makeRoom(bytes: number, through: number, below: number | undefined): number
  /**
   * Stores an entry under the next numbers. `durable` resolves when it is as durable as `durability` promises, in the
   * order of the calls. If it rejects, the messages were not stored and their numbers stay unused; but after an error
   * with reason `maybe-kept` the next process may find them, so they still count as `messages`. After this reason and
   * after `spool-failed`, the log accepts no more entries.
   */
  append(entry: SpoolEntry): {
    /** Number of the first message. */
    readonly first: number
    /** Resolves when the messages survive the failures that `durability` names. */
    readonly durable: Promise<void>
  }
  /** Returns durable records from a number on, of about this many bytes in total; at least one if there is one. */
  read(from: number, maxBytes: number): SpoolRecord[]
  /**
   * Settles the messages of a range, in any order of ranges. Returns how many of them were not settled before. The log
   * records it a moment later: after a crash in between, the messages are unsettled again. `rejection` is the
   * receiver's reason if it rejected them.
   */
  settle(first: number, through: number, rejection?: string): number
  /** Gives up durable messages after number `through` that are older than `maxAgeMs`. */
  expire(through: number): void
  /** Writes pending data, and releases the directory. */
  close(): Promise<void>
}
