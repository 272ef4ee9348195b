// What an application has in hand: messages that it was given by one receiver and has not said to be done with. Must not
// know connections.

import type { SOCMessage } from '../../message/message.js'
import type { Hold, Session } from './ledger.js'

export class InHand {
  readonly #autoAck: boolean
  readonly #maxMessages: number
  /** With autoAck one range at a time, else a range for each message. */
  #range: Hold | undefined
  readonly #single = new Map<SOCMessage, Hold>()
  #last = 0

  constructor(autoAck: boolean, maxMessages: number) {
    this.#autoAck = autoAck
    this.#maxMessages = maxMessages
  }

  /** Number of the message that was handed out last; 0: none yet. */
  get last(): number {
    return this.#last
  }

  /** Messages that may be handed out before some are done with. */
  get room(): number {
    return this.#autoAck ? Infinity : this.#maxMessages - this.#single.size
  }

  /** Notes that messages `first` and so on are handed out. */
  take(session: Session, first: number, messages: readonly SOCMessage[]): void {
    this.#last = first + messages.length - 1
    if (this.#autoAck) {
      this.#range = { owner: this, first, last: this.#last, done: false }
      session.handOut(this.#range)
      return
    }
    messages.forEach((message, i) => {
      const hold = { owner: this, first: first + i, last: first + i, done: false }
      session.handOut(hold)
      this.#single.set(message, hold)
    })
  }

  /** The application asks for more: with autoAck it is done with what it has. */
  askedForMore(session: Session | undefined): void {
    const range = this.#range
    this.#range = undefined
    if (range !== undefined) session?.finish(range)
  }

  /** The application says that it is done with these. Messages that are not in hand are ignored. */
  finish(session: Session | undefined, messages: readonly SOCMessage[]): void {
    for (const message of messages) {
      const hold = this.#single.get(message)
      if (hold === undefined) continue
      this.#single.delete(message)
      session?.finish(hold)
    }
  }

  /** The application gives back what it has: it is handed out again. */
  giveBack(session: Session | undefined): void {
    this.#range = undefined
    this.#single.clear()
    session?.giveBack(this)
  }
}
