// One subscriber of a publisher: its lines go to the connection's writer at once, or wait in a queue of its own,
// bounded in bytes, while the subscriber does not read.

import { observeOn } from '../observe/registry.js'
import { writerOf, type Connection } from '../connection/connection.js'
import { Fifo } from '../base/fifo.js'
import { Waiters } from '../base/waiters.js'
import type { FrameWriter } from '../wire/frame-writer.js'
import { onDraining } from './draining.js'
import type { Lines, SharedBatch, TypeFilter } from './shared-batch.js'

/**
 * What happens to the messages of a subscriber that reads too slowly, when `maxPendingBytes` wait.
 * - `drop-oldest`: the oldest waiting messages are dropped, many at once where the bound allows it. For a feed of
 * states.
 * - `drop-newest`: new messages are dropped until the subscriber reads some. For a feed that must have no gap before
 * its end.
 * - `disconnect`: the connection of the subscriber is destroyed, so that it notices.
 */
export type PublisherOnFull = 'drop-oldest' | 'drop-newest' | 'disconnect'

/** Counts of one subscriber: offered = written + pending + dropped. */
export interface SubscriberStats {
  /** Messages of its types published since the subscriber was added. */
  readonly offered: number
  /** Messages handed to the kernel. */
  readonly written: number
  /** Messages that wait for the subscriber. */
  readonly pending: number
  /** Bytes that wait for the subscriber. */
  readonly pendingBytes: number
  /** Messages dropped. */
  readonly dropped: number
}

/**
 * The life of a subscriber.
 *
 *     flowing ──the kernel takes no more──▶ waiting ──all is written──▶ flowing
 *        └──────────────────┴── the connection ends, unsubscribe(), onFull 'disconnect' ──▶ ended
 */
type SubscriberState = 'flowing' | 'waiting' | 'ended'

/** Lines [from, to) of a batch. */
interface Range {
  readonly lines: Lines
  from: number
  readonly to: number
  bytes: number
}

/** A connection that a {@link Publisher} publishes to. Made by `Publisher.add`. */
export class Subscriber {
  /** The connection of the subscriber. */
  readonly connection: Connection
  readonly #filter: TypeFilter | undefined
  readonly #maxPendingBytes: number
  readonly #onFull: PublisherOnFull
  readonly #onEnded: (subscriber: Subscriber) => void
  readonly #writer: FrameWriter
  readonly #drained = new Waiters()
  readonly #ignoreDraining: () => void
  #state: SubscriberState = 'flowing'
  readonly #queue = new Fifo<Range>()
  #queuedBytes = 0
  #queued = 0
  /** Bytes handed to the writer that the kernel does not have yet. */
  #handedBytes = 0
  #handed = 0
  /** Whether 'drop-newest' drops, until the subscriber reads some. */
  #refusing = false
  #offered = 0
  #written = 0
  #dropped = 0
  readonly #onReady = (): void => {
    this.#drain()
  }

  /** For {@link Publisher} alone. */
  constructor(
    connection: Connection,
    filter: TypeFilter | undefined,
    maxPendingBytes: number,
    onFull: PublisherOnFull,
    onEnded: (subscriber: Subscriber) => void,
  ) {
    this.connection = connection
    this.#filter = filter
    this.#maxPendingBytes = maxPendingBytes
    this.#onFull = onFull
    this.#onEnded = onEnded
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
    observeOn(connection, 'subscriber', this)
    void connection.whenClosed().then(() => {
      this.#end()
    })
    this.#ignoreDraining = onDraining(connection, () => this.#finish())
  }

  /** The types that the subscriber gets; undefined: all. */
  get types(): ReadonlySet<string> | undefined {
    return this.#filter?.types
  }

  /** Counts since the subscriber was added. */
  get stats(): SubscriberStats {
    return {
      offered: this.#offered,
      written: this.#written,
      pending: this.#queued + this.#handed,
      pendingBytes: this.#queuedBytes + this.#handedBytes,
      dropped: this.#dropped,
    }
  }

  /** Ends the subscription; waiting messages are dropped. The connection stays open. Safe to call again. */
  unsubscribe(): void {
    this.#end()
  }

  /** Resolves when everything offered so far is written or dropped. For {@link Publisher} alone. */
  drained(): Promise<void> {
    return this.#queued + this.#handed === 0 ? Promise.resolve() : this.#drained.wait()
  }

  /**
   * Offers the lines of a batch to the subscriber. For {@link Publisher} alone.
   *
   * @internal
   */
  offer(batch: SharedBatch): void {
    if (this.#state === 'ended') return
    const lines = this.#filter === undefined ? batch.lines : batch.select(this.#filter)
    if (lines === undefined) return
    this.#offered += lines.count
    const writer = this.#writer
    // Unchecked messages of a sender on the same connection are written first.
    if (writer.checking) writer.flush()
    if (this.#state === 'flowing' && !writer.blocked && writer.failure === undefined) {
      this.#hand(lines.bytes, lines.count)
      writer.flush()
      if (this.#settle() === 'waiting' && lines === batch.lines) batch.hold()
    } else {
      this.#enqueue(this.#filter === undefined ? batch.kept : lines)
    }
  }

  #hand(bytes: Buffer, count: number): void {
    this.#writer.appendLines(bytes)
    this.#handedBytes += bytes.length
    this.#handed += count
  }

  /**
   * Updates the counts and the state after a flush, by whether the kernel has everything that was handed to the writer.
   */
  #settle(): SubscriberState {
    if (this.#writer.failure !== undefined) {
      this.#end()
    } else if (this.#writer.blocked) {
      this.#state = 'waiting'
    } else {
      this.#written += this.#handed
      this.#handed = 0
      this.#handedBytes = 0
    }
    return this.#state
  }

  #drain(): void {
    if (this.#state === 'ended') return
    const writer = this.#writer
    let state = this.#settle()
    if (state !== 'waiting' || writer.blocked) return
    this.#refusing = false
    while (this.#queue.length > 0 && !writer.blocked && writer.failure === undefined) {
      if (writer.checking) writer.flush()
      else this.#handQueued()
      state = this.#settle()
    }
    if (state === 'ended' || writer.blocked) return
    this.#state = 'flowing'
    this.#drained.wake()
  }

  /** Hands queued lines to the writer until its batch is full. */
  #handQueued(): void {
    const writer = this.#writer
    while (this.#queue.length > 0 && !writer.full) {
      const { lines, from, to } = this.#shift()
      this.#hand(lines.slice(from, to), to - from)
    }
    writer.flush()
  }

  #shift(): Range {
    const range = this.#queue.shift() as Range
    this.#queuedBytes -= range.bytes
    this.#queued -= range.to - range.from
    return range
  }

  #push(lines: Lines, to: number, bytes: number): void {
    this.#state = 'waiting'
    this.#queue.push({ lines, from: 0, to, bytes })
    this.#queuedBytes += bytes
    this.#queued += to
  }

  #enqueue(lines: Lines): void {
    const room = this.#maxPendingBytes - this.#queuedBytes - this.#handedBytes
    if (lines.bytes.length <= room && !this.#refusing) {
      this.#push(lines, lines.count, lines.bytes.length)
    } else if (this.#onFull === 'drop-oldest') {
      this.#push(lines, lines.count, lines.bytes.length)
      this.#dropOldest()
    } else if (this.#onFull === 'disconnect') {
      this.#dropped += lines.count
      this.#end()
      this.connection.destroy()
    } else {
      this.#pushWhatFits(lines, this.#refusing ? 0 : room)
      this.#refusing = true
    }
  }

  #pushWhatFits(lines: Lines, room: number): void {
    let fit = 0
    while (fit < lines.count && (lines.ends[fit] as number) <= room) ++fit
    if (fit > 0) this.#push(lines, fit, lines.ends[fit - 1] as number)
    this.#dropped += lines.count - fit
  }

  #dropOldest(): void {
    let excess = this.#queuedBytes + this.#handedBytes - this.#maxPendingBytes
    while (excess > 0 && this.#queue.length > 0) {
      const first = this.#queue.first as Range
      // Drops a whole batch if enough remains: finding the lines within each batch would cost the publisher time.
      if (first.bytes <= excess || this.#queuedBytes - first.bytes >= this.#maxPendingBytes / 2) {
        excess -= first.bytes
        this.#dropped += first.to - first.from
        this.#shift()
      } else {
        excess -= this.#dropLines(first, excess)
      }
    }
  }

  /** Drops lines from the front of a range until `excess` bytes are gone; returns how many bytes went. */
  #dropLines(range: Range, excess: number): number {
    const { ends } = range.lines
    const begin = range.from === 0 ? 0 : (ends[range.from - 1] as number)
    let at = range.from
    while ((ends[at] as number) - begin < excess) ++at
    const gone = (ends[at] as number) - begin
    const lines = at + 1 - range.from
    range.from = at + 1
    range.bytes -= gone
    this.#queuedBytes -= gone
    this.#queued -= lines
    this.#dropped += lines
    return gone
  }

  /** Accepts no more messages. Resolves when the pending ones are written or dropped. */
  #finish(): Promise<void> {
    this.#onEnded(this)
    return this.drained()
  }

  #end(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#dropped += this.#queued + this.#handed
    this.#queue.clear()
    this.#queued = this.#queuedBytes = this.#handed = this.#handedBytes = 0
    this.#writer.unregister(this.#onReady)
    this.#ignoreDraining()
    this.#drained.wake()
    this.#onEnded(this)
  }
}
