// One loop over the messages of a receiver. Its messages in hand are independent of other loops.

import type { IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import type { ReceivedRun } from './received-run.js'

export type Result = IteratorResult<SOCMessage, undefined> | IteratorResult<SOCMessage[], undefined>

/** The messages [begin, end) of a run. */
export interface Hand {
  readonly run: ReceivedRun
  readonly begin: number
  readonly end: number
}

/** Shared by all readers, so that a microtask costs one promise. */
const RESOLVED = Promise.resolve()

export class Reader {
  /** With automatic settlement: the messages that the loop has in hand. */
  #held: Hand[] = []
  #heldMessages = 0
  /** Calls that wait for a message. */
  #waiting = 0
  /** Calls that were given a message which their callers have not seen yet. */
  #landing = 0
  /** Most calls under way at once. With more than one, several callers share this loop. */
  #callers = 1
  /** The loop was left: it is given nothing more. */
  hasLeft = false
  readonly #onLanded = (): void => {
    --this.#landing
  }

  /** Messages in hand. */
  get heldMessages(): number {
    return this.#heldMessages
  }

  /** Several calls were under way at once, so one call does not say which message is finished. */
  get isShared(): boolean {
    return this.#callers > 1
  }

  /**
   * Call when the loop asks for more. Returns the messages that this accepts: those in hand, once all its callers wait.
   */
  ask(): Hand[] {
    ++this.#waiting
    this.#callers = Math.max(this.#callers, this.#waiting + this.#landing)
    return this.#waiting === this.#callers ? this.takeHeld() : []
  }

  /**
   * Call just before a call's promise is resolved. The call stays under way until its caller sees the message: further calls
   * in the same turn come from other callers. This microtask runs before the caller's own.
   */
  answered(): void {
    --this.#waiting
    ++this.#landing
    void RESOLVED.then(this.#onLanded)
  }

  hold(hand: Hand): void {
    this.#held.push(hand)
    this.#heldMessages += hand.end - hand.begin
  }

  /** Forgets messages that the application has settled by itself. */
  forgetSettled(): void {
    const held: Hand[] = []
    this.#heldMessages = 0
    for (const hand of this.#held) {
      let left = 0
      for (let index = hand.begin; index < hand.end; ++index) if (hand.run.isInHand(index)) ++left
      if (left === 0) continue
      held.push(hand)
      this.#heldMessages += left
    }
    this.#held = held
  }

  /** Takes the messages in hand away from the loop. */
  takeHeld(): Hand[] {
    const held = this.#held
    if (held.length > 0) this.#held = []
    this.#heldMessages = 0
    return held
  }
}

/** A call that waits for one message, or for a run. */
export interface Wait {
  readonly reader: Reader
  readonly one: boolean
  readonly answer: (result: Result | Promise<never>) => void
}

export const END = { value: undefined, done: true } as const

export function rejection(error: IpcError): Promise<never> {
  return Promise.reject(error)
}
