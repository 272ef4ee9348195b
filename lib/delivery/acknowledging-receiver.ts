// Hands out numbered messages once each and tells the sender how far the application is done with them. What outlives a
// connection is in the ledger; what is said on the wire is in control.ts; when it is said, in acknowledger.ts.

import type { Connection } from '../connection.js'
import { hasCode, IpcError } from '../errors.js'
import type { SOCMessage } from '../message.js'
import { userOf } from '../peer.js'
import { Receiver } from '../receiver.js'
import { END, iterateRuns, WaitingReaders } from '../waiting-readers.js'
import { Acknowledger } from './acknowledger.js'
import type { PositionClaim } from './control.js'
import { InHand } from './in-hand.js'
import { DeliveryLedger, type Position, type Session } from './ledger.js'
import { NumberedInput } from './numbered-input.js'
import { ReadAhead, type ReadRun } from './read-ahead.js'
import type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './receiver-options.js'

/**
 * Receives what an `AcknowledgedSender` sends: each message once, in order, across reconnects of the sender. A sender
 * that does not number its messages (`Sender`, Go) is read as with `Receiver`.
 */
export class AcknowledgingReceiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** What this receiver is called in errors. */
  readonly name: string
  readonly #connection: Connection
  readonly #inner: Receiver
  readonly #ledger: DeliveryLedger
  readonly #autoAck: boolean
  readonly #acknowledger: Acknowledger
  readonly #input = new NumberedInput({
    onSession: (claim) => {
      this.#onSession(claim)
    },
    onMessages: (messages, first) => {
      this.#onMessages(messages, first)
    },
  })
  #session: Session | undefined
  readonly #ahead = new ReadAhead()
  readonly #readers = new WaitingReaders()
  readonly #inHand: InHand
  #waitingForOthers = false
  #ended = false
  #received = 0
  #delivered = 0
  #duplicates = 0
  #superseded = 0
  #gaps = 0
  #lost = 0
  readonly #reader = {
    onFenced: (): void => {
      this.#stop()
      this.#connection.destroy()
    },
    onProgress: (): void => {
      this.#acknowledger.onProgress()
    },
  }

  /** @throws TypeError when the connection has a receiver already; RangeError for a limit that makes no sense */
  constructor(connection: Connection, name: string, options: AcknowledgingReceiverOptions = {}) {
    this.name = name
    this.#connection = connection
    this.#ledger = options.ledger ?? new DeliveryLedger()
    this.#autoAck = options.autoAck ?? true
    const maxUnacknowledged = options.maxUnacknowledged ?? 65_536
    if (!(maxUnacknowledged >= 1)) throw new RangeError('maxUnacknowledged must be 1 or more')
    this.#inHand = new InHand(this.#autoAck, maxUnacknowledged)
    this.#acknowledger = new Acknowledger(connection, options, {
      bytesRead: () => this.#inner.stats.bytes,
      isReading: () => !this.#ahead.stopped,
      onSilent: (error) => {
        this.#fail(error)
      },
    })
    const { onInvalid, maxMessageBytes, maxInvalid } = options
    this.#inner = new Receiver(connection, name, {
      ...(onInvalid !== undefined && { onInvalid }),
      ...(maxMessageBytes !== undefined && { maxMessageBytes }),
      ...(maxInvalid !== undefined && { maxInvalid }),
    })
    void this.#read()
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  get stats(): AcknowledgingReceiverStats {
    return {
      received: this.#received,
      delivered: this.#delivered,
      duplicates: this.#duplicates,
      superseded: this.#superseded,
      gaps: this.#gaps,
      lost: this.#lost,
      acknowledgements: this.#acknowledger.written,
      invalid: this.#inner.stats.invalid,
    }
  }

  /**
   * Where the message that was handed out last stands (of a run: its last message). To be stored together with the effects
   * of the message, and given to {@link DeliveryLedger.resumeFrom} by the next process. Undefined before the first
   * message, and for a sender that does not number them.
   */
  get position(): Position | undefined {
    const session = this.#session
    const { last } = this.#inHand
    if (session === undefined || last === 0) return undefined
    const { uid, sid } = this.#connection.peer
    return { uid, ...(sid !== undefined && { sid }), session: session.id, sequence: last }
  }

  /**
   * The next message that was not handed out before; `done` when the connection has ended. With `autoAck`, the one before
   * is done with now.
   *
   * @throws {IpcError} as `Receiver.next`, and once ERR_IPC_TIMEOUT when the sender fell silent, ERR_IPC_INVALID_MESSAGE
   *   (reason `bad-position` …) when it does not keep to the protocol; both close the connection, and then it is `done`
   */
  next(): Promise<IteratorResult<SOCMessage, undefined>> {
    this.#inHand.askedForMore(this.#session)
    const answer = this.#readers.wait(true)
    this.#serve()
    return answer
  }

  /** Messages in runs, the fastest way to take many. With `autoAck`, asking for the next run says that one is done with. */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    return iterateRuns(
      () => {
        this.#inHand.askedForMore(this.#session)
        const answer = this.#readers.wait(false)
        this.#serve()
        return answer
      },
      () => this.close(),
    )
  }

  /**
   * With `autoAck: false`: the application is done with these messages. The sender hears of it when it is done with all
   * that came before them too. May be called after the connection has ended. Messages that are not in hand are ignored.
   */
  acknowledge(messages: SOCMessage | readonly SOCMessage[]): void {
    this.#inHand.finish(this.#session, Array.isArray(messages) ? messages : [messages])
    this.#serve()
  }

  /**
   * Ends an iteration: as {@link close}. A loop that is left in the middle has not finished its message: it is sent and
   * handed out again.
   */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Acknowledges what is done with, gives back what is not, and closes the connection. */
  async close(): Promise<void> {
    this.#stop()
    this.#inHand.giveBack(this.#session)
    try {
      await this.#connection.close()
    } catch (error) {
      if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Reads ahead, so that what the sender says between messages is heard while the application is busy. */
  async #read(): Promise<void> {
    const batches = this.#inner.batches()
    while (!this.#ended) {
      try {
        const { value: run, done } = await batches.next()
        if (done === true) break
        if (!this.#ended) this.#input.take(run)
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_INVALID_MESSAGE') && error.offset === undefined) this.#fail(error)
        else if (this.#session === undefined || !isCutShort(error)) {
          this.#ahead.addError(error as IpcError)
          this.#serve()
        }
      }
      while (this.#ahead.full && !this.#ended) await this.#ahead.roomy()
    }
    this.#end()
  }

  #onSession({ session: id, next, heartbeatMs }: PositionClaim): void {
    const session = this.#ledger.open(userOf(this.#connection.peer), id, next)
    this.#session = session
    session.attach(this.#reader)
    this.#noteGap(session.skipTo(next))
    this.#acknowledger.start(session, heartbeatMs)
  }

  #onMessages(messages: SOCMessage[], first: number): void {
    this.#received += messages.length
    this.#ahead.addRun(messages, first)
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
        this.#acknowledger.onProgress()
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
    this.#acknowledger.onProgress()
  }

  #fail(error: IpcError): void {
    if (this.#ended) return
    // What was read before is good; the error comes after it.
    this.#ahead.addError(error)
    this.#connection.destroy()
    this.#end()
  }

  /** Nothing of what was read is handed out any more. */
  #stop(): void {
    this.#superseded += this.#ahead.clear()
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#acknowledger.stop()
    // While something is left to hand out, the next connection must be able to stop that.
    if (this.#ahead.first === undefined) this.#session?.detach(this.#reader)
    this.#ahead.resume()
    this.#serve()
  }
}

/** A sender that was killed leaves half a line; the next connection brings all of it. */
function isCutShort(error: unknown): boolean {
  return hasCode(error, 'ERR_IPC_INVALID_MESSAGE') && error.reason === 'truncated'
}
