// Messages that wait apart from the order in which they were read: released ones, those that are in hand at an earlier
// connection, and those behind another message of their key.
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

  /** Messages are ordered by key. */
  get isOrdered(): boolean {
    return this.#keys !== undefined
  }

  /** Messages will be handed out from here, without anything more being read. */
  get any(): boolean {
    return this.#due.length + this.#delayed.size + this.#parked > 0
  }

  /** The next message whose time has come. */
  shift(): Place | undefined {
    return this.#due.shift()
  }

  add(place: Place, delayMs: number): void {
    if (delayMs > 0) this.#delayed.add(place, delayMs)
    else this.#due.push(place)
  }

  /** A message is in hand at an earlier connection: it waits until it is freed there. */
  putAside(number: number, place: Place): void {
    this.#aside.set(number, place)
  }

  /** Messages in hand elsewhere were settled or released. */
  onFreed(session: Session | undefined): void {
    for (const [number, place] of this.#aside) {
      if (session?.isInHandElsewhere(number) === true) continue
      this.#aside.delete(number)
      if (session?.isSettled(number) === true) this.drop(place, 'duplicates')
      else this.#due.push(place)
    }
  }

  /** Takes the key of a message that is about to be handed out; the message may have to wait for it. */
  claim(place: Place): Claim {
    const claim = this.#keys?.claim(messageAt(place), place.run.keyAt(place.index), place) ?? 'claimed'
    if (claim === 'waits') ++this.#parked
    return claim
  }

  /** A message keeps its key under another object: it was released, and a copy comes in its place. */
  moveKey(from: SOCMessage, to: SOCMessage): void {
    this.#keys?.move(from, to)
  }

  /** A message is settled: the next one of its key is due. */
  freeKey(run: ReceivedRun, index: number): void {
    if (this.#keys === undefined) return
    const next = this.#keys.free(messageAt({ run, index }), messageAt)
    if (next === undefined) return
    --this.#parked
    this.#due.push(next)
  }

  /** The next connection carries this message again, and later ones of its key follow it. Drops the later ones that wait here. */
  abandonKey(place: Place): void {
    for (const later of this.#keys?.abandon(messageAt(place), place.run.keyAt(place.index)) ?? []) {
      --this.#parked
      this.drop(later, 'superseded')
    }
  }

  /** The next connection brings a message that waits here. */
  supersede(place: Place): void {
    this.abandonKey(place)
    this.drop(place, 'superseded')
  }

  /** A message that waits will not be handed out here. */
  drop({ run, index }: Place, why: 'duplicates' | 'superseded'): void {
    run.finishOne(index)
    this.#tally.removeWaiting(1, run.bytesEach)
    ++this.#tally[why]
    this.freeKey(run, index)
  }

  /** Drops everything that waits behind a message of its key. */
  dropParked(): void {
    const parked = this.#keys?.clear() ?? []
    this.#parked = 0
    for (const place of parked) this.drop(place, 'superseded')
  }

  /** Drops what came back: the next connection brings it. What waits behind one in hand stays, in its order. */
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
