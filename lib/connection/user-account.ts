// What all connections of one user make this process hold, in bytes, against one bound, so that a user gains nothing by
// opening many connections. Must not know sockets.
//
//   open ──held > maxBytes──▶ full ──held ≤ half of it──▶ open
//
// While an account is full, one connection of the user reads at a time, for a turn: a line that has not ended needs further
// reads. Only connections that the application waits for get a turn. The others stop at the bound and leave room. At twice
// the bound, the longest line that gets no further
// costs the user its connection. Connections of other users are not affected.

import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'

/** The bounds of each user. */
export interface AccountLimits {
  readonly maxBytes: number
  readonly maxInvalidPerSecond: number
}

/** A connection, as the account of its user sees it. */
export interface AccountHolder {
  /** It would read if the account let it, and the application waits for what comes. */
  readonly wantsReading: boolean
  /** Bytes that the application has not taken yet. */
  readonly queuedBytes: number
  /** Bytes of a line whose end has not come. */
  readonly unfinishedBytes: number
  /** Stops reading, or lets it go on. */
  setStopped(stopped: boolean): void
  /** Closes the connection: its line is the longest of a user who holds twice the bound, and gets no further. */
  overrun(): void
}

/** How long one connection reads alone before it is looked at again. */
const TURN_MS = 5
/** One that does read may go on for so many turns: enough for the rest of a long line. */
const MAX_TURNS = 20
/** At this many times its bound, a user loses connections whose lines get no further. */
const HARD_FACTOR = 2
/** How long such a line may get no further: its sender may only lack a processor. */
const STUCK_MS = 250
const SECOND_MS = 1000

/** The account of one user. */
export class UserAccount {
  readonly #limits: AccountLimits
  readonly #onChange: (account: UserAccount) => void
  #state: 'open' | 'full' = 'open'
  #held = 0
  /** Of these, the bytes of lines whose end has not come. */
  #unfinished = 0
  /** Connections that are read, in the order of their turns. */
  readonly #readers = new Set<AccountHolder>()
  #turn: AccountHolder | undefined
  #turnsLeft = 0
  /** The holder of the turn has read since it was last looked at. */
  #hasRead = false
  #timer: NodeJS.Timeout | undefined
  /** Since when the longest line has not got further at the hard bound. */
  #stuckSinceMs: number | undefined
  #secondBegan = -Infinity
  #invalidThisSecond = 0

  /** @param onChange is called when the account becomes full, and when it no longer is */
  constructor(limits: AccountLimits, onChange: (account: UserAccount) => void) {
    this.#limits = limits
    this.#onChange = onChange
  }

  /** Bytes that the user's connections hold. */
  get held(): number {
    return this.#held
  }

  /** The connections of the user take turns. */
  get full(): boolean {
    return this.#state === 'full'
  }

  /** It holds mostly what the application has not taken yet, rather than lines that the user has not finished. */
  get awaitsApplication(): boolean {
    return this.#unfinished * 2 < this.#held
  }

  /** A connection is read from now on. */
  add(holder: AccountHolder): void {
    this.#readers.add(holder)
    if (this.#state === 'open') return
    holder.setStopped(true)
    this.wanting(holder)
  }

  /** A connection is not read any more. What it holds stays charged. */
  remove(holder: AccountHolder): void {
    this.#readers.delete(holder)
    if (this.#turn === holder) this.#passTurn()
  }

  /** A connection holds `bytes` more or fewer; of these, `unfinished` belong to a line whose end has not come. */
  change(holder: AccountHolder | undefined, bytes: number, unfinished: number): void {
    const wasOver = this.#overHardBound
    this.#held += bytes
    this.#unfinished += unfinished
    if (holder !== undefined && holder === this.#turn) this.#hasRead = true
    const { maxBytes } = this.#limits
    if (this.#state === 'open' && this.#held > maxBytes) {
      this.#stopAll()
    } else if (this.#state === 'full' && this.#held * 2 <= maxBytes) {
      this.#reopen()
      return
    }
    if (this.#state !== 'full' || this.#turn !== undefined || bytes >= 0) return
    // What was taken may let its connection have a turn. Not for every message taken: looking for the next one means looking at
    // all connections of the user.
    const freed = holder !== undefined && mayHaveTurn(holder)
    if (freed || (wasOver && !this.#overHardBound)) this.#passTurn()
  }

  /** A connection that did not want to read does so again, or the application waits for it again. */
  wanting(holder: AccountHolder): void {
    if (this.#state === 'full' && this.#turn === undefined && holder.wantsReading) this.#passTurn()
  }

  /** Counts invalid lines. Returns false once there are more than the user may send in a second. */
  takeInvalid(count: number): boolean {
    const now = monotonicMs()
    if (now - this.#secondBegan >= SECOND_MS) {
      this.#secondBegan = now
      this.#invalidThisSecond = 0
    }
    this.#invalidThisSecond += count
    return this.#invalidThisSecond <= this.#limits.maxInvalidPerSecond
  }

  #stopAll(): void {
    this.#state = 'full'
    for (const reader of this.#readers) reader.setStopped(true)
    this.#passTurn()
    this.#onChange(this)
  }

  #reopen(): void {
    this.#state = 'open'
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turn = undefined
    for (const reader of this.#readers) reader.setStopped(false)
    this.#onChange(this)
  }

  #passTurn(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#turn?.setStopped(true)
    this.#turn = this.#state === 'full' ? this.#next() : undefined
    if (this.#turn === undefined) return
    this.#readers.delete(this.#turn)
    this.#readers.add(this.#turn) // last in line for another turn
    this.#turnsLeft = MAX_TURNS
    this.#turn.setStopped(false)
    this.#watchTurn()
  }

  get #overHardBound(): boolean {
    return this.#held >= this.#limits.maxBytes * HARD_FACTOR
  }

  /**
   * The next connection that may read: the one with the longest line, so that this ends, and below the hard bound those
   * without a line that has begun. Not those whose messages wait for the application.
   */
  #next(): AccountHolder | undefined {
    const longest = this.#longest()
    const others = !this.#overHardBound
    for (const reader of this.#readers) {
      if (!mayHaveTurn(reader)) continue
      if (reader === longest || (others && reader.unfinishedBytes === 0)) return reader
    }
    return undefined
  }

  /** Of the connections that may have a turn, the one with the longest line. */
  #longest(): AccountHolder | undefined {
    let [longest, most]: [AccountHolder | undefined, number] = [undefined, 0]
    for (const reader of this.#readers) {
      if (reader.unfinishedBytes > most && mayHaveTurn(reader))
        [longest, most] = [reader, reader.unfinishedBytes]
    }
    return longest
  }

  /** Gives a connection up that has had its turn, if its line is in the way. */
  #judge(turn: AccountHolder | undefined): void {
    if (this.#hasRead || !this.#overHardBound) {
      this.#stuckSinceMs = undefined
      return
    }
    this.#stuckSinceMs ??= monotonicMs()
    if (monotonicMs() - this.#stuckSinceMs < STUCK_MS) return
    // Others may be as long.
    if (turn?.unfinishedBytes !== this.#longest()?.unfinishedBytes) return
    this.#stuckSinceMs = undefined
    turn?.overrun()
  }

  #watchTurn(): void {
    this.#hasRead = false
    this.#timer = setTimeout(() => {
      const turn = this.#turn
      if (this.#hasRead && --this.#turnsLeft > 0 && turn !== undefined && mayHaveTurn(turn)) {
        this.#watchTurn()
        return
      }
      this.#judge(turn)
      this.#passTurn()
    }, TURN_MS)
    // The connection whose turn it is keeps the process alive, if anything does.
    this.#timer.unref()
  }
}

/** What it reads would not wait for the application. */
function mayHaveTurn(reader: AccountHolder): boolean {
  return reader.wantsReading && reader.queuedBytes === 0
}
