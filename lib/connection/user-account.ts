// Bounds the bytes that all connections of one user make this process hold, so that a user gains nothing by opening
// many connections. Must not know sockets.
//
//   open ──held > maxBytes──▶ full ──held ≤ half of it──▶ open
//
// While an account is full, one connection of the user reads at a time, for a turn: a line that has not ended needs
// further reads. Only connections that the application waits for get a turn. The others stop at the bound and leave
// room. Beyond twice the bound, only the line that reaches beyond it may end: a message in the application's hands
// takes as much room as its line, so further lines wait until the application has finished some. If that line gets no
// further, its connection is closed. Connections of other users are not affected.

import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'
import { afterRound, clearRound, type RoundEnd } from '../wire/turn.js'

/** The bounds of each user. */
export interface AccountLimits {
  readonly maxBytes: number
  readonly maxInvalidPerSecond: number
}

/** A connection, as the account of its user sees it. */
export interface AccountHolder {
  /** Whether it would read if the account let it, and the application waits for input. */
  readonly wantsReading: boolean
  /** Bytes that the application has not taken yet. */
  readonly queuedBytes: number
  /** Bytes of its unfinished line. */
  readonly unfinishedBytes: number
  /** Stops or resumes reading. */
  setStopped(stopped: boolean): void
  /**
   * Closes the connection, because its line is the longest of a user who holds twice the bound, and makes no progress.
   */
  overrun(): void
}

/**
 * Milliseconds that one connection reads alone before its progress is checked. The check waits longer if connections of
 * any user are ahead of it in the current round of reading.
 */
const TURN_MS = 5
/** Turns in a row for a connection that makes progress: enough for the rest of a long line. */
const MAX_TURNS = 20
/** At this many times its bound, a user may only end one line, and loses its connection if that gets no further. */
const HARD_FACTOR = 2
/** Milliseconds without progress before that: the sender may merely be waiting for a processor. */
const STUCK_MS = 250
const SECOND_MS = 1000

/** The account of one user. */
export class UserAccount {
  readonly #limits: AccountLimits
  readonly #onChange: (account: UserAccount) => void
  #state: 'open' | 'full' = 'open'
  #held = 0
  /** The part of `#held` in unfinished lines. */
  #unfinished = 0
  /** Connections that are read, in the order of their turns. */
  readonly #readers = new Set<AccountHolder>()
  #turn: AccountHolder | undefined
  #turnsLeft = 0
  /** Whether the holder of the turn has read since the last check. */
  #hasRead = false
  #timer: NodeJS.Timeout | undefined
  /** Set until everything that had arrived when the turn began has been read. */
  #round: RoundEnd | undefined
  /** While no connection has the turn: the next turn begins when no more than this many bytes are held. */
  #nextTurnAt = -Infinity
  /** When the longest line stopped making progress at the hard bound. */
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

  /** Whether the account is full, so that the connections of the user take turns. */
  get full(): boolean {
    return this.#state === 'full'
  }

  /** Whether most of the held bytes are messages that the application has not taken, rather than unfinished lines. */
  get awaitsApplication(): boolean {
    return this.#unfinished * 2 < this.#held
  }

  /** Adds a connection that is read from now on. */
  add(holder: AccountHolder): void {
    this.#readers.add(holder)
    if (this.#state === 'open') return
    holder.setStopped(true)
    this.wanting(holder)
  }

  /** Removes a connection that is no longer read. The bytes that it holds stay charged. */
  remove(holder: AccountHolder): void {
    this.#readers.delete(holder)
    if (this.#turn === holder) this.#passTurn()
  }

  /** Charges or releases `bytes` of a connection; `unfinished` is the part that belongs to its unfinished line. */
  change(holder: AccountHolder | undefined, bytes: number, unfinished: number): void {
    this.#held += bytes
    this.#unfinished += unfinished
    if (holder !== undefined && holder === this.#turn) {
      this.#hasRead = true
      if (this.#overHardBound && !this.#mayGoOn(holder)) this.#passTurn()
    }
    const { maxBytes } = this.#limits
    if (this.#state === 'open' && this.#held > maxBytes) {
      this.#stopAll()
    } else if (this.#state === 'full' && this.#held * 2 <= maxBytes) {
      this.#reopen()
      return
    }
    if (this.#state !== 'full' || this.#turn !== undefined || bytes >= 0) return
    // What was taken may let its connection have a turn, or leave room for another one.
    if (this.#held <= this.#nextTurnAt || (holder !== undefined && this.#mayBeNext(holder))) this.#passTurn()
  }

  /** Notes that a connection wants to read again, or that the application waits for it again. */
  wanting(holder: AccountHolder): void {
    if (this.#state === 'full' && this.#turn === undefined && this.#mayBeNext(holder)) this.#passTurn()
  }

  /** Counts invalid lines. Returns false if there are more than the user may send in a second. */
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
    this.#stopWatching()
    this.#turn = undefined
    for (const reader of this.#readers) reader.setStopped(false)
    this.#onChange(this)
  }

  #passTurn(): void {
    this.#stopWatching()
    this.#turn?.setStopped(true)
    this.#turn = this.#state === 'full' ? this.#next() : undefined
    if (this.#turn === undefined) {
      this.#stuckSinceMs = undefined
      this.#nextTurnAt = this.#roomForTurn()
      return
    }
    this.#readers.delete(this.#turn)
    this.#readers.add(this.#turn) // last in line for another turn
    this.#turnsLeft = MAX_TURNS
    this.#turn.setStopped(false)
    this.#watchTurn()
  }

  get #hardBound(): number {
    return this.#limits.maxBytes * HARD_FACTOR
  }

  get #overHardBound(): boolean {
    return this.#held >= this.#hardBound
  }

  /**
   * Returns the next connection that may read: the one with the longest line, so that it gets finished, or below the
   * hard bound also one without an unfinished line. Connections whose messages wait for the application are excluded.
   */
  #next(): AccountHolder | undefined {
    const longest = this.#longest()
    for (const reader of this.#readers) {
      if ((reader === longest || reader.unfinishedBytes === 0) && this.#mayGoOn(reader)) return reader
    }
    return undefined
  }

  /**
   * Whether a connection may read now: what it reads would not wait for the application, and there is room for the rest
   * of its line, because the other connections hold no more than the hard bound. So all of them together exceed that
   * bound by at most one line; and if nothing waits for the application, the connection that read last may always go
   * on.
   */
  #mayGoOn(reader: AccountHolder): boolean {
    if (!mayHaveTurn(reader)) return false
    if (!this.#overHardBound) return true
    return reader.unfinishedBytes > 0 && this.#held - reader.unfinishedBytes <= this.#hardBound
  }

  /**
   * Whether a connection that wants to read could get the turn now. Otherwise it waits for room. Looks at this
   * connection alone: a search through all of them for each of them would take quadratic time.
   */
  #mayBeNext(holder: AccountHolder): boolean {
    if (!this.#readers.has(holder) || !mayHaveTurn(holder)) return false
    if (this.#mayGoOn(holder)) return true
    this.#nextTurnAt = Math.max(this.#nextTurnAt, this.#roomFor(holder))
    return false
  }

  /** Returns how many bytes may be held so that this connection gets a turn. */
  #roomFor(holder: AccountHolder): number {
    return holder.unfinishedBytes > 0 ? this.#hardBound + holder.unfinishedBytes : this.#hardBound - 1
  }

  /** Returns how many bytes may be held so that a connection gets the turn; -Infinity if none waits for it. */
  #roomForTurn(): number {
    const longest = this.#longest()
    if (longest !== undefined) return this.#roomFor(longest)
    for (const reader of this.#readers) if (mayHaveTurn(reader)) return this.#roomFor(reader)
    return -Infinity
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

  /** Closes a connection that has had its turn, if its line blocks the account. */
  #judge(turn: AccountHolder | undefined): void {
    if (this.#hasRead || !this.#overHardBound) {
      this.#stuckSinceMs = undefined
      return
    }
    this.#stuckSinceMs ??= monotonicMs()
    if (monotonicMs() - this.#stuckSinceMs < STUCK_MS) return
    // Several connections may have lines of that length.
    if (turn?.unfinishedBytes !== this.#longest()?.unfinishedBytes) return
    this.#stuckSinceMs = undefined
    turn?.overrun()
  }

  #watchTurn(): void {
    this.#hasRead = false
    this.#round = afterRound(() => {
      this.#round = undefined
      if (this.#timer === undefined) this.#checkTurn()
    })
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#hasRead || this.#round === undefined) this.#checkTurn()
    }, TURN_MS)
    // Only the connection keeps the process alive, never this timer.
    this.#timer.unref()
  }

  #checkTurn(): void {
    this.#stopWatching()
    const turn = this.#turn
    if (this.#hasRead && --this.#turnsLeft > 0 && turn !== undefined && this.#mayGoOn(turn)) {
      this.#watchTurn()
      return
    }
    this.#judge(turn)
    this.#passTurn()
  }

  #stopWatching(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    clearRound(this.#round)
    this.#round = undefined
  }
}

/** Whether the application waits for what this connection reads. */
function mayHaveTurn(reader: AccountHolder): boolean {
  return reader.wantsReading && reader.queuedBytes === 0
}
