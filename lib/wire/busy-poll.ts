// Busy polling: waiting for a message in a loop instead of sleeping, because waking a thread takes longer than the rest
// of a round trip. A receiver requests it whenever a caller begins to wait; the addon polls while the event loop is
// idle. Must not know descriptors.

import { checkOptions, wholeNumber, type OptionTable } from '../base/options.js'
import { PollWord } from '../binding/abi.js'

/**
 * Waits for messages in a loop (busy polling). This occupies a processor while it lasts, so each side should have one
 * of its own. Polling becomes rare if fewer than half of the messages arrive in time, or if other processes need the
 * processor. Has no effect on Windows.
 */
export interface BusyPollOptions {
  /**
   * How long a thread looks for messages before it goes to sleep, while a caller waits on one of its receivers. From 1
   * to 1000 µs.
   */
  readonly maxMicroseconds: number
}

/** Microseconds; {@link NEVER}; or {@link IF_IT_PAYS}. */
export type PollRequest = number

const NEVER = 0
/** For 50 µs, while most messages arrive within 20 µs; see native/readiness/poll_history.h. */
const IF_IT_PAYS = -1

const MOST_MICROSECONDS = 1000

const TABLE: OptionTable<BusyPollOptions> = { maxMicroseconds: wholeNumber(1, MOST_MICROSECONDS) }

/** @throws RangeError for an invalid time; TypeError for anything else that is not allowed */
export function toPollRequest(options: BusyPollOptions | false | undefined): PollRequest {
  if (options === undefined) return IF_IT_PAYS
  if (options === false) return NEVER
  const { maxMicroseconds } = checkOptions('busyPoll', options, TABLE)
  if (maxMicroseconds === undefined) throw new TypeError('busyPoll needs maxMicroseconds')
  return maxMicroseconds
}

/** The requests of the receivers of this thread, of which the longest time counts. Shared with the addon. */
export const pollWords = new Int32Array(PollWord.count)

/** Requests polling on behalf of a caller that begins to wait for a message. */
export function requestPoll(request: PollRequest): void {
  if (request === IF_IT_PAYS) pollWords[PollWord.ifItPays] = 1
  else if (request > (pollWords[PollWord.microseconds] as number)) pollWords[PollWord.microseconds] = request
}
