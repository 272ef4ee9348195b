// Decides which messages are handed out next: returned messages first, then the queue in order, skipping messages that
// are already settled, in hand elsewhere, or behind another message of their key.

import type { IpcError } from '../../base/errors.js'
import type { Hand } from './reader.js'
import { ERROR_BYTES, ReceivedQueue } from './received-queue.js'
import { ReceivedRun } from './received-run.js'
import type { Place, ReturnedMessages } from './returned-messages.js'
import type { Session } from './session.js'
import type { Tally } from './tally.js'

export interface SelectionRules {
  /** Whether a message in hand at an earlier connection delays all later ones, not only itself. */
  readonly waitsForEarlier: boolean
  /** Whether the connection still reads. */
  isOpen(): boolean
}

export class Selection {
  readonly #tally: Tally
  readonly #returned: ReturnedMessages
  readonly #rules: SelectionRules
  readonly #queue = new ReceivedQueue()
  #session: Session | undefined

  constructor(tally: Tally, returned: ReturnedMessages, rules: SelectionRules) {
    this.#tally = tally
    this.#returned = returned
    this.#rules = rules
  }

  /** Whether one more error would be kept. */
  get takesErrors(): boolean {
    return this.#queue.takesErrors
  }

  /** Whether nothing waits and nothing will return by itself. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty && !this.#returned.any
  }

  /** Sets the session of the following messages. */
  begin(session: Session): void {
    this.#session = session
  }

  addRun(run: ReceivedRun): void {
    this.#tally.addWaiting(run.count, run.bytes)
    this.#queue.push(run)
  }

  addError(error: IpcError): void {
    this.#tally.addWaiting(0, ERROR_BYTES)
    this.#queue.push(error)
  }

  /** Returns the next messages or error; undefined if there is none at present. */
  take(one: boolean, room: number): Hand | IpcError | undefined {
    const session = this.#session
    for (let place = this.#returned.shift(); place !== undefined; place = this.#returned.shift()) {
      const { run, index } = place
      const number = run.first + index
      if (run.isNumbered && session?.isSettled(number) === true) this.#returned.drop(place, 'duplicates')
      else if (run.isNumbered && session?.isInHandElsewhere(number) === true) this.#putAside(number, place)
      else return { run, begin: index, end: index + 1 }
    }
    for (;;) {
      const entry = this.#queue.front
      if (entry === undefined) return undefined
      if (!(entry instanceof ReceivedRun)) {
        this.#tally.removeWaiting(0, ERROR_BYTES)
        this.#queue.shift()
        return entry
      }
      const hand = this.#takeFrom(entry, one, room)
      if (hand === 'blocked') return undefined
      if (entry.next === entry.count) this.#queue.shift()
      if (hand !== undefined) return hand
    }
  }

  /** Discards the messages that wait. */
  discard(): void {
    for (const run of this.#queue.takeRuns()) {
      for (let index = run.next; index < run.count; ++index) this.#returned.drop({ run, index }, 'superseded')
      run.next = run.count
    }
    this.#returned.dropParked()
    this.#returned.dropReturned()
  }

  #takeFrom(run: ReceivedRun, one: boolean, room: number): Hand | 'blocked' | undefined {
    const session = run.isNumbered ? this.#session : undefined
    const { isOrdered } = this.#returned
    if (!isOrdered && (session === undefined || session.isNews(run.first + run.next))) {
      const begin = run.next
      const end = one ? begin + 1 : Math.min(run.count, begin + room)
      run.next = end
      return { run, begin, end }
    }
    while (run.next < run.count) {
      const index = run.next
      const number = run.first + index
      const place = { run, index }
      const isElsewhere = session?.isInHandElsewhere(number) === true
      if (session?.isSettled(number) === true) {
        ++run.next
        this.#returned.drop(place, 'duplicates')
        continue
      }
      if (isElsewhere && this.#rules.waitsForEarlier) return 'blocked'
      // A message in hand elsewhere takes its key as well: later ones of the key must wait for it.
      const claim = this.#returned.claim(place)
      if (claim === 'waits') {
        ++run.next
      } else if (claim === 'abandoned') {
        ++run.next
        this.#returned.drop(place, 'superseded')
      } else if (isElsewhere) {
        ++run.next
        this.#putAside(number, place)
      } else {
        run.next = one || isOrdered ? index + 1 : this.#endOfPlain(run, session, index, room)
        return { run, begin: index, end: run.next }
      }
    }
    return undefined
  }

  /**
   * Handles a message that is in hand at an earlier connection. If this connection has ended, the next one carries it.
   */
  #putAside(number: number, place: Place): void {
    if (this.#rules.isOpen()) this.#returned.putAside(number, place)
    else this.#returned.supersede(place)
  }

  /**
   * Returns the end of the messages from `index` on that can be handed out together. A released message is handed out
   * alone.
   */
  #endOfPlain(run: ReceivedRun, session: Session | undefined, index: number, room: number): number {
    const isPlain = (at: number): boolean =>
      session === undefined ||
      (session.releasesOf(run.first + at) === 0 &&
        !session.isSettled(run.first + at) &&
        !session.isInHandElsewhere(run.first + at))
    if (!isPlain(index)) return index + 1
    const most = Math.min(run.count, index + room)
    let end = index + 1
    while (end < most && isPlain(end)) ++end
    return end
  }
}
