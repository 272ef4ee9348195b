// Hands out numbered messages once each, in order, to whoever waits: passes over what is known, counts what is missing, and
// notes what the application has in hand. Must not know connections.

import { IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import {
  ReadQueue as ReadAhead,
  ReadQueue as WaitingReaders,
  type ReadRun,
} from '../../endpoints/read-queue.js'
import { InHand } from './in-hand.js'
import type { Session, SessionReader } from './ledger.js'
import type { AcknowledgingReceiverStats } from './options.js'

type Counts = Pick<
  AcknowledgingReceiverStats,
  'received' | 'delivered' | 'duplicates' | 'superseded' | 'gaps' | 'lost'
>

export class HandOut {
  readonly #autoAck: boolean
  readonly #reader: SessionReader
  readonly #inHand: InHand
  readonly #ahead = new ReadAhead()
  readonly #readers = new WaitingReaders()
  #session: Session | undefined
  #waitingForOthers = false
  #ended = false
  #received = 0
  #delivered = 0
  #duplicates = 0
  #superseded = 0
  #gaps = 0
  #lost = 0

  /** @param reader who reads the session: told of progress too where messages were passed over */
  constructor(autoAck: boolean, maxUnacknowledged: number, reader: SessionReader) {
    this.#autoAck = autoAck
    this.#reader = reader
    this.#inHand = new InHand(autoAck, maxUnacknowledged)
  }

  /** The session of the messages, where its sender numbers them. */
  get session(): Session | undefined {
    return this.#session
  }

  /** Number of the message that was handed out last; 0: none yet. */
  get last(): number {
    return this.#inHand.last
  }

  get counts(): Counts {
    return {
      received: this.#received,
      delivered: this.#delivered,
      duplicates: this.#duplicates,
      superseded: this.#superseded,
      gaps: this.#gaps,
      lost: this.#lost,
    }
  }

  /** Enough waits to be handed out: reading is to stop until {@link roomy}. */
  get full(): boolean {
    return this.#ahead.full
  }

  /** Reading waits for room. */
  get readingStopped(): boolean {
    return this.#ahead.stopped
  }

  /** Resolves when there is room, or at the end. */
  roomy(): Promise<void> {
    return this.#ahead.roomy()
  }

  /** The messages that come belong to this session, and there are none before `next`. */
  begin(session: Session, next: number): void {
    this.#session = session
    session.attach(this.#reader)
    this.#noteGap(session.skipTo(next))
  }

  /** Messages have come, the first of them with this number; 0: they have none. */
  add(messages: SOCMessage[], first: number): void {
    this.#received += messages.length
    this.#ahead.addRun(messages, first)
    this.#serve()
  }

  /** An error, at its place between the messages. */
  addError(error: IpcError): void {
    this.#ahead.addError(error)
    this.#serve()
  }

  /** The next message. With autoAck the application is done with what it has. */
  next(): Promise<IteratorResult<SOCMessage, undefined>> {
    this.#inHand.askedForMore(this.#session)
    const answer = this.#readers.wait(true)
    this.#serve()
    return answer
  }

  /** The next messages, likewise. */
  nextRun(): Promise<IteratorResult<SOCMessage[], undefined>> {
    this.#inHand.askedForMore(this.#session)
    const answer = this.#readers.wait(false)
    this.#serve()
    return answer
  }

  /** The application is done with these. */
  finish(messages: readonly SOCMessage[]): void {
    this.#inHand.finish(this.#session, messages)
    this.#serve()
  }

  /** The application gives back what it has in hand. */
  giveBack(): void {
    this.#inHand.giveBack(this.#session)
  }

  /** Throws away what was not handed out. */
  clear(): void {
    this.#superseded += this.#ahead.clear()
  }

  /** Nothing more will come. */
  end(): void {
    this.#ended = true
    // While something is left to hand out, the next connection must be able to stop that.
    if (this.#ahead.first === undefined) this.#session?.detach(this.#reader)
    this.#ahead.resume()
    this.#serve()
  }

  #serve(): void {
    while (this.#readers.any) {
      const entry = this.#ahead.first
      if (entry === undefined) {
        if (!this.#ended) break
        this.#session?.detach(this.#reader)
        this.#readers.giveEnd()
      } else if (entry instanceof IpcError) {
        this.#ahead.shift()
        this.#readers.giveError(entry)
      } else {
        if (!this.#mayHandOut()) break
        if (this.#prepare(entry)) this.#handOut(entry)
        if (entry.at === entry.messages.length) this.#ahead.shift()
      }
    }
    if (!this.#ahead.full) this.#ahead.resume()
  }

  #mayHandOut(): boolean {
    if (!this.#autoAck) return this.#inHand.room > 0
    if (this.#session === undefined) return true
    if (this.#waitingForOthers) return false
    if (!this.#session.heldByOthers(this.#inHand)) return true
    // An earlier connection of this session has brought a message that the application is still busy with.
    this.#waitingForOthers = true
    void this.#session.free(this.#inHand).then(() => {
      this.#waitingForOthers = false
      this.#serve()
    })
    return false
  }

  /** Passes over what is known; answers whether anything is left. */
  #prepare(run: ReadRun): boolean {
    const session = this.#session
    if (session !== undefined && run.first !== 0) {
      let known = 0
      for (let at = run.at; at < run.messages.length && session.isKnown(run.first + at); ++at, ++known) {
        session.pass(run.first + at)
      }
      if (known > 0) {
        this.#ahead.advance(run, known)
        this.#duplicates += known
        this.#reader.onProgress()
      }
      if (run.at < run.messages.length) this.#noteGap(session.skipTo(run.first + run.at))
    }
    return run.at < run.messages.length
  }

  #handOut(run: ReadRun): void {
    const one = this.#readers.wantsOne
    const session = this.#session
    const numbered = session !== undefined && run.first !== 0
    const begin = run.at
    const most = one || (numbered && session.patchy) ? 1 : this.#inHand.room
    const end = Math.min(begin + most, run.messages.length)
    const messages = end - begin === run.messages.length ? run.messages : run.messages.slice(begin, end)
    if (numbered) this.#inHand.take(session, run.first + begin, messages)
    this.#ahead.advance(run, messages.length)
    this.#delivered += messages.length
    this.#readers.give(one ? (messages[0] as SOCMessage) : messages)
  }

  #noteGap(messages: number): void {
    if (messages === 0) return
    ++this.#gaps
    this.#lost += messages
    this.#reader.onProgress()
  }
}
