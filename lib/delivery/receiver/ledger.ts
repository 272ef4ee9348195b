// The sessions that a receiving process knows, per user. Shared by its receivers; must not know connections.

import { callback, checkOptions, describeValue, wholeNumber, type OptionTable } from '../../base/options.js'
import { callUser } from '../../base/user-code.js'
import { isSession } from '../protocol/control.js'
import { Session } from './session.js'

/** A position in the messages of a sender. Store it together with the effects of a message to resume exactly there. */
export interface Position {
  /** User id of the sender, as the kernel reported it; -1 on Windows. */
  readonly uid: number
  /** Security identifier of the sender's user (Windows). */
  readonly sid?: string
  /** The sender's session: 32 hexadecimal digits. */
  readonly session: string
  /** Number of a message in it, from 1. */
  readonly sequence: number
}

/** A session that the ledger had to forget although its sender may come back. */
export interface ForgottenSession {
  /** User id of the sender. */
  readonly uid: number
  /** Security identifier of the sender (Windows). */
  readonly sid?: string
  /** The session that was forgotten. */
  readonly session: string
  /** Every number through this one was settled. */
  readonly settledThrough: number
}

/** Options of {@link DeliveryLedger}. */
export interface DeliveryLedgerOptions {
  /**
   * Maximum number of sessions remembered for each user while no connection carries them. Sessions whose sender knows
   * everything that this process has settled are not remembered and do not count. Beyond the limit, the session unused
   * for longest is forgotten; see {@link onForgotten}. Default 4096.
   */
  readonly maxSessionsPerUser?: number
  /**
   * Called when the ledger has forgotten a session because of the limit, although its sender may not know everything:
   * if that sender reconnects, messages that were finished but not acknowledged are handed out again.
   */
  readonly onForgotten?: (session: ForgottenSession) => void
}

const TABLE: OptionTable<DeliveryLedgerOptions> = {
  maxSessionsPerUser: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  onForgotten: callback,
}

/** Counts of {@link DeliveryLedger}. */
export interface DeliveryLedgerStats {
  /** Sessions known now. */
  readonly sessions: number
  /** Sessions forgotten although their sender may reconnect. */
  readonly forgotten: number
}

/**
 * The sessions that a receiving process knows. Share one ledger between all `AcknowledgingReceiver`s of a listener: it
 * recognizes messages that a sender repeats after a reconnect. Sessions are kept per user, so a peer of another user
 * can neither claim one nor push one out.
 */
export class DeliveryLedger {
  readonly #maxSessionsPerUser: number
  readonly #onForgotten: DeliveryLedgerOptions['onForgotten']
  readonly #users = new Map<number | string, Map<string, Session>>()
  #forgotten = 0

  /**
   * @throws TypeError for an unknown option or a value of the wrong kind; RangeError for a limit that is out of range
   */
  constructor(options?: DeliveryLedgerOptions) {
    const { maxSessionsPerUser = 4096, onForgotten } = checkOptions('DeliveryLedger', options, TABLE)
    this.#maxSessionsPerUser = maxSessionsPerUser
    this.#onForgotten = onForgotten
  }

  /**
   * Whether a value is a ledger of this copy of the package.
   *
   * @internal
   */
  static is(value: unknown): value is DeliveryLedger {
    return typeof value === 'object' && value !== null && #users in value
  }

  /** Sessions known. */
  get size(): number {
    let size = 0
    for (const sessions of this.#users.values()) size += sessions.size
    return size
  }

  /** Counts since it was made. */
  get stats(): DeliveryLedgerStats {
    return { sessions: this.size, forgotten: this.#forgotten }
  }

  /**
   * Sets the position at which an earlier process of this application stopped: messages of the session through
   * `position.sequence` are finished, and are not handed out again. Messages beyond it that are finished too, because
   * they were settled out of order, go into `finished`. Call it before the sender connects.
   *
   * @throws TypeError, RangeError for an invalid position
   */
  resumeFrom(position: Position, finished: Iterable<number> = []): void {
    const { uid, sid, session: id, sequence } = position
    if (!isSession(id)) throw new TypeError('resumeFrom: session must be 32 hexadecimal digits')
    if (!Number.isSafeInteger(sequence) || sequence < 0) {
      throw new RangeError('resumeFrom: sequence must be a whole number from 0')
    }
    if (sid === undefined && (!Number.isInteger(uid) || uid < 0)) {
      throw new RangeError('resumeFrom: uid must be a whole number from 0')
    }
    // The iterable is user code, so it is read completely before any state changes.
    const numbers = [...finished]
    for (const number of numbers) {
      if (Number.isSafeInteger(number) && number >= 1) continue
      throw new RangeError(
        `resumeFrom: finished must hold whole numbers from 1, not ${describeValue(number)}`,
      )
    }
    const session = this.open(sid ?? uid, id, 1)
    if (sequence > 0) session.giveUp(1, sequence)
    for (const number of numbers) session.giveUp(number, number)
  }

  /**
   * Returns the session. A new session begins with the number `next`; numbers from `lowest` on may be repeated after a
   * crash of the sender. For receivers.
   *
   * @internal
   */
  open(user: number | string, id: string, lowest: number, next = lowest): Session {
    let sessions = this.#users.get(user)
    if (sessions === undefined) this.#users.set(user, (sessions = new Map<string, Session>()))
    const session = sessions.get(id) ?? new Session(user, id, lowest, next)
    // Moved to the end, so that the sessions unused for longest come first.
    sessions.delete(id)
    sessions.set(id, session)
    if (sessions.size > this.#maxSessionsPerUser) this.#makeRoom(sessions, session)
    return session
  }

  /**
   * Call when a connection no longer carries the session. For receivers.
   *
   * @internal
   */
  leave(session: Session): void {
    const sessions = this.#users.get(session.user)
    if (sessions?.get(session.id) !== session || session.inUse || !session.isClean) return
    sessions.delete(session.id)
    if (sessions.size === 0) this.#users.delete(session.user)
  }

  #makeRoom(sessions: Map<string, Session>, opened: Session): void {
    let oldest: Session | undefined
    let idle = 0
    for (const session of sessions.values()) {
      if (session === opened || session.inUse) continue
      if (session.isClean) sessions.delete(session.id)
      else if (++idle === 1) oldest = session
    }
    if (oldest === undefined || idle <= this.#maxSessionsPerUser) return
    sessions.delete(oldest.id)
    ++this.#forgotten
    if (this.#onForgotten === undefined) return
    const { user, id, settledThrough } = oldest
    callUser('onForgotten', this.#onForgotten, {
      ...(typeof user === 'string' ? { uid: -1, sid: user } : { uid: user }),
      session: id,
      settledThrough,
    })
  }
}
