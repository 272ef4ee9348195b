// What a sender writes on one connection, taken apart: its messages, each with its number, and what it says about the
// numbers. Must not know what becomes of them.

import type { SOCMessage } from '../../message/message.js'
import { isControl, parsePosition, violation, type PositionClaim } from '../protocol/control.js'

export interface InputEvents {
  /** The sender has said for the first time where it is. */
  onSession(claim: PositionClaim): void
  /** Messages of the application, the first of them with this number; 0: the sender does not number them. */
  onMessages(messages: SOCMessage[], first: number): void
}

export class NumberedInput {
  readonly #events: InputEvents
  #session: string | undefined
  /** The sender spoke without saying where it is. */
  #plain = false
  /** Number of the next message. */
  #expected = 0

  constructor(events: InputEvents) {
    this.#events = events
  }

  /** @throws {IpcError} ERR_IPC_INVALID_MESSAGE for a sender that does not keep to the protocol */
  take(run: SOCMessage[]): void {
    let begin = 0
    for (let i = 0; i < run.length; ++i) {
      const message = run[i] as SOCMessage
      if (!isControl(message)) continue
      this.#pass(run.slice(begin, i))
      this.#onPosition(parsePosition(message))
      begin = i + 1
    }
    this.#pass(begin === 0 ? run : run.slice(begin))
  }

  #onPosition(claim: PositionClaim): void {
    const { session, next } = claim
    if (this.#session === undefined) {
      if (this.#plain) throw violation('late-position', 'messages before its position')
      this.#session = session
      this.#events.onSession(claim)
    } else {
      if (session !== this.#session)
        throw violation('other-session', 'another session on the same connection')
      if (next < this.#expected) throw violation('backwards', 'a position before the one it is at')
    }
    this.#expected = next
  }

  #pass(messages: SOCMessage[]): void {
    if (messages.length === 0) return
    if (this.#session === undefined) {
      this.#plain = true
      this.#events.onMessages(messages, 0)
      return
    }
    const first = this.#expected
    this.#expected += messages.length
    if (!Number.isSafeInteger(this.#expected)) throw violation('bad-position', 'more messages than can be')
    this.#events.onMessages(messages, first)
  }
}
