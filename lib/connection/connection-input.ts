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
   * everything: until `finishReading`, replies can be sent to a peer that still reads.
   */
  onEnd(reader: Reader, error: IpcError | undefined): boolean
  /** Returns whether the application waits for input. When it begins to wait, call `asked`. */
  isAwaited(reader: Reader): boolean
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
  readonly #owner: Owner
  readonly #socket: ConnectionSocket
  readonly #reader: object
  readonly #kind: RecordReader<object>
  readonly #onOverrun: (owner: Owner, error: IpcError) => void
  #account: UserAccount | undefined
  /** Whether the reader wants more. */
  #wanted = true
  /** Whether the account lets other connections read instead. */
  #stopped = false
  #ended = false
  /** Whether the reader is being called: its decisions take effect when it returns. */
  #delivering = false
  /** Bytes charged to the account that the reader reported; `#unfinished` is charged for the unfinished line. */
  #queued = 0
  /**
   * The part of `#queued` that the application has to take or finish before a full account lets this connection read.
   */
  #awaitingApplication = 0
  #unfinished = 0
  #remainder: Remainder | undefined
  #bytes = 0
  #lines = 0

  /** @param onOverrun is called when the connection must be closed, with the reason why */
  constructor(
    owner: Owner,
    socket: ConnectionSocket,
    { reader, kind }: { readonly reader: object; readonly kind: RecordReader<object> },
    account: UserAccount | undefined,
    onOverrun: (owner: Owner, error: IpcError) => void,
  ) {
    this.#owner = owner
    this.#onOverrun = onOverrun
    this.#socket = socket
    this.#reader = reader
    this.#kind = kind
    this.#account = account
  }

  /** Bytes read. */
  get bytes(): number {
    return this.#bytes
  }

  /** Lines read, valid or not. */
  get lines(): number {
    return this.#lines
  }

  /** Whether lines are read as they arrive: neither the reader nor the account wants to wait. */
  get flows(): boolean {
    return this.#wanted && !this.#stopped
  }

  get wantsReading(): boolean {
    return this.#wanted && this.#kind.isAwaited(this.#reader)
  }

  get queuedBytes(): number {
    return this.#awaitingApplication
  }

  /** Whether the account of the user is full. */
  get crowded(): boolean {
    return this.#account?.full === true
  }

  get unfinishedBytes(): number {
    return this.#unfinished
  }

  /**
   * Who has to act before the account lets this connection read: the `application` or the `peer`. Undefined if the
   * account lets it read.
   */
  get stoppedFor(): 'application' | 'peer' | undefined {
    if (!this.#stopped) return undefined
    return this.#account?.awaitsApplication === true ? 'application' : 'peer'
  }

  /** Starts reading lines of at most `maxLineBytes`. */
  start(maxLineBytes: number, reading: LineReading): void {
    openStream(this.#socket.descriptor, maxLineBytes, reading)
    this.#account?.add(this)
    if (!this.#stopped) this.#socket.resume()
  }

  /** Resumes reading after `onRecords` has returned false. */
  resume(): void {
    if (this.#ended) return
    this.#wanted = true
    if (this.#stopped) this.#account?.wanting(this)
    else this.#socket.resume()
  }

  /** Notes that the application has begun to wait for input. */
  asked(): void {
    if (this.#stopped) this.#account?.wanting(this)
  }

  setStopped(stopped: boolean): void {
    if (this.#stopped === stopped) return
    this.#stopped = stopped
    if (this.#delivering || this.#ended || !this.#wanted) return
    if (stopped) this.#socket.pause()
    else this.#socket.resume()
  }

  overrun(): void {
    this.#onOverrun(
      this.#owner,
      new IpcError(
        'ERR_IPC_CLOSED',
        'the connections of this user hold twice what one user may (maxBytesPerUser of listen), and this one has the longest unfinished line',
        { reason: 'user-budget' },
      ),
    )
  }

  onRecords(count: number, received: number): boolean {
    this.#bytes += received
    this.#lines += count
    this.#delivering = true
    this.#wanted = this.#kind.onRecords(this.#reader, count, received)
    if (this.#account !== undefined) this.#chargeLine(received)
    this.#delivering = false
    return this.#wanted && !this.#stopped
  }

  /**
   * Charges bytes that this connection makes the process hold, besides unfinished lines. Negative bytes are released.
   * `awaiting`: of these, bytes that the application has to take or to finish.
   */
  charge(bytes: number, awaiting = bytes): void {
    this.#queued += bytes
    this.#awaitingApplication += awaiting
    if (this.#remainder !== undefined) this.#remainder.bytes = this.#queued
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
    if (!this.#ended) this.#account?.remove(this)
    this.#ended = true
    return this.#kind.onEnd(this.#reader, error)
  }

  /**
   * Settles the account of a closed connection. Memory that this side gave up is released. Messages that the
   * application has yet to take stay charged; otherwise a peer could reconnect to get around the bound.
   */
  close(byThisSide: boolean): void {
    const account = this.#account
    if (account === undefined) return
    if (!this.#ended) account.remove(this)
    this.#ended = true
    const queued = byThisSide ? 0 : this.#queued
    account.change(this, queued - this.#queued - this.#unfinished, -this.#unfinished)
    this.#unfinished = 0
    if (byThisSide) {
      this.#account = undefined
    } else if (queued > 0) {
      this.#remainder = { account, bytes: queued }
      dropped.register(this.#reader, this.#remainder)
    }
  }

  /** Charges the unfinished line, and lines of the last read that the reader has not taken. */
  #chargeLine(received: number): void {
    const window = threadWindow
    const before = this.#unfinished
    const left = window.hasMore ? before + received - (window.linesEnd - window.linesBegin) : window.carried
    this.#unfinished = Math.max(0, left)
    if (this.#unfinished !== before) {
      this.#account?.change(this, this.#unfinished - before, this.#unfinished - before)
    }
  }
}
