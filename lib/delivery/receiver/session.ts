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
}

export class Session {
  readonly user: number | string
  readonly id: string
  readonly #settled: NumberSet
  /** Rejected numbers that the sender may not know of yet, with their reasons. */
  readonly #rejections = new Map<number, string>()
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

  /** @param lowest the number that the session begins with */
  constructor(user: number | string, id: string, lowest: number) {
    this.user = user
    this.id = id
    this.#lowest = lowest
    this.#settled = new NumberSet(lowest - 1)
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

  /** Numbers that were rejected, and that the sender may not know of. */
  get rejectedNumbers(): Iterable<number> {
    return this.#rejections.keys()
  }

  /** A new connection carries this session: the reader before stops. */
  attach(reader: SessionReader): void {
    const former = this.#reader
    this.#reader = reader
    if (former === undefined) return
    for (const number of former.onFenced()) this.#former.add(number)
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
    for (const number of this.#releases.keys()) if (number < lowest) this.#releases.delete(number)
    return this.giveUp(1, lowest - 1)
  }

  /** The sender has given these numbers up. Returns how many of them were neither settled nor in hand. */
  giveUp(first: number, last: number): number {
    let lost = this.#settled.add(first, last)
    this.#progress += lost
    if (lost > 0) for (const number of this.#former) if (first <= number && number <= last) --lost
    return Math.max(0, lost)
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
   * Returns what to acknowledge on a connection: `through`, rejections, and accepted ranges beyond it. `told` contains
   * the rejections already reported on the connection; those reported now are added.
   */
  acknowledgement(told: Set<number>): { through: number; ranges: SettledRange[] } {
    const untold: number[] = []
    for (const number of this.#rejections.keys()) if (!told.has(number)) untold.push(number)
    untold.sort((a, b) => a - b)
    // A rejected number must never be reported as accepted, so numbers beyond the first rejection that does not fit
    // wait.
    const bound = (untold[MAX_RANGES] ?? Infinity) - 1
    const ranges: SettledRange[] = []
    for (const number of untold.slice(0, MAX_RANGES)) {
      ranges.push([number, number, this.#rejections.get(number) ?? ''])
      told.add(number)
    }
    for (const { first, last } of this.#settled.islands) {
      if (ranges.length >= MAX_RANGES || first > bound) break
      ranges.push([first, Math.min(last, bound)])
    }
    for (const number of told) if (!this.#rejections.has(number)) told.delete(number)
    return { through: Math.min(this.#settled.through, bound), ranges }
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
