// The receiving side of one connection of an acknowledged sender: hands its messages to the application's loops, and
// reports their outcomes to the sender. State that outlives a connection is in the ledger.

import { checkConnection, inputOf, wasDestroyed, type Connection } from '../../connection/connection.js'
import { rejected, type IpcError } from '../../base/errors.js'
import { checkOptions, signal as signalCheck, wrongKind, type OptionTable } from '../../base/options.js'
import { hangUp } from '../../endpoints/hang-up.js'
import type { ReceiveOptions } from '../../endpoints/receiver-options.js'
import { deliveryOf, type SOCMessage } from '../../message/message.js'
import { observeOn } from '../../observe/registry.js'
import { Dispatcher } from './dispatcher.js'
import { checkHandling, handleMessages, type HandleOptions } from './handling.js'
import type { Position } from './ledger.js'
import { ReceiverLink } from './link.js'
import {
  checkReceiverOptions,
  type AcknowledgingReceiverOptions,
  type AcknowledgingReceiverStats,
} from './options.js'
import { END, Reader } from './reader.js'
import { ReceivedRun } from './received-run.js'

const NEXT_TABLE: OptionTable<ReceiveOptions> = { signal: signalCheck }

/**
 * Receives the messages of an `AcknowledgedSender`: each one once, in order, across reconnects of the sender, until it
 * is settled. The messages of a sender that does not number them (`Sender`, Go) are handed out the same way.
 */
export class AcknowledgingReceiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** The name of this receiver in error messages. */
  readonly name: string
  readonly #connection: Connection
  readonly #autoAck: boolean
  readonly #dispatcher: Dispatcher
  readonly #link: ReceiverLink
  /** The loop for calls of `next` on the receiver itself. */
  readonly #direct = new Reader()
  /** Loops that have begun and not been left. */
  readonly #loops = new Set<Reader>()

  /**
   * @throws TypeError if `connection` is not a connection of this copy of the package or has a receiver already, or for
   *   an unknown option or a value of the wrong kind; RangeError for a value that is out of range
   */
  constructor(connection: Connection, name: string, options?: AcknowledgingReceiverOptions) {
    checkConnection(connection, 'AcknowledgingReceiver')
    const { dispatch, deadLetters, link } = checkReceiverOptions(name, options)
    this.name = name
    this.#connection = connection
    this.#autoAck = dispatch.autoAck
    this.#dispatcher = new Dispatcher(dispatch, deadLetters, {
      isDestroyed: () => wasDestroyed(connection),
      onRoom: () => {
        this.#link.resume()
      },
      onFinished: () => {
        this.#link.leaveSession()
      },
      onHeld: (bytes) => {
        inputOf(connection)?.charge(bytes)
      },
    })
    this.#link = new ReceiverLink(connection, name, link, this.#dispatcher)
    observeOn(connection, 'acknowledging-receiver', this)
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  /** Counts since this receiver was made. */
  get stats(): AcknowledgingReceiverStats {
    const { lost, ...counts } = this.#link.counts
    return { ...this.#dispatcher.counts, ...counts, lost: lost + this.#dispatcher.lost }
  }

  /**
   * The position of the message handed out last (for a run, its last message). Store it together with the effects of
   * the message, and pass it to {@link DeliveryLedger.resumeFrom} in the next process. Undefined before the first
   * message, and for a sender that does not number them. If messages are settled out of order, use {@link positionOf}.
   */
  get position(): Position | undefined {
    const { last } = this.#dispatcher
    return last === 0 ? undefined : this.#positionAt(last)
  }

  /**
   * Returns the position of a message that this receiver handed out; undefined if its sender does not number messages.
   */
  positionOf(message: SOCMessage): Position | undefined {
    const run = deliveryOf(message)
    if (!(run instanceof ReceivedRun) || !run.isNumbered) return undefined
    const index = run.indexOf(message)
    return index < 0 ? undefined : this.#positionAt(run.first + index)
  }

  /**
   * Returns the next message; `done` when the connection has ended. With `autoAck`, the call accepts the message that
   * the previous call returned, so all calls form one loop: one call at a time, by one worker. Give further workers
   * loops of their own.
   *
   * @param options.signal withdraws the wait; a message that arrives later goes to the next call
   * @throws TypeError with `autoAck` while another call is under way, and for an unknown option; the refused call
   *   accepts nothing
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE or ERR_IPC_MESSAGE_TOO_LARGE for a line that is not a message: call
   *   again for the next one. ERR_IPC_ABORTED if the signal fired. Once, followed by `done`: ERR_IPC_TIMEOUT if the
   *   sender fell silent, ERR_IPC_INVALID_MESSAGE without an offset if it violated the protocol, ERR_IPC_CLOSED if the
   *   connection broke or the sender sent too many invalid lines (reason `too-many-invalid`)
   */
  next(options?: ReceiveOptions): Promise<IteratorResult<SOCMessage, undefined>> {
    if (options === undefined) return this.#ask(this.#direct, true)
    try {
      const { signal } = checkOptions('next', options, NEXT_TABLE)
      return this.#ask(this.#direct, true, signal)
    } catch (error) {
      return rejected(error as TypeError)
    }
  }

  /**
   * Iterates over the messages in runs, the fastest way to receive many. With `autoAck`, requesting the next run
   * accepts the previous one. A loop that is left in the middle releases its run.
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
   * Calls `handler` for each message. A message is accepted when the handler has returned (or its promise has
   * resolved), and released when it throws or rejects; `message.reject` rejects it for good. Resolves when the
   * connection has ended. For a receiver with `autoAck: false`.
   *
   * Messages that were read are still handled when the connection breaks or the peer ends it. When the application
   * destroys the connection, no further message is handed out: an `AcknowledgedSender` sends them again, those of another
   * sender are counted as `lost`. The outcome of messages in hand still counts, and the next connection reports it.
   * After {@link close}, which releases the messages in hand, no further handler begins either.
   *
   * @throws TypeError with `autoAck`, for a handler that is not a function, or an unknown option; RangeError for an
   *   option that is out of range
   * @throws {IpcError} as {@link next}, except for lines that are not messages, which are only counted
   */
  async handle(handler: (message: SOCMessage) => unknown, options?: HandleOptions): Promise<void> {
    if (typeof handler !== 'function') throw wrongKind('handle: handler', 'a function', handler)
    if (this.#autoAck) throw new TypeError('handle: construct the receiver with autoAck: false')
    const handling = checkHandling(options)
    const loops = Array.from({ length: handling.concurrency }, async () => {
      const reader = new Reader()
      const loop = {
        next: (): Promise<IteratorResult<SOCMessage, undefined>> => this.#ask(reader, true),
        isInHand: (message: SOCMessage): boolean => this.#isInHand(message),
      }
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
   * Accepts messages that the application has finished, in any order. Messages that are not in hand are ignored. Works
   * even after the connection has ended.
   */
  acknowledge(messages: SOCMessage | readonly SOCMessage[]): void {
    this.#dispatcher.accept(
      Array.isArray(messages) ? (messages as readonly SOCMessage[]) : [messages as SOCMessage],
    )
  }

  /** Ends an iteration, and calls {@link close}. */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  /**
   * Begins a separate loop over the messages. Several loops share the messages; with `autoAck`, each accepts its own. A
   * loop that is left in the middle, by `break` or by a throw, releases its message; the last one to leave closes the
   * receiver.
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

  /**
   * Acknowledges settled messages, releases the messages in hand, and closes the connection. Messages that were read and not
   * handed out are discarded: an `AcknowledgedSender` sends them again, those of another sender are counted as `lost`.
   */
  async close(): Promise<void> {
    this.#link.end()
    this.#dispatcher.close()
    await hangUp(this.#connection)
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #ask<Value extends SOCMessage | SOCMessage[]>(
    reader: Reader,
    one: boolean,
    signal?: AbortSignal,
  ): Promise<IteratorResult<Value, undefined>> {
    const answer = this.#dispatcher.next(reader, one, signal)
    if (this.#dispatcher.isWanted) this.#link.asked()
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

  #isInHand(message: SOCMessage): boolean {
    const run = deliveryOf(message)
    return run instanceof ReceivedRun && run.isInHand(run.indexOf(message))
  }

  #positionAt(sequence: number): Position {
    const { uid, sid } = this.#connection.peer
    return { uid, ...(sid !== undefined && { sid }), session: this.#link.session?.id ?? '', sequence }
  }
}
