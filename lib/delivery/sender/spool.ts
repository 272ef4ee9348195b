// What acknowledged delivery wants of a spool. The one that we have is `LmdbSpool` in sentinel-ipc/lmdb; this file must
// not know it.

import type { IpcError } from '../../base/errors.js'

/** Messages as lines with their newlines. An empty line: that message was given up. */
export interface SpoolRecord {
  /** Number of the first line. */
  readonly first: number
  readonly count: number
  readonly lines: Buffer
  /** Some lines are empty. */
  readonly patchy: boolean
}

/** What is about to be kept. */
export interface SpoolEntry {
  readonly count: number
  /** `headerBytes` that the spool fills in, then the lines. Both stay as they are until it is durable. */
  readonly value: Buffer
  /** How many of the lines are of priority 0, 1 and 2. */
  readonly priorities: readonly [number, number, number]
}

/** What a spool tells the one that uses it. */
export interface SpoolEvents {
  /** Messages were given up: too old (`expired`), or damaged (`storage`). */
  onLost(count: number, reason: 'expired' | 'storage', error: IpcError): void
}

/** A place where messages wait, in order, until they are acknowledged. Used by one sender at a time. */
export interface Spool {
  /** The session that the numbers belong to: 32 hexadecimal digits. */
  readonly session: string
  /** All through here is acknowledged. */
  readonly acknowledged: number
  /** Number that the next line gets. */
  readonly next: number
  /** Lines kept, without those given up. */
  readonly messages: number
  readonly bytes: number
  readonly maxBytes: number
  /** Room that it wants in front of the lines of an entry. */
  readonly headerBytes: number
  /** What an entry counts for besides its lines. */
  readonly overheadBytes: number
  /** Says who is told of losses; what was lost before is told at once. */
  attach(events: SpoolEvents): void
  /** Whether entries that count for so many bytes would be taken. */
  fits(bytes: number): boolean
  /**
   * Gives up kept lines behind `through` until entries that count for so many bytes fit: the oldest first, with `below` only those of
   * lower priority. Answers how many lines went; they may still not fit.
   */
  makeRoom(bytes: number, through: number, below: number | undefined): number
  /**
   * Keeps an entry under the next numbers. `durable` resolves when it is as safe as it will
   * get, those of several entries in their order.
   */
  append(entry: SpoolEntry): { readonly first: number; readonly durable: Promise<void> }
  /** Durable records from a number on, of about so many bytes, at least one if there is one. */
  read(from: number, maxBytes: number): SpoolRecord[]
  /** All through here is done with, and is removed some time. Answers how many lines that were. */
  acknowledge(through: number): number
  /** Gives up what is too old and behind `through`. */
  expire(through: number): void
  close(): Promise<void>
}
