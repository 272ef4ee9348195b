// Receives the messages of local senders and gathers them, while the bridge has room. Messages that are safe already are
// acknowledged again, and lines that the bridge cannot carry become dead letters.

import type { Waiters } from '../base/waiters.js'
import type { Connection } from '../connection/connection.js'
import { AcknowledgingReceiver } from '../delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../delivery/receiver/ledger.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import type { SOCMessage } from '../message/message.js'
import type { Origin } from './batches.js'
import type { BatchSink } from './bridge.js'
import type { Gatherer } from './gatherer.js'
import type { BridgeLife } from './life.js'
import type { Origins } from './origins.js'
import { RefusedLines } from './refused-lines.js'

/** Options of a {@link LocalIntake}. */
export interface IntakeOptions {
  /** Name of this host in the message system. */
  readonly host: string
  /** Longest line that the spool has room for. */
  readonly maxLineBytes: number
  /** Whether the bridge holds as many bytes as it may. */
  readonly isFull: () => boolean
  /** Woken when there may be room, and when messages were accepted. */
  readonly room: Waiters
  /** Called when messages were gathered. */
  readonly onGathered: () => void
}

export class LocalIntake {
  readonly #sink: BatchSink
  readonly #origins: Origins
  readonly #gatherer: Gatherer
  readonly #life: BridgeLife
  readonly #options: IntakeOptions
  readonly #ledger = new DeliveryLedger()
  readonly #refused: RefusedLines

  constructor(
    sink: BatchSink,
    origins: Origins,
    gatherer: Gatherer,
    life: BridgeLife,
    options: IntakeOptions,
  ) {
    this.#sink = sink
    this.#origins = origins
    this.#gatherer = gatherer
    this.#life = life
    this.#options = options
    this.#refused = new RefusedLines(sink, options.host, life)
  }

  /** Receives the messages of one connection until it ends. */
  async receive(connection: Connection): Promise<void> {
    const { maxLineBytes, isFull, room } = this.#options
    const receiver = new AcknowledgingReceiver(connection, 'bridge', {
      ledger: this.#ledger,
      autoAck: false,
      maxMessageBytes: Math.min(MAX_MESSAGE_BYTES, maxLineBytes, this.#sink.limits.maxLineBytes - 1),
      ackDelayMs: 1,
    })
    let invented: Origin | undefined
    for await (const messages of this.#batchesOf(receiver)) {
      const position = receiver.positionOf(messages[0] as SOCMessage)
      if (position !== undefined) {
        const origin = this.#origins.of(connection.peer, position.session)
        this.#take(origin, receiver, messages, position.sequence)
      } else {
        invented ??= this.#origins.invent(connection.peer)
        this.#take(invented, receiver, messages, invented.gathered + 1)
      }
      while (!this.#life.isOver && isFull()) await room.wait()
    }
    while (!this.#life.isOver && !connection.closed && receiver.stats.inHand > 0) await room.wait()
  }

  /** Yields the batches of a receiver. Refused lines become dead letters. */
  async *#batchesOf(receiver: AcknowledgingReceiver): AsyncGenerator<SOCMessage[]> {
    const batches = receiver.batches()
    for (;;) {
      try {
        const { value, done } = await batches.next()
        if (done === true) return
        yield value
      } catch (error) {
        if (!this.#refused.take(error)) throw error
      }
    }
  }

  #take(origin: Origin, receiver: AcknowledgingReceiver, messages: SOCMessage[], first: number): void {
    // Messages that are safe already, whose acknowledgement the sender has not received.
    const known = Math.max(0, Math.min(messages.length, origin.safe - first + 1))
    this.#life.counts.received += messages.length - known
    if (known > 0) {
      this.#life.counts.duplicates += known
      receiver.acknowledge(messages.slice(0, known))
    }
    if (known === messages.length) return
    const fresh = known === 0 ? messages : messages.slice(known)
    this.#gatherer.add(origin, receiver, fresh, first + known)
    origin.gathered = Math.max(origin.gathered, first + messages.length - 1)
    origin.pending += fresh.length
    this.#options.onGathered()
  }
}
