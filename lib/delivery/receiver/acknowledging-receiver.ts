// The receiving side of one connection of an acknowledged sender: hands its messages to the loops that ask for them,
// and reports their outcome to the sender. State that outlives a connection is in the ledger.

import { busyPollOf, checkConnection, type Connection } from '../../connection/connection.js'
import { hasCode, IpcError } from '../../base/errors.js'
import { checkTimeout } from '../../base/timing.js'
import { deliveryOf, type SOCMessage } from '../../message/message.js'
import { userOf } from '../../peer/peer.js'
import { requestPoll } from '../../wire/busy-poll.js'
import { parseStatement, violation } from '../protocol/control.js'
import { SilenceWatch } from '../protocol/silence-watch.js'
import { Acknowledger } from './acknowledger.js'
import { DeadLetters } from './dead-letters.js'
import { Dispatcher } from './dispatcher.js'
import { checkHandling, handleMessages, type HandleOptions } from './handling.js'
import { DeliveryLedger, type Position } from './ledger.js'
import { LineInput } from './line-input.js'
import { NumberFlow } from './number-flow.js'
import type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './options.js'
import { END, Reader } from './reader.js'
import { ReceivedRun } from './received-run.js'

const MAX_DEPTH = 256
const LEAST_IDLE_MS = 1000
const HEARTBEATS_OF_SILENCE = 3

/**
 * Receives the messages of an `AcknowledgedSender`: each one once, in order, across reconnects of the sender, until it is
 * settled. The messages of a sender that does not number them (`Sender`, Go) are handed out the same way.
 */
export class AcknowledgingReceiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** The name of this receiver in error messages. */
  readonly name: string
  readonly #connection: Connection
  readonly #ledger: DeliveryLedger
  readonly #autoAck: boolean
  readonly #idleTimeoutMs: number
  readonly #acknowledger: Acknowledger
  readonly #dispatcher: Dispatcher
  readonly #input: LineInput
  /** The loop for calls of `next` on the receiver itself. */
  readonly #direct = new Reader()
  /** Loops that were begun and not left. */
  readonly #loops = new Set<Reader>()
  #flow: NumberFlow | undefined
  /** The sender spoke without stating numbers. */
  #plain = false
  #silence: SilenceWatch | undefined
  #ended = false
  #gaps = 0
  #lost = 0
  #refused = 0

  /**
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already, or for an
   *   invalid option; RangeError for an invalid limit
   */
  constructor(connection: Connection, name: string, options: AcknowledgingReceiverOptions = {}) {
    checkConnection(connection, 'AcknowledgingReceiver')
    this.name = name
    this.#connection = connection
    this.#ledger = options.ledger ?? new DeliveryLedger()
    this.#autoAck = options.autoAck ?? true
    this.#idleTimeoutMs = checkTimeout(options.idleTimeoutMs, Infinity)
    const {
      maxUnacknowledged = 65_536,
      maxDeliveries = Infinity,
      orderBy,
      onDeadLetter,
      deadLetters,
    } = options
    if (!(maxUnacknowledged >= 1)) throw new RangeError('maxUnacknowledged must be 1 or more')
    if (!(maxDeliveries >= 1)) throw new RangeError('maxDeliveries must be 1 or more')
    this.#dispatcher = new Dispatcher(
      { autoAck: this.#autoAck, maxUnacknowledged, maxDeliveries, orderBy },
      new DeadLetters(onDeadLetter, deadLetters),
      {
        onRoom: () => {
          this.#input.resume()
        },
        onFinished: () => {
          this.#leaveSession()
        },
      },
    )
    this.#input = new LineInput(connection, name, options, this.#inputEvents())
    this.#acknowledger = new Acknowledger(connection, options)
    this.#input.start()
    this.#watchSilence(this.#idleTimeoutMs)
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  /** Counts since it was made. */
  get stats(): AcknowledgingReceiverStats {
    return {
      ...this.#dispatcher.counts,
      refused: this.#refused,
      gaps: this.#gaps,
      lost: this.#lost,
      acknowledgements: this.#acknowledger.written,
      invalid: this.#input.invalid,
    }
  }

  /**
   * The position of the message that was handed out last (of a run: its last message). Store it together with the effects of
   * the message, and give it to {@link DeliveryLedger.resumeFrom} in the next process. Undefined before the first message,
   * and for a sender that does not number them. Where messages are settled out of order, use {@link positionOf}.
   */
  get position(): Position | undefined {
    const { last } = this.#dispatcher
    return last === 0 ? undefined : this.#positionAt(last)
  }

  /** The position of a message that this receiver handed out; undefined if its sender does not number messages. */
  positionOf(message: SOCMessage): Position | undefined {
    const run = deliveryOf(message)
    if (!(run instanceof ReceivedRun) || !run.isNumbered) return undefined
    const index = run.indexOf(message)
    return index < 0 ? undefined : this.#positionAt(run.first + index)
  }

  /**
   * The next message; `done` when the connection has ended. With `autoAck`, this accepts the message that the last call
   * returned. If several calls are under way at once, that is unclear: then messages are accepted when all of these callers
   * wait again. Prefer a loop for each of them.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE or ERR_IPC_MESSAGE_TOO_LARGE for a line that is not a message: call again
   *   for the next one. Once, and then it is `done`: ERR_IPC_TIMEOUT when the sender fell silent, ERR_IPC_INVALID_MESSAGE
   *   without an offset when it broke the protocol, ERR_IPC_CLOSED when the connection broke
   */
  next(): Promise<IteratorResult<SOCMessage, undefined>> {
    return this.#ask(this.#direct, true)
  }

  /**
   * Messages in runs, the fastest way to take many. With `autoAck`, asking for the next run accepts the one before. A loop that
   * is left in the middle releases its run.
   */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    const { reader, leave } = this.#beginLoop()
    const iterator: AsyncIterableIterator<SOCMessage[], undefined, undefined> = {
      next: () => this.#ask(reader, false),
      return: leave,
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /**
   * Calls `handler` for each message. A message is accepted when the handler has returned (or its promise has resolved), and
   * released when it throws; `message.reject` refuses it for good. Resolves when the connection has ended. For a receiver
   * with `autoAck: false`.
   *
   * @throws TypeError with `autoAck`; RangeError for invalid options
   * @throws {IpcError} as {@link next}, except for lines that are not messages, which are counted alone
   */
  async handle(handler: (message: SOCMessage) => unknown, options: HandleOptions = {}): Promise<void> {
    if (this.#autoAck) throw new TypeError('handle: construct the receiver with autoAck: false')
    const handling = checkHandling(options)
    const loops = Array.from({ length: handling.concurrency }, async () => {
      const reader = new Reader()
      const loop = { next: (): Promise<IteratorResult<SOCMessage, undefined>> => this.#ask(reader, true) }
      await handleMessages(
        loop,
        handler,
        (message) => {
          this.acknowledge(message)
        },
        handling,
      )
    })
    const results = await Promise.allSettled(loops)
    for (const result of results) if (result.status === 'rejected') throw result.reason as IpcError
  }

  /**
   * Accepts messages that the application has finished. Only messages in hand count, in any order, even after the
   * connection has ended.
   */
  acknowledge(messages: SOCMessage | readonly SOCMessage[]): void {
    this.#dispatcher.accept(
      Array.isArray(messages) ? (messages as readonly SOCMessage[]) : [messages as SOCMessage],
    )
  }

  /** Ends an iteration: as {@link close}. */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  /**
   * A loop of its own over the messages. Several loops share the messages; with `autoAck`, each accepts its own. A loop that
   * is left in the middle, by `break` or by a throw, releases its message; the last one to leave closes the receiver.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<SOCMessage, undefined, undefined> {
    const { reader, leave } = this.#beginLoop()
    const iterator: AsyncIterableIterator<SOCMessage, undefined, undefined> = {
      next: () => this.#ask(reader, true),
      return: leave,
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /** Acknowledges settled messages, releases those in hand, and closes the connection. */
  async close(): Promise<void> {
    this.#end()
    this.#dispatcher.close()
    try {
      await this.#connection.close()
    } catch (error) {
      if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
    }
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #ask<Value extends SOCMessage | SOCMessage[]>(
    reader: Reader,
    one: boolean,
  ): Promise<IteratorResult<Value, undefined>> {
    const answer = this.#dispatcher.next(reader, one)
    if (this.#dispatcher.isWanted && !this.#ended) requestPoll(busyPollOf(this.#connection))
    return answer as Promise<IteratorResult<Value, undefined>>
  }

  #beginLoop(): { reader: Reader; leave: () => Promise<{ value: undefined; done: true }> } {
    const reader = new Reader()
    this.#loops.add(reader)
    const leave = async (): Promise<typeof END> => {
      this.#loops.delete(reader)
      this.#dispatcher.leave(reader)
      if (this.#loops.size === 0) await this.close()
      return END
    }
    return { reader, leave }
  }

  #positionAt(sequence: number): Position {
    const { uid, sid } = this.#connection.peer
    return { uid, ...(sid !== undefined && { sid }), session: this.#flow?.session.id ?? '', sequence }
  }

  #inputEvents(): ConstructorParameters<typeof LineInput>[3] {
    const dispatcher = this.#dispatcher
    const isNumbered = (): boolean => this.#flow !== undefined
    return {
      get isNumbered(): boolean {
        return isNumbered()
      },
      get full(): boolean {
        return dispatcher.full
      },
      get isWanted(): boolean {
        return dispatcher.isWanted
      },
      get takesErrors(): boolean {
        return dispatcher.takesErrors
      },
      onRun: (messages, first, bytes) => {
        if (this.#flow === undefined) this.#plain = true
        else this.#flow.onLines(first, messages.length)
        dispatcher.add(messages, first, bytes)
      },
      onControl: (message) => {
        this.#onStatement(message)
      },
      onRefused: (reason, error) => {
        this.#flow?.onRefusal(reason)
        if (error !== undefined) dispatcher.addError(error)
      },
      onFailure: (error) => {
        this.#fail(error)
      },
      onEnd: (error) => {
        if (error !== undefined) dispatcher.addError(error)
        this.#end()
      },
    }
  }

  #onStatement(message: SOCMessage): void {
    const statement = parseStatement(message)
    if (this.#flow !== undefined) {
      this.#flow.onStatement(statement)
      return
    }
    if (this.#plain) throw violation('late-statement', 'messages before its first statement')
    const { session: id, lowest, next } = statement
    const session = this.#ledger.open(userOf(this.#connection.peer), id, lowest, next)
    session.attach(this.#sessionReader)
    this.#dispatcher.begin(session)
    this.#flow = new NumberFlow(session, statement, {
      onLost: (messages) => {
        ++this.#gaps
        this.#lost += messages
        this.#acknowledger.onSettled()
      },
      onRefused: () => {
        ++this.#refused
      },
    })
    const { maxMessageBytes } = this.#input
    this.#acknowledger.start(session, statement.heartbeatMs, { maxMessageBytes, maxDepth: MAX_DEPTH })
    if (this.#idleTimeoutMs === Infinity) {
      this.#watchSilence(Math.max(HEARTBEATS_OF_SILENCE * statement.heartbeatMs, LEAST_IDLE_MS))
    }
  }

  readonly #sessionReader = {
    onFenced: (): number[] => {
      const numbers = this.#dispatcher.fence()
      this.#end()
      this.#connection.destroy()
      return numbers
    },
    onSettled: (): void => {
      this.#acknowledger.onSettled()
    },
    onFreed: (): void => {
      this.#dispatcher.onFreed()
    },
    numbersInHand: (): Iterable<number> => this.#dispatcher.numbersInHand(),
  }

  #watchSilence(limitMs: number): void {
    this.#silence = new SilenceWatch(limitMs, {
      heard: () => this.#input.bytes,
      isListening: () => !this.#input.paused,
      onSilent: (forMs) => {
        this.#fail(
          new IpcError(
            'ERR_IPC_TIMEOUT',
            `${this.name}: the sender said nothing for ${Math.round(forMs)} ms`,
            {
              reason: 'silent-peer',
            },
          ),
        )
      },
    })
  }

  #fail(error: IpcError): void {
    if (this.#ended) return
    // Messages that were read before are good; the error comes after them.
    this.#dispatcher.addError(error)
    this.#end()
    this.#connection.destroy()
  }

  /** Nothing more is read. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#input.stop()
    this.#silence?.stop()
    this.#acknowledger.stop()
    this.#dispatcher.end()
  }

  /** While messages are left to hand out, the next connection of the session must be able to stop this receiver. */
  #leaveSession(): void {
    const session = this.#flow?.session
    if (session === undefined) return
    session.detach(this.#sessionReader, this.#dispatcher.numbersInHand())
    this.#ledger.leave(session)
  }
}
