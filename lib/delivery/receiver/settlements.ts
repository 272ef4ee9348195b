// Settles the messages that the application has in hand, and updates the session: accepts them, releases them, or
// rejects them when their dead letters are stored. Must not know the loops that request messages.
//
//     in hand ──> accepted
//        ├──> released ──> waits again, or the next connection brings it
//        └──> rejected ──> (kept as a dead letter) ──> told
//                 └── could not be kept ──> waits again

import { copyOf, deliveryOf, type SOCMessage } from '../../message/message.js'
import type { DeadLetters } from './dead-letters.js'
import type { Hand } from './reader.js'
import { ReceivedRun, type Settler } from './received-run.js'
import type { ReturnedMessages } from './returned-messages.js'
import { RunsInHand } from './runs-in-hand.js'
import type { Session } from './session.js'
import type { Tally } from './tally.js'

/** Milliseconds before a message is handed out again whose dead letter could not be stored. */
const DEAD_LETTER_RETRY_MS = 1000

export interface SettlementRules {
  readonly maxDeliveries: number
  /** Returns whether a released message waits here. Otherwise the next connection carries it. */
  waitsHere(run: ReceivedRun): boolean
  /** Called when messages were settled or released, so that others may be handed out. */
  onSettled(): void
}

export class Settlements implements Settler {
  readonly #tally: Tally
  readonly #returned: ReturnedMessages
  readonly #deadLetters: DeadLetters
  readonly #rules: SettlementRules
  #session: Session | undefined
  /** Runs with messages in hand. */
  readonly #runs = new RunsInHand()
  /** Numbers of rejected messages whose dead letters are not stored yet. */
  readonly #unkept = new Set<number>()

  constructor(tally: Tally, returned: ReturnedMessages, deadLetters: DeadLetters, rules: SettlementRules) {
    this.#tally = tally
    this.#returned = returned
    this.#deadLetters = deadLetters
    this.#rules = rules
  }

  /** Sets the session of the following messages. */
  begin(session: Session): void {
    this.#session = session
  }

  /** Notes that messages are in hand from now on. */
  handOut({ run, begin, end }: Hand): void {
    const count = end - begin
    run.handOut(begin, end)
    this.#runs.add(run)
    this.#tally.removeWaiting(count, run.bytesEach * count)
    this.#tally.inHand += count
    this.#tally.delivered += count
    if (!run.isNumbered) return
    const session = this.#session as Session
    session.noteInHand(count)
    if (count === 1) run.noteDeliveries(begin, session.releasesOf(run.first + begin) + 1)
  }

  /** Accepts the messages of a hand that are still in hand. */
  finish({ run, begin, end }: Hand): void {
    run.finish(begin, end, (from, to) => {
      this.#tally.inHand -= to - from
      this.#tally.accepted += to - from
      if (run.isNumbered) this.#session?.accept(run.first + from, run.first + to - 1)
      if (this.#returned.isOrdered)
        for (let index = from; index < to; ++index) this.#returned.freeKey(run, index)
    })
    if (run.left === 0) this.#runs.delete(run)
  }

  /**
   * Accepts messages individually. Messages that are not in hand here are ignored.
   *
   * @param held whether a loop holds these messages too, and accepts them when it requests more
   */
  accept(messages: readonly SOCMessage[], held: boolean): void {
    for (let i = 0; i < messages.length;) {
      const run = deliveryOf(messages[i] as SOCMessage)
      if (!(run instanceof ReceivedRun) || !run.isOf(this)) {
        ++i
        continue
      }
      const begin = run.indexOf(messages[i] as SOCMessage)
      let end = begin
      // Settle consecutive messages together.
      while (i < messages.length && run.isInHand(end) && run.messages[end] === messages[i]) {
        ++end
        ++i
      }
      if (end > begin) {
        this.finish({ run, begin, end })
        // The loop must not settle them again.
        if (held) run.noteSettledApart()
      } else {
        ++i
      }
    }
    this.#rules.onSettled()
  }

  release(run: ReceivedRun, index: number, delayMs: number): void {
    if (run.deliveriesAt(index) >= this.#rules.maxDeliveries) {
      this.#refuse(run, index, 'max-deliveries')
      return
    }
    ++this.#tally.released
    this.#finishOne(run, index)
    this.#takeBack(run, index, delayMs)
    this.#rules.onSettled()
  }

  reject(run: ReceivedRun, index: number, reason: string): void {
    this.#refuse(run, index, reason)
    this.#rules.onSettled()
  }

  /** Releases the messages of a hand that are still in hand. */
  releaseHand({ run, begin, end }: Hand): void {
    for (let index = begin; index < end; ++index) if (run.isInHand(index)) this.release(run, index, 0)
  }

  /** Releases all messages in hand. */
  releaseAll(): void {
    for (const run of this.#runs.all()) for (const index of run.inHand()) this.release(run, index, 0)
  }

  /** Returns the numbers of messages that the application has in hand, or that are being stored as dead letters. */
  numbersInHand(): number[] {
    const numbers = [...this.#unkept]
    for (const run of this.#runs.all()) {
      if (run.isNumbered) for (const index of run.inHand()) numbers.push(run.first + index)
    }
    return numbers
  }

  /** Returns how many of these numbers the application has in hand. */
  countInHand(first: number, last: number): number {
    let count = this.#runs.count(first, last)
    for (const number of this.#unkept) if (first <= number && number <= last) ++count
    return count
  }

  /** Takes back a message in hand: a copy of it waits here, or another connection carries it. */
  #takeBack(run: ReceivedRun, index: number, delayMs: number): void {
    const message = run.messages[index] as SOCMessage
    --this.#tally.inHand
    if (run.isNumbered) this.#session?.release(run.first + index)
    if (!this.#rules.waitsHere(run)) {
      this.#returned.abandonKey({ run, index })
      this.#tally.supersede(1, run.isNumbered)
      return
    }
    const copy = copyOf(message)
    const first = run.isNumbered ? run.first + index : 0
    const again = new ReceivedRun(this, [copy], first, run.bytesEach, {
      keys: [run.keyAt(index)],
      read: run.read,
    })
    if (!run.isNumbered) again.noteDeliveries(0, run.deliveriesAt(index) + 1)
    again.next = 1
    this.#returned.moveKey(message, copy)
    this.#tally.addWaiting(1, again.bytes)
    this.#returned.add({ run: again, index: 0 }, delayMs)
  }

  #refuse(run: ReceivedRun, index: number, reason: string): void {
    const message = run.messages[index] as SOCMessage
    const number = run.isNumbered ? run.first + index : undefined
    const kept = this.#deadLetters.keep({ message, reason, deliveries: run.deliveriesAt(index) })
    if (kept !== undefined) run.read?.hold()
    this.#finishOne(run, index)
    if (kept === undefined) {
      this.#settleRejected(run, index, reason)
      return
    }
    // Until the letter is stored, the message counts as in hand, so that the next connection does not hand it out.
    if (number !== undefined) this.#unkept.add(number)
    void kept.then((isKept) => {
      if (number !== undefined) this.#unkept.delete(number)
      if (isKept) {
        this.#settleRejected(run, index, reason)
      } else {
        ++this.#tally.released
        this.#takeBack(run, index, DEAD_LETTER_RETRY_MS)
      }
      run.read?.release()
      this.#rules.onSettled()
    })
  }

  #settleRejected(run: ReceivedRun, index: number, reason: string): void {
    --this.#tally.inHand
    ++this.#tally.rejected
    if (run.isNumbered) this.#session?.reject(run.first + index, reason, true)
    this.#returned.freeKey(run, index)
  }

  #finishOne(run: ReceivedRun, index: number): void {
    run.finishOne(index)
    if (run.left === 0) this.#runs.delete(run)
  }
}
