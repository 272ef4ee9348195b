// The reading half of a connection: hands lines to the reader, charges the memory that they take to the account of the
// user, and reads only while both allow it.
//
//   reading ◀──▶ not wanted      the reader has enough, and then wants more
//      ▲  ▲            │
//      │  └────────────┤
//      ▼               ▼
//   stopped by the account ──▶ ended      from each state

import { IpcError } from '../base/errors.js'
import { threadWindow } from '../wire/read-window.js'
import type { LineReading } from '../wire/line-reading.js'
import { openStream, type ConnectionSocket } from '../wire/socket.js'
import type { AccountHolder, UserAccount } from './user-account.js'

/** Receives the lines of connections on behalf of their readers. One object serves all readers of a kind. */
export interface RecordReader<Reader> {
  /**
   * Lines have arrived: until this returns, `count` of them are in the thread's read window, described by its records.
   * `received` is the number of bytes since the last call. Return false to stop reading for now.
   */
  onRecords(reader: Reader, count: number, received: number): boolean
  /**
   * Nothing more will arrive. `error` is set if the connection broke. Returns true while the application has not taken
   * everything: until `finish`, replies can be sent to a peer that still reads.
   */
  onEnd(reader: Reader, error: IpcError | undefined): boolean
  /** Returns whether the application waits for input. When it begins to wait, call `asked`. */
  isAwaited(reader: Reader): boolean
}

/** The connections that inputs belong to. One object serves all connections. */
export interface InputOwners<Owner> {
  socketOf(owner: Owner): ConnectionSocket
  /** Called when the connection must be closed, with the reason why. */
  onOverrun(owner: Owner, error: IpcError): void
}

/** What a connection has read so far, and what of it is charged to the account. */
class Tally {
  bytes = 0
  lines = 0
  /** Bytes charged that the reader reported; `unfinished` is charged for the unfinished line. */
  queued = 0
  /**
   * The part of `queued` that the application has to take or finish before a full account lets this connection read.
   */
  awaitingApplication = 0
  unfinished = 0
  remainder: Remainder | undefined
}

/** The bytes that an ended connection still holds, so that they do not stay charged forever. */
interface Remainder {
  readonly account: UserAccount
  bytes: number
}

/** Notices readers that were garbage-collected before the application had taken everything. */
const dropped = new FinalizationRegistry<Remainder>(({ account, bytes }) => {
  account.change(undefined, -bytes, 0)
})

export class ConnectionInput<Owner> implements AccountHolder {
  /** The connection. */
  readonly owner: Owner
  readonly #owners: InputOwners<Owner>
  readonly #reader: object
  readonly #kind: RecordReader<object>
  #account: UserAccount | undefined
  /** Whether the reader wants more. */
  #wanted = true
  /** Whether the account lets other connections read instead. */
  #stopped = false
  /** `delivering`: the reader is being called. Its decisions take effect when it returns. */
  #state: 'waiting' | 'delivering' | 'ended' = 'waiting'
  /** Made by the first read, because most connections are idle. */
  #tally: Tally | undefined

  constructor(
    owner: Owner,
    owners: InputOwners<Owner>,
    { reader, kind }: { readonly reader: object; readonly kind: RecordReader<object> },
    account: UserAccount | undefined,
  ) {
    this.owner = owner
    this.#owners = owners
    this.#reader = reader
    this.#kind = kind
    this.#account = account
  }

  /** Bytes read. */
  get bytes(): number {
    return this.#tally?.bytes ?? 0
  }

  /** Lines read, valid or not. */
  get lines(): number {
    return this.#tally?.lines ?? 0
  }

  /** Whether nothing more will be read. */
  get ended(): boolean {
    return this.#state === 'ended'
  }

  /** Whether lines are read as they arrive: neither the reader nor the account wants to wait. */
  get flows(): boolean {
    return this.#wanted && !this.#stopped
  }

  get wantsReading(): boolean {
    return this.#wanted && this.#kind.isAwaited(this.#reader)
  }

  get queuedBytes(): number {
    return this.#tally?.awaitingApplication ?? 0
  }

  /** Whether the account of the user is full. */
  get crowded(): boolean {
    return this.#account?.full === true
  }

  get unfinishedBytes(): number {
    return this.#tally?.unfinished ?? 0
  }

  /**
   * Who has to act before the account lets this connection read: the `application` or the `peer`. Undefined if the
   * account lets it read.
   */
  get stoppedFor(): 'application' | 'peer' | undefined {
    if (!this.#stopped) return undefined
    return this.#account?.awaitsApplication === true ? 'application' : 'peer'
  }

  get #socket(): ConnectionSocket {
    return this.#owners.socketOf(this.owner)
  }

  /** Starts reading lines of at most `maxLineBytes`. */
  start(maxLineBytes: number, reading: LineReading): void {
    openStream(this.#socket.descriptor, maxLineBytes, reading)
    this.#account?.add(this)
    if (!this.#stopped) this.#socket.resume()
  }

  /** Resumes reading after `onRecords` has returned false. */
  resume(): void {
    if (this.#state === 'ended') return
    this.#wanted = true
    if (this.#stopped) this.#account?.wanting(this)
    else this.#socket.resume()
  }

  /** Notes that the application has taken everything that the peer sent before it stopped sending. */
  finish(): void {
    this.#socket.finish()
  }

  /** Notes that the application has begun to wait for input. */
  asked(): void {
    if (this.#stopped) this.#account?.wanting(this)
  }

  setStopped(stopped: boolean): void {
    if (this.#stopped === stopped) return
    this.#stopped = stopped
    if (this.#state !== 'waiting' || !this.#wanted) return
    if (stopped) this.#socket.pause()
    else this.#socket.resume()
  }

  overrun(): void {
    this.#owners.onOverrun(
      this.owner,
      new IpcError(
        'ERR_IPC_CLOSED',
        'the connections of this user hold twice what one user may (maxBytesPerUser of listen), and this one has the longest unfinished line',
        { reason: 'user-budget' },
      ),
    )
  }

  onRecords(count: number, received: number): boolean {
    const tally = (this.#tally ??= new Tally())
    tally.bytes += received
    tally.lines += count
    if (this.#state === 'waiting') this.#state = 'delivering'
    this.#wanted = this.#kind.onRecords(this.#reader, count, received)
    if (this.#account !== undefined) this.#chargeLine(tally, received)
    if (this.#state === 'delivering') this.#state = 'waiting'
    return this.#wanted && !this.#stopped
  }

  /**
   * Charges bytes that this connection makes the process hold, besides unfinished lines, to the account of its user.
   * Negative bytes are released. `awaiting`: of these, bytes that the application has to take or to finish. While the
   * account is full, the connections of the user are read one at a time, and those with awaiting bytes not at all.
   */
  charge(bytes: number, awaiting = bytes): void {
    const tally = (this.#tally ??= new Tally())
    tally.queued += bytes
    tally.awaitingApplication += awaiting
    if (tally.remainder !== undefined) tally.remainder.bytes = tally.queued
    this.#account?.change(this, bytes, 0)
    // The application may have finished with messages whose bytes stay charged.
    if (awaiting < 0 && this.#stopped) this.#account?.wanting(this)
  }

  /** Counts invalid lines. Returns whether the user stays within the limit. */
  takeInvalid(count: number): boolean {
    return this.#account?.takeInvalid(count) ?? true
  }

  /** Ends reading. Returns whether the application has yet to take something. */
  end(error: IpcError | undefined): boolean {
    if (this.#state !== 'ended') this.#account?.remove(this)
    this.#state = 'ended'
    return this.#kind.onEnd(this.#reader, error)
  }

  /**
   * Settles the account of a closed connection. Memory that this side gave up is released. Messages that the
   * application has yet to take stay charged; otherwise a peer could reconnect to get around the bound.
   */
  close(byThisSide: boolean): void {
    const account = this.#account
    if (account === undefined) return
    if (this.#state !== 'ended') account.remove(this)
    this.#state = 'ended'
    if (this.#tally !== undefined) this.#settle(account, this.#tally, byThisSide)
    if (byThisSide) this.#account = undefined
  }

  #settle(account: UserAccount, tally: Tally, byThisSide: boolean): void {
    const kept = byThisSide ? 0 : tally.queued
    account.change(this, kept - tally.queued - tally.unfinished, -tally.unfinished)
    tally.unfinished = 0
    if (kept === 0) return
    tally.remainder = { account, bytes: kept }
    dropped.register(this.#reader, tally.remainder)
  }

  /** Charges the unfinished line, and lines of the last read that the reader has not taken. */
  #chargeLine(tally: Tally, received: number): void {
    const window = threadWindow
    const before = tally.unfinished
    const left = window.hasMore ? before + received - (window.linesEnd - window.linesBegin) : window.carried
    tally.unfinished = Math.max(0, left)
    const change = tally.unfinished - before
    if (change !== 0) this.#account?.change(this, change, change)
  }
}
