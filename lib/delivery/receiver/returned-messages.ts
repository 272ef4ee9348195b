// Messages that wait outside the order in which they were read: released messages, messages in hand at an earlier
// connection, and messages behind another one with the same key.
//
//                ┌──> delayed ──the time has come──┐
//     released ──┴─────────────────────────────────┴──> due ──> handed out
//     in hand elsewhere ──> aside ──freed there──────────^
//     behind their key ──> parked ──the one before is settled──^

import type { SOCMessage } from '../../message/message.js'
import { DelayQueue } from './delay-queue.js'
import { KeyOrder, type Claim } from './key-order.js'
import type { ReceivedRun } from './received-run.js'
import type { Session } from './session.js'
import type { Tally } from './tally.js'

/** One message of a run. */
export interface Place {
  readonly run: ReceivedRun
  readonly index: number
}

export class ReturnedMessages {
  readonly #tally: Tally
  readonly #keys: KeyOrder<Place> | undefined
  #due: Place[] = []
  readonly #delayed: DelayQueue<Place>
  /** By number: in hand at an earlier connection of the session. */
  readonly #aside = new Map<number, Place>()
  #parked = 0

  /** @param onDue called when a delay is over */
  constructor(tally: Tally, isOrdered: boolean, onDue: () => void) {
    this.#tally = tally
    this.#keys = isOrdered ? new KeyOrder<Place>() : undefined
    this.#delayed = new DelayQueue<Place>((places) => {
      this.#due.push(...places)
      onDue()
    })
  }

  /** Whether messages are ordered by key. */
  get isOrdered(): boolean {
    return this.#keys !== undefined
  }

  /** Whether messages will be handed out from here even if nothing more is read. */
  get any(): boolean {
    return this.#due.length + this.#delayed.size + this.#parked > 0
  }

  /** Removes and returns the next due message. */
  shift(): Place | undefined {
    return this.#due.shift()
  }

  add(place: Place, delayMs: number): void {
    if (delayMs > 0) this.#delayed.add(place, delayMs)
    else this.#due.push(place)
  }

  /** Puts a message aside that is in hand at an earlier connection, until it is freed there. */
  putAside(number: number, place: Place): void {
    this.#aside.set(number, place)
  }

  /** Call when messages in hand elsewhere were settled or released. */
  onFreed(session: Session | undefined): void {
    for (const [number, place] of this.#aside) {
      if (session?.isInHandElsewhere(number) === true) continue
      this.#aside.delete(number)
      if (session?.isSettled(number) === true) this.drop(place, 'duplicates')
      else this.#due.push(place)
    }
  }

  /** Claims the key of a message that is about to be handed out. The message may have to wait for it. */
  claim(place: Place): Claim {
    const claim = this.#keys?.claim(messageAt(place), place.run.keyAt(place.index), place) ?? 'claimed'
    if (claim === 'waits') ++this.#parked
    return claim
  }

  /** Moves a key from a released message to the copy that replaces it. */
  moveKey(from: SOCMessage, to: SOCMessage): void {
    this.#keys?.move(from, to)
  }

  /** Releases the key of a settled message, so that the next message of the key becomes due. */
  freeKey(run: ReceivedRun, index: number): void {
    if (this.#keys === undefined) return
    const next = this.#keys.free(messageAt({ run, index }), messageAt)
    if (next === undefined) return
    --this.#parked
    this.#due.push(next)
  }

  /**
   * Drops the later messages of a key that wait here: the next connection carries this message again, and the later
   * ones follow it.
   */
  abandonKey(place: Place): void {
    for (const later of this.#keys?.abandon(messageAt(place), place.run.keyAt(place.index)) ?? []) {
      --this.#parked
      this.drop(later, 'superseded')
    }
  }

  /** Drops a waiting message because the next connection carries it again. */
  supersede(place: Place): void {
    this.abandonKey(place)
    this.drop(place, 'superseded')
  }

  /** Drops a waiting message, which will not be handed out here. */
  drop({ run, index }: Place, why: 'duplicates' | 'superseded'): void {
    run.finishOne(index)
    this.#tally.removeWaiting(1, run.bytesEach)
    if (why === 'superseded') this.#tally.supersede(1, run.isNumbered)
    else ++this.#tally.duplicates
    this.freeKey(run, index)
  }

  /** Drops all messages that wait behind another one of their key. */
  dropParked(): void {
    const parked = this.#keys?.clear() ?? []
    this.#parked = 0
    for (const place of parked) this.drop(place, 'superseded')
  }

  /**
   * Drops the returned messages, because the next connection carries them again. Messages that wait behind one in hand
   * stay, in their order.
   */
  dropReturned(): void {
    const places = [...this.#due, ...this.#delayed.clear(), ...this.#aside.values()]
    this.#due = []
    this.#aside.clear()
    for (const place of places) this.supersede(place)
  }
}

function messageAt({ run, index }: Place): SOCMessage {
  return run.messages[index] as SOCMessage
}
