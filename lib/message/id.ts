// Message ids: decimal Unix nanoseconds. An id is kept in two parts, the millisecond and the six digits after it, and
// is converted to text only when it is read.

import { monotonicMs } from '../base/globals.js'

/** A millisecond in which messages were created; all of them share this object. */
export interface Millisecond {
  readonly text: string
  /** The milliseconds since 1970 divided by a million, rounded down; `rest` is the remainder. */
  readonly millions: number
  readonly rest: number
}

let latestMs = -1
let latest: Millisecond = { text: '0', millions: 0, rest: 0 }
let sequence = 0

/** Returns the six digits of the next id, which rise within a millisecond. `now` is Date.now(). */
export function nextSequence(now: number): number {
  if (now <= latestMs && sequence < 999_999) return ++sequence
  latestMs = Math.max(now, latestMs + 1)
  latest = { text: String(latestMs), millions: Math.floor(latestMs / 1e6), rest: latestMs % 1e6 }
  // Start from the monotonic clock's fraction of a millisecond, so that threads and processes get different ids. Always
  // six digits: padding a number would cost more than everything else here.
  sequence = 100_000 + Math.floor((monotonicMs() % 1) * 800_000)
  return sequence
}

/** The millisecond of the latest {@link nextSequence}. */
export function latestMillisecond(): Millisecond {
  return latest
}

/** Number of digits in such an id: 13 for the milliseconds, until the year 2286, and six more. */
export const STAMPED_ID_LENGTH = 19
