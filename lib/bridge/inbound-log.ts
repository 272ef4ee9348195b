// The messages between the message system and the local receiver, as the log that an AcknowledgedSender sends from. The
// message system stores them. This log knows which messages are settled, and reports the items that are.

import { IpcError } from '../base/errors.js'
import { setImmediate } from '../base/globals.js'
import { indexAtLeast } from '../base/sorted.js'
import { Soon } from '../base/soon.js'
import { NumberSet } from '../delivery/protocol/number-set.js'
import type { SpoolEvents, SpoolLog, SpoolRecord } from '../spool/spool-log.js'
import { InboundRecords } from './inbound-records.js'

/**
 * A bridge that is this many messages ahead of its checkpoint reads no more until it has saved the next one. This
 * bounds the numbers that an earlier process can have sent, and so what a receiver can report about messages not read
 * again yet.
 */
export const MOST_AHEAD = 1 << 18
/**
 * Most messages of an item. With more, a receiver could have settled numbers for one process that the next one takes for
 * numbers that were never sent.
 */
export const MOST_OF_ITEM = 1 << 18

/** The messages of one item of the message system. */
export interface InboundItem {
  readonly position: number
  /** Number of the first message; the others follow. */
  readonly first: number
  readonly count: number
  readonly bytes: number
  /** Sessions whose latest message it contains, and the number of that message. */
  readonly progress: readonly (readonly [key: string, number: number])[]
  /** Unsettled messages of the item, plus its dead letters that are not stored yet. */
  left: number
}

/** Numbers that a receiver rejected, all for the same reason. */
interface Rejected {
  readonly first: number
  readonly last: number
  readonly reason: string
}

export interface InboundEvents {
  /** Called with each settled item, in the order of the items. */
  onSettled(item: InboundItem): void
  /** Called when the receiver has rejected a message. Call `done` when it is stored as a dead letter. */
  onRejected(line: Buffer, item: InboundItem, number: number, reason: string, done: () => void): void
}

export class InboundLog implements SpoolLog {
  readonly session: string
  readonly maxBytes = Number.MAX_SAFE_INTEGER
  readonly headerBytes = 0
  readonly overheadBytes = 0
  readonly #events: InboundEvents
  #sender: SpoolEvents | undefined
  /**
   * Announces new items once per turn of the event loop, so that those of one read share a write and an
   * acknowledgement.
   */
  readonly #announcement = new Soon(() => {
    this.#sender?.onMore?.()
  }, setImmediate)
  #items: InboundItem[] = []
  readonly #records = new InboundRecords()
  readonly #settled: NumberSet
  #next: number
  #recordedThrough: number
  /** The highest number that an earlier process may have sent. */
  readonly #highestEver: number
  /** Rejections of messages that are not here yet, ascending; they do not overlap. */
  readonly #rejected: Rejected[] = []
  #messages = 0
  #bytes = 0

  constructor(session: string, settledThrough: number, events: InboundEvents) {
    this.session = session
    this.#settled = new NumberSet(settledThrough)
    this.#next = settledThrough + 1
    this.#recordedThrough = settledThrough
    this.#highestEver = settledThrough + MOST_AHEAD + MOST_OF_ITEM
    this.#events = events
  }

  get settledThrough(): number {
    return this.#settled.through
  }

  /**
   * The number that a checkpoint covers. Later messages are read again after a crash, so the receiver must remember
   * them.
   */
  get recordedThrough(): number {
    return this.#recordedThrough
  }

  set recordedThrough(number: number) {
    this.#recordedThrough = number
  }

  /**
   * An earlier process may have read more of the message system and sent higher numbers than this one, within the
   * limits of {@link isFarAhead}. A receiver that has settled such a number may report it before this process has read
   * that message again. Higher numbers were never sent.
   */
  get next(): number {
    return Math.max(this.#next, this.#highestEver + 1)
  }

  /** Whether no more items may be added until a checkpoint covers more messages. */
  get isFarAhead(): boolean {
    return this.#next - 1 - this.#recordedThrough >= MOST_AHEAD
  }

  get messages(): number {
    return this.#messages
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Number of unsettled items. */
  get items(): number {
    return this.#items.length
  }

  attach(events: SpoolEvents): void {
    this.#sender = events
  }

  /**
   * Adds the next item: valid lines without numbers, at most {@link MOST_OF_ITEM}. `dead` is the number of its dead letters
   * that are not stored yet, and `deadBytes` the size of their data, which is held until then.
   */
  add(
    position: number,
    lines: Buffer,
    count: number,
    progress: InboundItem['progress'],
    dead: number,
    deadBytes = 0,
  ): InboundItem {
    const first = this.#next
    const bytes = lines.length + deadBytes
    const item: InboundItem = { position, first, count, bytes, progress, left: count + dead }
    this.#items.push(item)
    this.#next += count
    this.#messages += count
    this.#bytes += bytes
    this.#records.add(lines, count, first)
    this.#settleKnown(item)
    if (count > 0) this.#announcement.ask()
    this.#advance()
    return item
  }

  /** Notes that a dead letter of an item was stored. */
  onDeadLetterKept(item: InboundItem): void {
    --item.left
    this.#advance()
  }

  read(from: number, maxBytes: number): SpoolRecord[] {
    return this.#records.read(from, maxBytes)
  }

  settle(first: number, through: number, rejection?: string): number {
    let count = 0
    for (const range of this.#settled.missing(first, through)) {
      const last = Math.min(range.last, this.#next - 1)
      if (last >= range.first) {
        count += last - range.first + 1
        this.#settleItems(range.first, last, rejection)
      }
      if (rejection !== undefined && range.last >= this.#next)
        this.#noteRejected(Math.max(range.first, this.#next), range.last, rejection)
    }
    this.#settled.add(first, through)
    this.#messages -= count
    this.#records.removeThrough(this.#settled.through)
    this.#advance()
    return count
  }

  fits(): boolean {
    return false
  }

  makeRoom(): number {
    return 0
  }

  expire(): void {
    // The message system decides how long it keeps messages.
  }

  append(): { first: number; durable: Promise<void> } {
    const error = new IpcError('ERR_IPC_CLOSED', 'a bridge takes messages only from the message system')
    const durable = Promise.reject(error)
    durable.catch(() => undefined)
    return { first: this.#next, durable }
  }

  async close(): Promise<void> {
    // The message system still has everything that is not settled.
  }

  #noteRejected(first: number, last: number, reason: string): void {
    this.#rejected.splice(indexAtLeast(this.#rejected, first, lastOf), 0, { first, last, reason })
  }

  /** Settles the messages that the receiver has already settled for an earlier process. */
  #settleKnown({ first, count }: InboundItem): void {
    const last = first + count - 1
    if (count === 0 || first > this.#settled.highest) return
    let from = first
    for (const unsettled of this.#settled.missing(first, last)) {
      this.#settleEarlier(from, unsettled.first - 1)
      from = unsettled.last + 1
    }
    this.#settleEarlier(from, last)
    this.#rejected.splice(0, indexAtLeast(this.#rejected, last + 1, lastOf))
  }

  /** Settles messages that are here now with the outcomes that the receiver has reported before. */
  #settleEarlier(first: number, last: number): void {
    if (first > last) return
    this.#messages -= last - first + 1
    let from = first
    for (let i = indexAtLeast(this.#rejected, first, lastOf); from <= last; ++i) {
      const rejected = this.#rejected[i]
      const begin = Math.max(from, rejected?.first ?? Infinity)
      if (rejected === undefined || begin > last) break
      const end = Math.min(rejected.last, last)
      if (begin > from) this.#settleItems(from, begin - 1, undefined)
      this.#settleItems(begin, end, rejected.reason)
      from = end + 1
    }
    if (from <= last) this.#settleItems(from, last, undefined)
  }

  #settleItems(first: number, last: number, rejection: string | undefined): void {
    for (let i = indexAtLeast(this.#items, first, lastNumber); i < this.#items.length; ++i) {
      const item = this.#items[i] as InboundItem
      if (item.first > last) return
      const from = Math.max(first, item.first)
      const to = Math.min(last, item.first + item.count - 1)
      if (to < from) continue
      if (rejection === undefined) {
        item.left -= to - from + 1
        continue
      }
      for (let number = from; number <= to; ++number) {
        this.#events.onRejected(this.#records.lineOf(number), item, number, rejection, () => {
          this.onDeadLetterKept(item)
        })
      }
    }
  }

  #advance(): void {
    let done = 0
    for (let item = this.#items[done]; item?.left === 0; item = this.#items[++done]) {
      this.#bytes -= item.bytes
    }
    if (done === 0) return
    for (const item of this.#items.splice(0, done)) this.#events.onSettled(item)
  }
}

const lastOf = ({ last }: Rejected): number => last
const lastNumber = ({ first, count }: InboundItem): number => first + count - 1
