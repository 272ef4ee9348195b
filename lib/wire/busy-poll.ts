// When to wait for a message in a loop instead of asleep: to be woken takes longer than all the rest of a round trip. A
// receiver asks for it each time that somebody begins to wait; the addon does it while the event loop has nothing else
// to do. Must not know descriptors.

import { PollWord } from '../binding/abi.js'

/**
 * Waiting in a loop for messages, which takes a processor while it lasts: each side should have its own. Without effect on
 * Windows.
 */
export interface BusyPollOptions {
  /**
   * How long a thread with a receiver that somebody waits for looks for messages before it goes to sleep. From 1 to
   * 1000.
   */
  readonly maxMicroseconds: number
}

/** Microseconds; {@link NEVER}; or {@link IF_IT_PAYS}. */
export type PollRequest = number

const NEVER = 0
/** For 50 µs, as long as most of what is waited for comes at once; see native/readiness/poll_history.h. */
const IF_IT_PAYS = -1

const MOST_MICROSECONDS = 1000

/** @throws RangeError for a time that makes no sense */
export function toPollRequest(options: BusyPollOptions | false | undefined): PollRequest {
  if (options === undefined) return IF_IT_PAYS
  if (options === false) return NEVER
  const { maxMicroseconds } = options
  if (!Number.isInteger(maxMicroseconds) || maxMicroseconds < 1 || maxMicroseconds > MOST_MICROSECONDS) {
    throw new RangeError(`busyPoll.maxMicroseconds must be a whole number from 1 to ${MOST_MICROSECONDS}`)
  }
  return maxMicroseconds
}

/** What the receivers of this thread ask for; the longest time counts. */
export const pollWords = new Int32Array(PollWord.count)

/** Somebody waits for a message. */
export function requestPoll(request: PollRequest): void {
  if (request === IF_IT_PAYS) pollWords[PollWord.ifItPays] = 1
  else if (request > (pollWords[PollWord.microseconds] as number)) pollWords[PollWord.microseconds] = request
}
