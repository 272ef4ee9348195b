// When to wait for a message in a loop instead of in the event loop: the processor does not go to sleep, and what comes is
// there some microseconds sooner. Bounded, so that timers and other connections keep their turn. Must not know
// descriptors.

/** Waiting in a loop for messages. Takes a processor while it lasts. Without effect on Windows. */
export interface BusyPollOptions {
  /** How long a receiver that somebody waits for looks for bytes before it goes back to the event loop. From 1 to 1000. */
  readonly maxMicroseconds: number
}

const MOST_MICROSECONDS = 1000
/** After so long without a turn of the event loop, it gets one, however many messages come. */
const TURN_MS = 1

/** @throws RangeError for a time that makes no sense */
export function checkBusyPoll(options: BusyPollOptions | undefined): number {
  if (options === undefined) return 0
  const { maxMicroseconds } = options
  if (!Number.isInteger(maxMicroseconds) || maxMicroseconds < 1 || maxMicroseconds > MOST_MICROSECONDS) {
    throw new RangeError(`busyPoll.maxMicroseconds must be a whole number from 1 to ${MOST_MICROSECONDS}`)
  }
  // There only the event loop can read.
  return process.platform === 'win32' ? 0 : maxMicroseconds
}

/** When the event loop had its last turn, as far as it is known. All receivers of a thread share its turns. */
let turnAt = 0

/** The event loop runs: what comes now was brought by it. */
export function noteTurn(): void {
  turnAt = performance.now()
}

/** Has a receiver poll, once each time that somebody begins to wait for it. */
export class BusyPoll {
  readonly #poll: () => void
  #requested = false

  /** `poll` looks for bytes for as long as it may, if anybody still waits for them. */
  constructor(poll: () => void) {
    this.#poll = poll
  }

  /** Polls when those who run now are done, as what they are about to send may be what brings the answer. */
  request(): void {
    if (this.#requested) return
    this.#requested = true
    queueMicrotask(this.#run)
  }

  readonly #run = (): void => {
    if (performance.now() - turnAt < TURN_MS) {
      this.#requested = false
      this.#poll()
      return
    }
    setImmediate(() => {
      noteTurn()
      this.#requested = false
      this.#poll()
    })
  }
}
