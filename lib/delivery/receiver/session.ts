// One session of one sender, as a receiving process knows it: which numbers are settled and how, and which the
// application has in hand. Outlives the connections that carry it; must not know them.
//
//     a number:  unknown ──> known (read) ──> in hand ──> settled ──> told
//                               ^────── released ──┘

import { MAX_RANGES, MAX_REASON_LENGTH, type SettledRange } from '../protocol/control.js'
import { AscendingNumbers } from '../protocol/ascending-numbers.js'
import { NumberSet, type Island } from '../protocol/number-set.js'

/** The reader of a session: the connection that carries it now. */
export interface SessionReader {
  /** Called when another connection carries the session now. Returns the numbers that the application has in hand. */
  onFenced(): Iterable<number>
  /** Called when there is something new to acknowledge. */
  onSettled(): void
  /** Called when numbers in hand at an earlier reader were settled or released. */
  onFreed(): void
  /** Returns how many of these numbers the application has in hand from this reader. */
  countInHand(first: number, last: number): number
}

/** A limit on the state of one session. */
export type SessionLimit = 'islands' | 'rejections'

/**
 * Maximum number of separate ranges of settled numbers, and maximum number of rejections that the sender may not know
 * of. Both grow only while an early message is unsettled.
 */
export const MAX_REMEMBERED = 1 << 17

export class Session {
  readonly user: number | string
  readonly id: string
  readonly #settled: NumberSet
  /** Rejected numbers that the sender may not know of yet, with their reasons. */
  readonly #rejections = new Map<number, string>()
  /** The same numbers, ascending. */
  readonly #rejected = new AscendingNumbers()
  /** Rejected numbers that were not reported on the current connection. */
  #untold = new AscendingNumbers()
  /** How many islands were not reported since `#toldProgress`, and the number from which to continue with them. */
  #islandsLeft = 0
  #islandsFrom = 0
  #toldProgress = 0
  /** By unsettled number: how often it was released. */
  readonly #releases = new Map<number, number>()
  /** In hand at earlier readers. */
  readonly #former = new Set<number>()
  /** The same numbers, ascending. May also contain numbers that are no longer in hand. */
  #formerOnes = new AscendingNumbers()
  /** The current reader. Previous readers were stopped. */
  #reader: SessionReader | undefined
  /** No number below this one will be sent again, as the sender stated. */
  #lowest: number
  #progress = 0
  #inHand = 0

  /**
   * @param lowest no lower number will be sent again
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

  /** Whether a connection reads the session, or the application has messages of it in hand. */
  get inUse(): boolean {
    return this.#reader !== undefined || this.#inHand > 0
  }

  /**
   * Whether the session can be forgotten without loss: a new one, begun at the sender's next number, would be equal.
   */
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

  /** Attaches the reader of a new connection. The previous reader stops. */
  attach(reader: SessionReader): void {
    const former = this.#reader
    this.#reader = reader
    if (former !== undefined) this.#addFormer(former.onFenced())
    // The earlier connection may have lost the rejections that it reported.
    this.#untold = this.#rejected.copy()
  }

  /** Detaches the reader of a connection. `inHand` are the numbers that the application has in hand from it. */
  detach(reader: SessionReader, inHand: Iterable<number>): void {
    if (this.#reader !== reader) return
    this.#reader = undefined
    this.#addFormer(inHand)
  }

  /**
   * Records the sender's statement that no lower number will be sent again. Returns how many of those were not settled.
   */
  state(lowest: number): number {
    if (lowest <= this.#lowest) return 0
    this.#lowest = lowest
    for (const number of this.#rejected.takeBelow(lowest)) this.#rejections.delete(number)
    this.#untold.takeBelow(lowest)
    return this.giveUp(1, lowest - 1)
  }

  /** Records that the sender has given up these numbers. Returns how many of them were neither settled nor in hand. */
  giveUp(first: number, last: number): number {
    if (last <= this.#settled.through) return 0
    let inHand = 0
    for (const hole of this.#settled.missing(first, last)) {
      inHand += this.#countFormer(hole) + (this.#reader?.countInHand(hole.first, hole.last) ?? 0)
      this.#forgetReleases(hole)
    }
    const settled = this.#settled.add(first, last)
    this.#progress += settled
    return settled - inHand
  }

  isSettled(number: number): boolean {
    return this.#settled.has(number)
  }

  /** Whether the application has the message in hand from an earlier connection. */
  isInHandElsewhere(number: number): boolean {
    return this.#former.has(number)
  }

  /** Whether messages from an earlier connection are in hand. */
  get anyInHandElsewhere(): boolean {
    return this.#former.size > 0
  }

  /** Whether numbers from `first` on are new: neither settled, released, nor handed out. */
  isNews(first: number): boolean {
    return first > this.#settled.highest && this.#former.size === 0 && this.#releases.size === 0
  }

  /** Returns the numbers from `first` through `last` that are not settled. */
  missing(first: number, last: number): Island[] {
    return this.#settled.missing(first, last)
  }

  /** Returns how often a message was released. */
  releasesOf(number: number): number {
    return this.#releases.get(number) ?? 0
  }

  noteInHand(messages: number): void {
    this.#inHand += messages
  }

  /** Accepts messages in hand. */
  accept(first: number, last: number): void {
    this.#inHand -= last - first + 1
    this.#settle(first, last)
  }

  /** Rejects a message in hand, or the number of a refused line. */
  reject(number: number, reason: string, wasInHand: boolean): void {
    if (wasInHand) --this.#inHand
    if (number >= this.#lowest && !this.#settled.has(number)) {
      this.#rejections.set(number, reason.slice(0, MAX_REASON_LENGTH))
      this.#rejected.add(number)
      this.#untold.add(number)
    }
    this.#settle(number, number)
  }

  /** Releases a message in hand. */
  release(number: number): void {
    --this.#inHand
    if (!this.#settled.has(number)) this.#releases.set(number, this.releasesOf(number) + 1)
    this.#free(number, number)
  }

  /**
   * Returns the next acknowledgement for the current connection: `through`, rejections, and accepted ranges beyond it.
   * Call it again if `more` (further rejections) or `later` (ranges that did not fit) is set.
   */
  acknowledgement(): { through: number; ranges: SettledRange[]; more: boolean; later: boolean } {
    const ranges = this.#untold
      .take(MAX_RANGES)
      .map((number): SettledRange => [number, number, this.#rejections.get(number) ?? ''])
    // A rejected number must never be reported as accepted, so numbers beyond the first rejection that does not fit
    // wait.
    const bound = (this.#untold.first ?? Infinity) - 1
    const more = this.#untold.size > 0
    if (!more) this.#addIslands(ranges)
    return { through: Math.min(this.#settled.through, bound), ranges, more, later: this.#islandsLeft > 0 }
  }

  /** Adds accepted ranges, by turns if there are many. */
  #addIslands(ranges: SettledRange[]): void {
    const { islands } = this.#settled
    if (this.#progress !== this.#toldProgress) {
      this.#toldProgress = this.#progress
      this.#islandsLeft = islands.length
    }
    // A heartbeat repeats some ranges, even if all were reported.
    const count = Math.min(MAX_RANGES - ranges.length, islands.length)
    let at = this.#settled.indexOfIsland(this.#islandsFrom)
    for (let i = 0; i < count; ++i, ++at) {
      if (at >= islands.length) at = 0
      const { first, last } = islands[at] as Island
      ranges.push([first, last])
      this.#islandsFrom = last + 1
    }
    this.#islandsLeft = Math.max(0, Math.min(this.#islandsLeft, islands.length) - count)
  }

  #addFormer(numbers: Iterable<number>): void {
    for (const number of numbers) this.#former.add(number)
    this.#formerOnes = new AscendingNumbers([...this.#former].sort((a, b) => a - b))
  }

  #countFormer({ first, last }: Island): number {
    let count = 0
    for (const number of this.#formerOnes.within(first, last)) if (this.#former.has(number)) ++count
    return count
  }

  #forgetReleases({ first, last }: Island): void {
    if (last - first < this.#releases.size) {
      for (let number = first; number <= last; ++number) this.#releases.delete(number)
      return
    }
    for (const number of this.#releases.keys()) {
      if (first <= number && number <= last) this.#releases.delete(number)
    }
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
    if (this.#former.size === 0) this.#formerOnes = new AscendingNumbers()
    if (freed) this.#reader?.onFreed()
  }
}
