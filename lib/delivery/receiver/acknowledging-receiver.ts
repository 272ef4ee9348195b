// One connection of an acknowledged sender, read: its messages go to whoever hands them out, and the sender is told how far
// the application is done with them. What outlives a connection is in the ledger.

import type { Connection } from '../../connection/connection.js'
import { hasCode, IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import { userOf } from '../../peer/peer.js'
import { Receiver } from '../../endpoints/receiver.js'
import { END, iterateRuns } from '../../endpoints/read-queue.js'
import { Acknowledger } from './acknowledger.js'
import type { PositionClaim } from '../protocol/control.js'
import { HandOut } from './hand-out.js'
import { DeliveryLedger, type Position } from './ledger.js'
import { NumberedInput } from './numbered-input.js'
import type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './options.js'

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
  readonly #acknowledger: Acknowledger
  readonly #input = new NumberedInput({
    onSession: (claim) => {
      this.#onSession(claim)
    },
    onMessages: (messages, first) => {
      this.#out.add(messages, first)
    },
  })
  readonly #out: HandOut
  #ended = false

  /** @throws TypeError when the connection has a receiver already; RangeError for a limit that makes no sense */
  constructor(connection: Connection, name: string, options: AcknowledgingReceiverOptions = {}) {
    this.name = name
    this.#connection = connection
    this.#ledger = options.ledger ?? new DeliveryLedger()
    const maxUnacknowledged = options.maxUnacknowledged ?? 65_536
    if (!(maxUnacknowledged >= 1)) throw new RangeError('maxUnacknowledged must be 1 or more')
    this.#out = new HandOut(options.autoAck ?? true, maxUnacknowledged, {
      onFenced: () => {
        this.#stop()
        this.#connection.destroy()
      },
      onProgress: () => {
        this.#acknowledger.onProgress()
      },
    })
    this.#acknowledger = new Acknowledger(connection, options, {
      bytesRead: () => this.#inner.stats.bytes,
      isReading: () => !this.#out.readingStopped,
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
      ...this.#out.counts,
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
    const { session, last } = this.#out
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
    return this.#out.next()
  }

  /** Messages in runs, the fastest way to take many. With `autoAck`, asking for the next run says that one is done with. */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    return iterateRuns(
      () => this.#out.nextRun(),
      () => this.close(),
    )
  }

  /**
   * With `autoAck: false`: the application is done with these messages. The sender hears of it when it is done with all
   * that came before them too. May be called after the connection has ended. Messages that are not in hand are ignored.
   */
  acknowledge(messages: SOCMessage | readonly SOCMessage[]): void {
    this.#out.finish(Array.isArray(messages) ? messages : [messages])
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
    this.#out.giveBack()
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
        else if (this.#out.session === undefined || !isCutShort(error)) this.#out.addError(error as IpcError)
      }
      while (this.#out.full && !this.#ended) await this.#out.roomy()
    }
    this.#end()
  }

  #onSession({ session: id, next, heartbeatMs }: PositionClaim): void {
    const session = this.#ledger.open(userOf(this.#connection.peer), id, next)
    this.#out.begin(session, next)
    this.#acknowledger.start(session, heartbeatMs)
  }

  #fail(error: IpcError): void {
    if (this.#ended) return
    // What was read before is good; the error comes after it.
    this.#out.addError(error)
    this.#connection.destroy()
    this.#end()
  }

  /** Nothing of what was read is handed out any more. */
  #stop(): void {
    this.#out.clear()
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#acknowledger.stop()
    this.#out.end()
  }
}

/** A sender that was killed leaves half a line; the next connection brings all of it. */
function isCutShort(error: unknown): boolean {
  return hasCode(error, 'ERR_IPC_INVALID_MESSAGE') && error.reason === 'truncated'
}
