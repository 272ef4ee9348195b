// One loop over the messages of a receiver: the messages that it has in hand, and whether one of its calls is pending.
// Independent of other loops. Used with `autoAck` only: without it, loops have nothing in hand, and their calls may
// overlap.
//
//     idle ──ask()──> waiting ──answered()──> landing ──the caller sees the message──> idle
//       ^──────────withdraw()───┘

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
  /** With `autoAck`: the messages that the loop has in hand. */
  #held: Hand | undefined
  #state: 'idle' | 'waiting' | 'landing' = 'idle'
  /** Whether the loop was left, so that it gets nothing more. */
  hasLeft = false
  readonly #onLanded = (): void => {
    this.#state = 'idle'
  }

  /**
   * Whether a call is pending. A resolved call counts as pending until its caller sees the message: a further call in
   * the same turn comes from another caller.
   */
  get isBusy(): boolean {
    return this.#state !== 'idle'
  }

  /** Begins a call. Returns the messages in hand, which the call accepts. */
  ask(): Hand | undefined {
    this.#state = 'waiting'
    return this.takeHeld()
  }

  /** Ends the call without a message. */
  withdraw(): void {
    this.#state = 'idle'
  }

  /** Call just before the promise of the call is resolved: this microtask runs before the caller's own. */
  answered(): void {
    this.#state = 'landing'
    void RESOLVED.then(this.#onLanded)
  }

  hold(hand: Hand): void {
    this.#held = hand
  }

  takeHeld(): Hand | undefined {
    const held = this.#held
    this.#held = undefined
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
