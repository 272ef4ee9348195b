// One connected peer: its socket, its identity, and the reading and writing that senders and receivers share. dial.ts
// and listener.ts make connections.
//
//   open ──end of stream──▶ ended
//    │                        │
//    └── the socket closes ───┴──▶ closed
//
// Either side may close the socket, and it may fail. Reading works while open, writing while open or ended.

import { abortable } from '../base/abort.js'
import { DEFAULT_TIMEOUT_MS } from '../base/timing.js'
import { monotonicMs, queueMicrotask } from '../base/globals.js'
import { IpcError } from '../base/errors.js'
import { checkOptions, describeValue, signal, type OptionTable } from '../base/options.js'
import { addon, type NativeClient } from '../binding/addon.js'
import type { CloseReason, ConnectionCounts, OnEvent } from '../observe/lifecycle.js'
import { traceReceive, tracesReceives } from '../observe/tracing.js'
import { forgetConnection, observeConnection, observeOn } from '../observe/registry.js'
import { toPeerIdentity, type PeerIdentity } from '../peer/peer.js'
import type { PollRequest } from '../wire/busy-poll.js'
import { FrameWriter } from '../wire/frame-writer.js'
import { PLAIN_READING, type LineReading } from '../wire/line-reading.js'
import { NodeSocket } from '../wire/node-socket.js'
import { PolledSocket } from '../wire/polled-socket.js'
import type { ConnectionSocket, SocketEvents } from '../wire/socket.js'
import { ConnectionEnd } from './connection-end.js'
import { reportConnected, reportEnd } from './connection-events.js'
import { ConnectionInput, type InputOwners, type RecordReader } from './connection-input.js'
import { HangupSweep } from './hangup-sweep.js'
import type { UserAccount } from './user-account.js'

/** The origin of a connection. One object serves all connections of a listener. */
export interface ConnectionOrigin {
  /** Makes another connection to the same address. Undefined for accepted connections. */
  readonly redial?: (signal?: AbortSignal) => Promise<Connection>
  /** The option `onEvent` of the `listen` or `dial` that made it. */
  readonly onEvent: OnEvent | undefined
  /** Returns the account of the peer's user. Undefined for dialled connections. */
  readonly accountOf?: (peer: PeerIdentity) => UserAccount
  /** Called when a connection has ended. */
  readonly onClosed?: (connection: Connection) => void
  /** The busy-poll setting that receivers on these connections inherit. */
  readonly busyPoll: PollRequest
}

// Internal operations on a connection, for other files of this package. Set by the static block of Connection, and not
// re-exported by index.ts.
/** Wraps a connected descriptor, which the connection then owns. */
export let openConnection: (client: NativeClient, address: string, origin: ConnectionOrigin) => Connection
/**
 * Checks that an argument is a connection. `what` names the function or class in the error.
 *
 * @throws TypeError if it is anything else, or a connection of another copy of this package
 */
export let checkConnection: (connection: unknown, what: string) => asserts connection is Connection
/** Returns the writer of a connection. Each connection has one. */
export let writerOf: (connection: Connection) => FrameWriter
/** Starts reading lines of at most `maxLineBytes`. A connection can have one reader in its life. */
export let attachReader: <Reader extends object>(
  connection: Connection,
  reader: Reader,
  kind: RecordReader<Reader>,
  maxLineBytes: number,
  reading?: LineReading,
) => ConnectionInput<Connection>
/** Returns the reading half of a connection that has, or had, a reader. */
export let inputOf: (connection: Connection) => ConnectionInput<Connection> | undefined
/**
 * Stops reading as if the peer had ended the stream: the reader gets the lines read so far, in turns of the event loop
 * if there are many, then the end. Writing continues.
 */
export let endReading: (connection: Connection) => void
/**
 * Ends reading if lines were read that the reader has not been given. Resolves when it has them. Returns undefined if
 * there are none.
 */
export let takeKeptLines: (connection: Connection) => Promise<void> | undefined
/** Returns where the connection comes from, and what receivers on it inherit. */
export let originOf: (connection: Connection) => ConnectionOrigin
/** Closes at once, with a reason for the audit channel. */
export let closeBecause: (connection: Connection, reason: CloseReason) => void
/** Whether the application has called `destroy`: it wants nothing more of this connection. */
export let wasDestroyed: (connection: Connection) => boolean
/** Calls `listener` once, when the connection has ended. */
export let onClosed: (connection: Connection, listener: () => void) => void

/** Options of {@link Connection.whenClosed}. */
export interface WhenClosedOptions {
  /** Withdraws the wait. Has no effect on the connection. */
  readonly signal?: AbortSignal
}

const WHEN_CLOSED_TABLE: OptionTable<WhenClosedOptions> = { signal }

/** Marks connections of any copy of this package, so that the error can name a connection of another copy as such. */
const BRAND = Symbol.for('sentinel-ipc.Connection')

// Also set by the static block: the bundler would rename a class that refers to itself in its body.
let lastId = 0
/** Connections without a reader. */
let unread: HangupSweep<Connection>
let socketEvents: SocketEvents<Connection>
let inputOwners: InputOwners<Connection>

/**
 * A connection to a checked peer (Go: `net.Conn`), made by `dial` or by a `Listener`. A `Sender` or `BufferedSender`
 * writes to it, a `Receiver` reads from it; nothing is read before a `Receiver` exists.
 *
 * A connection keeps the process alive while a receiver reads from it, and while bytes wait to be written; see
 * {@link unref}.
 */
export class Connection {
  /** A number from 1, unique among all connections of this thread. Events and traces carry it. */
  readonly id = ++lastId
  /** The process at the other end, as the kernel reported it when the connection was made. */
  readonly peer: PeerIdentity
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  readonly #socket: ConnectionSocket
  readonly #origin: ConnectionOrigin
  #state: 'open' | 'ended' | 'closed' = 'open'
  #writer: FrameWriter | undefined
  #input: ConnectionInput<Connection> | undefined
  /** Undefined as long as nothing ends the connection or waits for its end. */
  #end: ConnectionEnd | undefined
  /** Whole milliseconds, which V8 stores without an object of their own. */
  readonly #openedMs = Math.floor(monotonicMs())

  private constructor(client: NativeClient, address: string, origin: ConnectionOrigin) {
    this.#socket =
      addon.readiness === undefined
        ? new NodeSocket<Connection>(client.descriptor, this, socketEvents)
        : new PolledSocket<Connection>(client.descriptor, this, socketEvents)
    this.#origin = origin
    this.address = address
    this.peer = toPeerIdentity(client)
    unread.add(this)
    reportConnected(this, origin.onEvent)
    observeConnection(this)
  }

  static {
    // One object for all connections: closures for each of thousands would take memory.
    socketEvents = {
      onRecords: (connection, count, received) => {
        const input = connection.#input
        if (input === undefined) return false
        if (!tracesReceives()) return input.onRecords(count, received)
        return traceReceive(connection, count, received, () => input.onRecords(count, received))
      },
      onEnd: (connection) => {
        connection.#state = 'ended'
        connection.#ending.because('peer-closed')
        const keep = connection.#endReading(undefined)
        if (keep) unread.add(connection)
        return keep
      },
      onStopped: (connection) => {
        connection.#state = 'ended'
        connection.#endReading(undefined)
        connection.#end?.stopped()
      },
      onFailure: (connection, error) => {
        connection.#ending.error = error
        connection.#ending.because('failed')
      },
      onClose: (connection) => {
        connection.#afterClose()
      },
    }
    unread = new HangupSweep(
      (connection) => (connection.closed ? -1 : connection.#socket.descriptor),
      (connection) => {
        closeBecause(connection, 'peer-closed')
      },
    )
    Object.defineProperty(this.prototype, BRAND, { value: true })
    openConnection = (client, address, origin) => new this(client, address, origin)
    checkConnection = (value, what) => {
      if (typeof value === 'object' && value !== null && #socket in value) return
      const foreign = (value as { [BRAND]?: unknown } | null | undefined)?.[BRAND] === true
      throw new TypeError(
        foreign
          ? `${what} takes a Connection of its own copy of sentinel-ipc, and this one comes from another copy in the process`
          : `${what} takes a Connection, as dial and accept return, not ${describeValue(value)}`,
      )
    }
    writerOf = (connection) => {
      const isNew = connection.#writer === undefined
      const giveUp = (reason: 'send-timeout' | 'peer-closed'): void => {
        // A reader may still have to read lines that the peer sent before it closed; the end of the stream then closes
        // the connection.
        const unread =
          reason === 'peer-closed' && connection.#input !== undefined && connection.#state === 'open'
        if (unread) connection.#ending.because(reason)
        else closeBecause(connection, reason)
      }
      const writer = (connection.#writer ??= new FrameWriter(connection.#socket, giveUp, connection))
      if (isNew) observeOn(connection, 'writer', writer)
      if (connection.closed) writer.fail(connection.#closedError())
      return writer
    }
    attachReader = (connection, reader, kind, maxLineBytes, reading = PLAIN_READING) => {
      if (connection.#input !== undefined)
        throw new TypeError(`the connection to ${connection.address} already has a receiver`)
      const account = connection.#origin.accountOf?.(connection.peer)
      const input = new ConnectionInput(connection, inputOwners, { reader, kind }, account)
      connection.#input = input
      unread.remove(connection)
      if (connection.#state !== 'open') input.end(undefined)
      else if (!connection.#socket.destroyed) input.start(maxLineBytes, reading)
      return input
    }
    inputOf = (connection) => connection.#input
    endReading = (connection) => {
      if (connection.#state === 'open') connection.#socket.stop()
    }
    takeKeptLines = (connection) => {
      if (connection.#state !== 'open' || connection.closed || !connection.#socket.keepsLines)
        return undefined
      const stopped = connection.#ending.untilStopped()
      connection.#socket.stop()
      return stopped
    }
    originOf = (connection) => connection.#origin
    inputOwners = {
      socketOf: (connection) => connection.#socket,
      onOverrun: (connection, error) => {
        connection.#ending.error ??= error
        closeBecause(connection, 'user-budget')
      },
    }
    closeBecause = (connection, reason) => {
      connection.#ending.because(reason)
      // Before the socket closes, because closing ends a write in progress as if it had succeeded.
      connection.#writer?.fail(connection.#closedError())
      connection.#socket.destroy()
    }
    wasDestroyed = (connection) => connection.#end?.destroyed === true
    onClosed = (connection, listener) => {
      if (connection.#state === 'closed') queueMicrotask(listener)
      else connection.#ending.addListener(listener)
    }
  }

  /** Milliseconds since the connection was opened. */
  get ageMs(): number {
    return Math.floor(monotonicMs()) - this.#openedMs
  }

  /** Whether the connection is closed: nothing can be sent or received any more. */
  get closed(): boolean {
    return this.#state === 'closed' || this.#socket.destroyed
  }

  /**
   * Fires when the process that made the other end of this connection has ended, even if a child of it keeps the
   * connection open (Linux 6.5 and later, by pidfd_open(2); Windows). Elsewhere it fires when the connection ends. The
   * watch begins at the first use of this property.
   *
   * @throws {IpcError} ERR_IPC_SYSTEM if descriptors or memory have run out
   */
  get peerExited(): AbortSignal {
    if (this.closed && this.#end?.watchesPeer !== true) return AbortSignal.any([])
    return this.#ending.peerExited(this.#socket.descriptor)
  }

  /**
   * Resolves when the connection has ended for any reason. Without a `Receiver`, a peer that closed is noticed within
   * about a second, and only if it left nothing unread.
   *
   * @throws {IpcError} ERR_IPC_ABORTED when the signal fires first
   * @throws TypeError for an unknown option
   */
  async whenClosed(options?: WhenClosedOptions): Promise<void> {
    const { signal } = checkOptions('whenClosed', options, WHEN_CLOSED_TABLE)
    await abortable(
      signal,
      `waiting for the end of ${this.address}`,
      (resolve: (value: undefined) => void) => {
        const listener = (): void => {
          resolve(undefined)
        }
        onClosed(this, listener)
        return () => {
          this.#end?.removeListener(listener)
        }
      },
    )
  }

  /**
   * Closes the connection when the kernel has taken the bytes being written; the peer still receives all of them. Sends
   * that wait for their turn reject: close the sender instead to have them sent. Waits at most {@link
   * DEFAULT_TIMEOUT_MS}. Safe to call again; resolves when the connection is closed.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED if something could not be written; the connection is closed
   *   all the same
   */
  close(): Promise<void> {
    return (this.#ending.closing ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      const writer = this.#writer
      if (writer !== undefined && writer.failure === undefined) {
        writer.flush()
        writer.stopServing()
        await writer.settled(DEFAULT_TIMEOUT_MS)
      }
    } finally {
      closeBecause(this, 'closed')
      await this.whenClosed()
    }
  }

  /**
   * Closes at once. Bytes that the kernel has not taken are lost, and their sends reject with ERR_IPC_CLOSED. Handlers
   * that run are told by their signal, and none begins: an `Endpoint` refuses the requests that were read before, and an
   * `AcknowledgingReceiver` discards the messages that it has not handed out. A `Receiver` still hands out messages that
   * were read before, as after {@link close}.
   */
  destroy(): void {
    this.#ending.destroyed = true
    closeBecause(this, 'closed')
  }

  /**
   * Allows the process to exit although this connection is read from or written to. For programs in which IPC is
   * incidental, such as a logger. Returns the connection.
   */
  unref(): this {
    this.#socket.unref()
    return this
  }

  /** Undoes {@link unref}. Returns the connection. */
  ref(): this {
    this.#socket.ref()
    return this
  }

  /** Calls {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  get #ending(): ConnectionEnd {
    return (this.#end ??= new ConnectionEnd())
  }

  #closedError(): IpcError {
    return this.#ending.closedError(this.address)
  }

  #counts(): ConnectionCounts {
    const out = this.#writer?.stats
    return {
      bytesIn: this.#input?.bytes ?? 0,
      linesIn: this.#input?.lines ?? 0,
      messagesOut: out?.messages ?? 0,
      bytesOut: out?.bytes ?? 0,
      durationMs: this.ageMs,
    }
  }

  #endReading(error: IpcError | undefined): boolean {
    return this.#input?.end(error) === true
  }

  #afterClose(): void {
    const ended = this.#state === 'ended'
    this.#state = 'closed'
    unread.remove(this)
    forgetConnection(this)
    // Queues the event before waiters for the end are notified.
    const end = this.#ending
    const { reason = 'closed', error } = end
    reportEnd(this, this.#origin.onEvent, { reason, error }, () => this.#counts())
    end.endPeerWatch()
    end.stopped()
    this.#writer?.fail(this.#closedError())
    if (!ended) this.#endReading(error === undefined ? undefined : this.#closedError())
    this.#input?.close(reason === 'closed')
    this.#origin.onClosed?.(this)
    end.callListeners()
  }
}
