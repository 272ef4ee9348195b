// Publishes messages to any number of connections: encodes each message once, and prevents subscribers from delaying
// one another.

import { IpcError } from '../base/errors.js'
import {
  anything,
  checkOptions,
  describeValue,
  milliseconds,
  oneOf,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { Soon } from '../base/soon.js'
import { checkTimeout, waitAtMost } from '../base/timing.js'
import { checkConnection, type Connection } from '../connection/connection.js'
import { SOCMessage } from '../message/message.js'
import { BatchDraft, type TypeFilter } from './shared-batch.js'
import { Subscriber, type PublisherOnFull } from './subscriber.js'

/** Options of {@link Publisher}. */
export interface PublisherOptions {
  /** Bytes that may wait for one subscriber, beside what the kernel has taken. Default: 1 MiB. */
  readonly maxPendingBytes?: number
  /** What to do when `maxPendingBytes` is reached. Default: `drop-oldest`. See {@link PublisherOnFull}. */
  readonly onFull?: PublisherOnFull
}

/** Options of {@link Publisher.add}. */
export interface SubscribeOptions {
  /** The types of messages that this subscriber gets. Default: all. */
  readonly types?: Iterable<string>
}

const OPTIONS: OptionTable<PublisherOptions> = {
  maxPendingBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  onFull: oneOf('drop-oldest', 'drop-newest', 'disconnect'),
}
const SUBSCRIBE_OPTIONS: OptionTable<SubscribeOptions> = { types: anything }
const CLOSE_OPTIONS: OptionTable<{ readonly timeoutMs?: number }> = { timeoutMs: milliseconds }

const DEFAULT_MAX_PENDING_BYTES = 1 << 20

/**
 * Publishes to subscribers. Delivery is at most once: a subscriber that is too slow or ends misses messages, and its
 * counts show how many. Messages that are published in one turn of the event loop go out together, in their order, one
 * system call a subscriber.
 */
export class Publisher {
  readonly #maxPendingBytes: number
  readonly #onFull: PublisherOnFull
  readonly #subscribers = new Map<Connection, Subscriber>()
  readonly #draft = new BatchDraft()
  readonly #soon = new Soon(() => {
    this.#flush()
  })
  #published = 0
  #closing: Promise<void> | undefined

  /** @throws TypeError, RangeError for options that are not allowed */
  constructor(options: PublisherOptions = {}) {
    const checked = checkOptions('Publisher', options, OPTIONS)
    this.#maxPendingBytes = checked.maxPendingBytes ?? DEFAULT_MAX_PENDING_BYTES
    this.#onFull = checked.onFull ?? 'drop-oldest'
  }

  /** The subscribers whose connection is open, oldest first. */
  get subscribers(): IterableIterator<Subscriber> {
    return this.#subscribers.values()
  }

  /** Messages published since the publisher was made. */
  get published(): number {
    return this.#published
  }

  /**
   * Publishes to a connection from now on, until it ends. The connection may also have a sender, a receiver or an
   * endpoint. If the connection has no reader, a subscriber that hangs up is noticed within about a second.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the publisher or the connection is closed
   * @throws TypeError if `connection` is not a connection of this copy of the package or is a subscriber already, or
   *   for options that are not allowed
   */
  add(connection: Connection, options: SubscribeOptions = {}): Subscriber {
    checkConnection(connection, 'Publisher.add')
    const { types } = checkOptions('add', options, SUBSCRIBE_OPTIONS)
    const filter = types === undefined ? undefined : toFilter(types)
    this.#checkOpen()
    if (connection.closed) {
      throw new IpcError('ERR_IPC_CLOSED', `the connection to ${connection.address} is closed`)
    }
    if (this.#subscribers.has(connection)) throw new TypeError('the connection is a subscriber already')
    // The subscriber gets only messages published after it was added.
    this.#flush()
    const subscriber = new Subscriber(connection, filter, this.#maxPendingBytes, this.#onFull, () => {
      this.#subscribers.delete(connection)
    })
    this.#subscribers.set(connection, subscriber)
    return subscriber
  }

  /**
   * Publishes a message to all subscribers that want its type. Never waits.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE, ERR_IPC_CLOSED: nothing was published
   * @throws TypeError for a value that is not a message
   */
  publish(message: SOCMessage): void {
    if (!(message instanceof SOCMessage)) {
      throw new TypeError(`publish takes a SOCMessage, not ${describeValue(message)}`)
    }
    this.#checkOpen()
    this.#draft.add(message)
    ++this.#published
    if (this.#draft.full) this.#flush()
    else this.#soon.ask()
  }

  /**
   * Stops publishing, waits until the kernel has the subscribers' waiting messages, and closes their connections. Safe
   * to call again; never rejects. Messages that a subscriber has not taken after `timeoutMs` (default 5000) are dropped
   * and counted.
   *
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_OPTIONS)
    return (this.#closing ??= this.#close(checkTimeout(timeoutMs)))
  }

  /** As {@link close} without options. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#flush()
    await Promise.all(
      [...this.#subscribers.values()].map(async (subscriber) => {
        const { connection } = subscriber
        await waitAtMost(subscriber.drained(), timeoutMs, () => {
          subscriber.unsubscribe()
          connection.destroy()
        })
        await connection.close().catch(() => undefined)
      }),
    )
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new IpcError('ERR_IPC_CLOSED', 'the publisher is closed')
  }

  #flush(): void {
    if (this.#draft.empty) return
    const batch = this.#draft.take()
    for (const subscriber of this.#subscribers.values()) subscriber.offer(batch)
    batch.release()
  }
}

function toFilter(types: Iterable<string>): TypeFilter {
  if (typeof types === 'string') throw new TypeError('add: types must be a list of types, not a string')
  const set = new Set<string>()
  for (const type of types) {
    if (typeof type !== 'string')
      throw new TypeError(`add: a type must be a string, not ${describeValue(type)}`)
    set.add(type)
  }
  return { key: JSON.stringify([...set].sort()), types: set }
}
