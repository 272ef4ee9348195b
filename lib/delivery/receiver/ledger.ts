// What a receiving process knows of the sessions of its senders: how far each was handed to the application, and how far
// it is done with. Outlives the connections. Must not know connections.

import { isSession } from '../protocol/control.js'

/** A place in what a sender sends. Store it together with the effects of a message to resume exactly there. */
export interface Position {
  /** User of the sender, as the kernel told; -1 on Windows. */
  readonly uid: number
  /** The same on Windows. */
  readonly sid?: string
  /** The sender's session: 32 hexadecimal digits. */
  readonly session: string
  /** Number of a message in it, from 1. */
  readonly sequence: number
}

/** A range of messages that the application has in hand. */
export interface Hold {
  readonly owner: object
  first: number
  last: number
  done: boolean
}

/** Who reads a session. */
export interface SessionReader {
  /** Another connection carries it now. */
  readonly onFenced: () => void
  /** The application is done with more than before. */
  readonly onProgress: () => void
}

/** One session of one sender. */
export class Session {
  readonly user: number | string
  readonly id: string
  /** The highest message that was handed out or passed over. */
  #handed: number
  /** What was handed out and is not done with, and done ranges behind the first such; ascending. */
  #holds: Hold[] = []
  /** Ranges above #handed that are done with already: somebody finished out of order and gave the rest back. */
  #islands: Hold[] = []
  #waiting: (() => void)[] = []
  /** Who reads this session now; another one is told to stop. */
  #reader: SessionReader | undefined

  constructor(user: number | string, id: string, handed: number) {
    this.user = user
    this.id = id
    this.#handed = handed
  }

  /** The highest message that was handed out or passed over. */
  get handed(): number {
    return this.#handed
  }

  /** All messages through this one are done with. */
  get finished(): number {
    const [first] = this.#holds
    return first === undefined ? this.#handed : first.first - 1
  }

  get inUse(): boolean {
    return this.#reader !== undefined || this.#holds.length > 0
  }

  /** A new connection carries this session: whoever read it before stops. */
  attach(reader: SessionReader): void {
    const former = this.#reader
    this.#reader = reader
    former?.onFenced()
  }

  detach(reader: SessionReader): void {
    if (this.#reader === reader) this.#reader = undefined
  }

  /** The sender says that there is nothing before `next` any more; answers how many messages it gave up. */
  skipTo(next: number): number {
    const skipped = next - 1 - this.#handed
    if (skipped <= 0) return 0
    this.#handed = next - 1
    return skipped
  }

  /** Whether a message was handed out before. */
  isKnown(sequence: number): boolean {
    if (sequence <= this.#handed) return true
    return (
      this.#islands.length > 0 &&
      this.#islands.some(({ first, last }) => first <= sequence && sequence <= last)
    )
  }

  /** Islands make single messages of a run known; without them a run has at most a known beginning. */
  get patchy(): boolean {
    return this.#islands.length > 0
  }

  /** Messages `hold.first` to `hold.last`, which follow what was handed out so far, go to the application. */
  handOut(hold: Hold): void {
    this.#handed = hold.last
    this.#holds.push(hold)
    this.#dropIslands()
  }

  /** A known message was passed over. */
  pass(sequence: number): void {
    if (sequence > this.#handed) this.#handed = sequence
    this.#dropIslands()
  }

  /** The application is done with a range. */
  finish(hold: Hold): void {
    if (hold.done) return
    hold.done = true
    if (this.#holds[0]?.done !== true) return
    while (this.#holds[0]?.done) this.#holds.shift()
    this.#reader?.onProgress()
    this.#wake()
  }

  /** The application gives back what it has not finished: it is handed out again when it is sent again. */
  giveBack(owner: object): void {
    const returned = this.#holds.find((hold) => hold.owner === owner && !hold.done)
    if (returned === undefined) return
    const kept = this.#holds.filter((hold) => hold.first < returned.first)
    // Those of others are theirs to finish; only what is done counts as known.
    this.#islands.push(...this.#holds.filter((hold) => hold.first > returned.first && hold.done))
    this.#holds = kept
    this.#handed = returned.first - 1
    this.#wake()
  }

  /** Whether somebody else has messages of this session in hand. */
  heldByOthers(owner: object): boolean {
    return this.#holds.some((hold) => hold.owner !== owner)
  }

  /** Resolves when nobody but `owner` has messages of this session in hand. */
  async free(owner: object): Promise<void> {
    while (this.heldByOthers(owner)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #dropIslands(): void {
    if (this.#islands.length > 0) this.#islands = this.#islands.filter(({ last }) => last > this.#handed)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

/** Options of {@link DeliveryLedger}. */
export interface DeliveryLedgerOptions {
  /** Sessions kept for each user; past that the one unused for longest is forgotten. Default 1024. */
  readonly maxSessionsPerUser?: number
}

/**
 * What a receiving process knows of its senders' sessions. Share one between all `AcknowledgingReceiver`s of a listener:
 * it is what makes a message that is sent again after a reconnect known. Sessions are kept per user, so a peer of
 * another user can neither claim one nor push one out.
 */
export class DeliveryLedger {
  readonly #maxSessionsPerUser: number
  readonly #users = new Map<number | string, Map<string, Session>>()

  /** @throws RangeError for options that make no sense */
  constructor(options: DeliveryLedgerOptions = {}) {
    this.#maxSessionsPerUser = options.maxSessionsPerUser ?? 1024
    if (!Number.isInteger(this.#maxSessionsPerUser) || this.#maxSessionsPerUser < 1) {
      throw new RangeError('maxSessionsPerUser must be a whole number from 1')
    }
  }

  /** Sessions known. */
  get size(): number {
    let size = 0
    for (const sessions of this.#users.values()) size += sessions.size
    return size
  }

  /**
   * Tells where an earlier process of this application was: messages of the session through `position.sequence` are
   * done with, and are not handed out again. To be called before the sender connects.
   *
   * @throws TypeError, RangeError for a position that is none
   */
  resumeFrom(position: Position): void {
    const { uid, sid, session, sequence } = position
    if (!isSession(session)) throw new TypeError('session must be 32 hexadecimal digits')
    if (!Number.isSafeInteger(sequence) || sequence < 0) throw new RangeError('sequence must be 0 or more')
    if (sid === undefined && (!Number.isInteger(uid) || uid < 0))
      throw new RangeError('uid must be 0 or more')
    this.open(sid ?? uid, session, sequence + 1).skipTo(sequence + 1)
  }

  /** The session, which begins with `next` if it is not known. For receivers. */
  open(user: number | string, id: string, next: number): Session {
    let sessions = this.#users.get(user)
    if (sessions === undefined) this.#users.set(user, (sessions = new Map<string, Session>()))
    const session = sessions.get(id) ?? new Session(user, id, next - 1)
    // To the end: the first ones are those unused for longest.
    sessions.delete(id)
    sessions.set(id, session)
    if (sessions.size > this.#maxSessionsPerUser) this.#forgetOne(sessions)
    return session
  }

  #forgetOne(sessions: Map<string, Session>): void {
    for (const [id, session] of sessions) {
      if (session.inUse) continue
      sessions.delete(id)
      return
    }
  }
}
