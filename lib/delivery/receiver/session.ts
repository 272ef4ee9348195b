// One session of one sender, as a receiving process knows it: which numbers are settled and how, and which are in an
// application's hands. Outlives the connections that carry it; must not know them.
//
//     a number:  unknown ──> known (read) ──> in hand ──> settled ──> told
//                               ^────── released ──┘

import { MAX_RANGES, MAX_REASON_LENGTH, type SettledRange } from '../protocol/control.js'
import { NumberSet, type Island } from '../protocol/number-set.js'

/** The reader of a session: the connection that carries it now. */
export interface SessionReader {
  /** Another connection carries the session now. Returns the numbers that the application has in hand. */
  onFenced(): Iterable<number>
  /** There is something new to acknowledge. */
  onSettled(): void
  /** Numbers in hand at an earlier reader were settled or released. */
  onFreed(): void
  /** The numbers that the application has in hand from this reader. */
  numbersInHand(): Iterable<number>
}

/** A limit of what is remembered for one session. */
export type SessionLimit = 'islands' | 'rejections'

/**
 * Most ranges of settled numbers with gaps between them, and most rejections that the sender may not know of. Both grow only
 * while an early message is not settled.
 */
export const MAX_REMEMBERED = 1 << 17

export class Session {
  readonly user: number | string
  readonly id: string
  readonly #settled: NumberSet
  /** Rejected numbers that the sender may not know of yet, with their reasons. */
  readonly #rejections = new Map<number, string>()
  /** Rejected numbers that were not reported on the current connection; ascending. */
  #untold: number[] = []
  /** How often numbers were released that are not settled. */
  readonly #releases = new Map<number, number>()
  /** In hand at earlier readers. */
  readonly #former = new Set<number>()
  /** The current reader; the previous one was stopped. */
  #reader: SessionReader | undefined
  /** No number below this one comes again, as the sender stated. */
  #lowest: number
  #progress = 0
  #inHand = 0

  /**
   * @param lowest no lower number comes again
   * @param next the number that the session begins with: those from `lowest` on were settled by an earlier process
   */
  constructor(user: number | string, id: string, lowest: number, next = lowest) {
    this.user = user
    this.id = id
    this.#lowest = lowest
    this.#settled = new NumberSet(next - 1)
  }

  /** Every number through this one is settled. */
  get settledThrough(): number {
    return this.#settled.through
  }

  /** Numbers settled so far; only ever rises. */
  get progress(): number {
    return this.#progress
  }

  /** Some connection reads the session, or some application has messages of it in hand. */
  get inUse(): boolean {
    return this.#reader !== undefined || this.#inHand > 0
  }

  /** Forgetting this session would lose nothing: a new one, begun where the sender goes on, would be equal. */
  get isClean(): boolean {
    return (
      this.#settled.through === this.#lowest - 1 &&
      this.#settled.islands.length === 0 &&
      this.#rejections.size === 0 &&
      this.#releases.size === 0
    )
  }

  /** The limit that is exceeded, if any. */
  get exceeded(): SessionLimit | undefined {
    if (this.#settled.islands.length > MAX_REMEMBERED) return 'islands'
    return this.#rejections.size > MAX_REMEMBERED ? 'rejections' : undefined
  }

  /** A new connection carries this session: the reader before stops. */
  attach(reader: SessionReader): void {
    const former = this.#reader
    this.#reader = reader
    for (const number of former?.onFenced() ?? []) this.#former.add(number)
    // The earlier connection may have lost the rejections that it reported.
    this.#untold = [...this.#rejections.keys()].sort((a, b) => a - b)
  }

  /** A connection does not carry the session any more. Its application has these numbers in hand. */
  detach(reader: SessionReader, inHand: Iterable<number>): void {
    if (this.#reader !== reader) return
    this.#reader = undefined
    for (const number of inHand) this.#former.add(number)
  }

  /** The sender has stated this: no lower number comes again. Returns how many of them were not settled. */
  state(lowest: number): number {
    if (lowest <= this.#lowest) return 0
    this.#lowest = lowest
    for (const number of this.#rejections.keys()) if (number < lowest) this.#rejections.delete(number)
    if ((this.#untold[0] ?? lowest) < lowest) this.#untold = this.#untold.filter((number) => number >= lowest)
    for (const number of this.#releases.keys()) if (number < lowest) this.#releases.delete(number)
    return this.giveUp(1, lowest - 1)
  }

  /** The sender has given these numbers up. Returns how many of them were neither settled nor in hand. */
  giveUp(first: number, last: number): number {
    if (last <= this.#settled.through) return 0
    let inHand = 0
    const count = (numbers: Iterable<number>): void => {
      for (const number of numbers)
        if (first <= number && number <= last && !this.#settled.has(number)) ++inHand
    }
    count(this.#former)
    if (this.#reader !== undefined) count(this.#reader.numbersInHand())
    const settled = this.#settled.add(first, last)
    this.#progress += settled
    return settled - inHand
  }

  isSettled(number: number): boolean {
    return this.#settled.has(number)
  }

  /** Whether an application has the message from an earlier connection. */
  isInHandElsewhere(number: number): boolean {
    return this.#former.has(number)
  }

  /** Whether an application has any message from an earlier connection. */
  get anyInHandElsewhere(): boolean {
    return this.#former.size > 0
  }

  /** Nothing is known of these numbers: they were not settled, released, or handed out. */
  isNews(first: number): boolean {
    return first > this.#settled.highest && this.#former.size === 0 && this.#releases.size === 0
  }

  /** The numbers from `first` through `last` that are not settled. */
  missing(first: number, last: number): Island[] {
    return this.#settled.missing(first, last)
  }

  /** How often a message was released. */
  releasesOf(number: number): number {
    return this.#releases.get(number) ?? 0
  }

  noteInHand(messages: number): void {
    this.#inHand += messages
  }

  /** Messages in hand are finished. */
  accept(first: number, last: number): void {
    this.#inHand -= last - first + 1
    this.#settle(first, last)
  }

  /** A message in hand, or a line that cannot be read, is refused for good. */
  reject(number: number, reason: string, wasInHand: boolean): void {
    if (wasInHand) --this.#inHand
    if (number >= this.#lowest && !this.#settled.has(number)) {
      this.#rejections.set(number, reason.slice(0, MAX_REASON_LENGTH))
      this.#noteUntold(number)
    }
    this.#settle(number, number)
  }

  /** A message in hand is given back. */
  release(number: number): void {
    --this.#inHand
    if (!this.#settled.has(number)) this.#releases.set(number, this.releasesOf(number) + 1)
    this.#free(number, number)
  }

  /**
   * Returns what to acknowledge on the current connection: `through`, rejections, and accepted ranges beyond it. With `more`,
   * further rejections are still to be reported: call it again.
   */
  acknowledgement(): { through: number; ranges: SettledRange[]; more: boolean } {
    const telling = this.#untold.splice(0, MAX_RANGES)
    // A rejected number must never be reported as accepted, so numbers beyond the first rejection that does not fit
    // wait.
    const bound = (this.#untold[0] ?? Infinity) - 1
    const ranges = telling.map((number): SettledRange => [number, number, this.#rejections.get(number) ?? ''])
    for (const { first, last } of this.#settled.islands) {
      if (ranges.length >= MAX_RANGES || first > bound) break
      ranges.push([first, Math.min(last, bound)])
    }
    return { through: Math.min(this.#settled.through, bound), ranges, more: this.#untold.length > 0 }
  }

  #noteUntold(number: number): void {
    const untold = this.#untold
    // Messages are mostly rejected in their order.
    let at = untold.length
    while (at > 0 && (untold[at - 1] as number) > number) --at
    if (at === untold.length) untold.push(number)
    else untold.splice(at, 0, number)
  }

  #settle(first: number, last: number): void {
    this.#progress += this.#settled.add(first, last)
    if (this.#releases.size > 0)
      for (let number = first; number <= last; ++number) this.#releases.delete(number)
    this.#reader?.onSettled()
    this.#free(first, last)
  }

  #free(first: number, last: number): void {
    if (this.#former.size === 0) return
    let freed = false
    for (let number = first; number <= last; ++number) freed = this.#former.delete(number) || freed
    if (freed) this.#reader?.onFreed()
  }
}
