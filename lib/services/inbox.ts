// Reads the connection of an endpoint: passes each message to the requests, the replies or the feed, stops reading while
// these hold too much, and charges the peer's user for the memory. Must not know the life of the endpoint.

import { Waiters } from '../base/waiters.js'
import { inputOf } from '../connection/connection.js'
import type { Receiver } from '../endpoints/receiver.js'
import { memoryOf } from '../message/held-reads.js'
import type { SOCMessage } from '../message/message.js'
import type { IncomingRequests } from './incoming-requests.js'
import type { MessageFeed } from './message-feed.js'
import type { Outbox } from './outbox.js'
import type { OutgoingRequests } from './outgoing-requests.js'
import { CANCEL_TYPE, REPLY_TYPE } from './reply.js'

export class Inbox {
  readonly #receiver: Receiver
  readonly #outbox: Outbox
  readonly #outgoing: OutgoingRequests
  readonly #incoming: IncomingRequests
  readonly #feed: MessageFeed
  readonly #room = new Waiters()
  #stopped = false
  /** Memory of a run whose processing waits for room. */
  #stuckBytes = 0
  /**
   * Bytes charged to the account of the peer's user; and the part of them that the application or the peer has yet to
   * read.
   */
  #charged = 0
  #chargedAwaiting = 0

  constructor(
    receiver: Receiver,
    outbox: Outbox,
    outgoing: OutgoingRequests,
    incoming: IncomingRequests,
    feed: MessageFeed,
  ) {
    this.#receiver = receiver
    this.#outbox = outbox
    this.#outgoing = outgoing
    this.#incoming = incoming
    this.#feed = feed
  }

  /** Reads to the end of the stream, then calls `onEnd`, with the reason if the stream broke. */
  async readAll(onEnd: (failure: Error | undefined) => void): Promise<void> {
    let failure: Error | undefined
    try {
      const runs = this.#receiver.batches()
      for (let run = await runs.next(); run.done !== true; run = await runs.next()) {
        const bytes = this.#beginRun(run.value)
        for (const message of run.value) {
          this.#take(message)
          while (this.#mustWait()) await this.#waitForRoom(bytes)
        }
        this.charge()
      }
    } catch (error) {
      failure = error as Error
    }
    onEnd(failure)
  }

  /** Charges the peer's user for the memory that the endpoint holds. Call when that has changed. */
  charge(): void {
    const { bytes, unread } = this.#feed
    const others = this.#incoming.bytes + this.#outbox.unsentBytes + this.#stuckBytes
    const total = others + bytes
    // In a full account, messages that no loop reads are dropped, so that they do not block requests.
    const awaiting = unread ? others : total
    if (total === this.#charged && awaiting === this.#chargedAwaiting) return
    const [more, moreAwaiting] = [total - this.#charged, awaiting - this.#chargedAwaiting]
    this.#charged = total
    this.#chargedAwaiting = awaiting
    inputOf(this.#receiver.connection)?.charge(more, moreAwaiting)
  }

  /** Continues reading if it waits for room and there is some. */
  checkRoom(): void {
    if (!this.#mustWait()) this.#room.wake()
  }

  /** Stops waiting for room: the endpoint is closed. */
  stop(): void {
    this.#stopped = true
    this.#room.wake()
  }

  /** Returns the memory that the run keeps alive. */
  #beginRun(run: readonly SOCMessage[]): number {
    const bytes = memoryOf(run)
    this.#incoming.beginRun(bytes)
    this.#feed.beginRun(bytes)
    return bytes
  }

  #take(message: SOCMessage): void {
    if (message.type === REPLY_TYPE) this.#outgoing.takeReply(message)
    else if (message.type === CANCEL_TYPE) this.#incoming.takeCancellation(message)
    else if (!this.#incoming.take(message)) this.#feed.push(message)
  }

  #mustWait(): boolean {
    if (!this.#feed.full && !this.#outbox.full) return false
    return !this.#stopped && !this.#receiver.connection.closed
  }

  async #waitForRoom(runBytes: number): Promise<void> {
    this.#stuckBytes = runBytes
    this.charge()
    await this.#room.wait()
    this.#stuckBytes = 0
  }
}
