// Ids of messages: decimal Unix nanoseconds. Kept in two parts, the millisecond and six digits that follow, so that an id
// becomes text only when somebody asks for it.

import { monotonicMs } from '../base/globals.js'

/** A millisecond in which messages were made. They all share it. */
export interface Millisecond {
  readonly text: string
  /** The milliseconds since 1970, divided by a million, and what is left of them. */
  readonly millions: number
  readonly rest: number
}

let latestMs = -1
let latest: Millisecond = { text: '0', millions: 0, rest: 0 }
let sequence = 0

/** The six digits of the next id. They rise within a millisecond. `now` is Date.now(). */
export function nextSequence(now: number): number {
  if (now <= latestMs && sequence < 999_999) return ++sequence
  latestMs = Math.max(now, latestMs + 1)
  latest = { text: String(latestMs), millions: Math.floor(latestMs / 1e6), rest: latestMs % 1e6 }
  // What the monotonic clock has below the millisecond tells threads and processes apart. Six digits always: a
  // padded number would cost more than all the rest.
  sequence = 100_000 + Math.floor((monotonicMs() % 1) * 800_000)
  return sequence
}

/** The millisecond that {@link nextSequence} counted last. */
export function latestMillisecond(): Millisecond {
  return latest
}

/** Digits of such an id: the milliseconds, until the year 2286, and six more. */
export const STAMPED_ID_LENGTH = 19
