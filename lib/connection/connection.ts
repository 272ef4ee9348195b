// One connected peer: its socket, who is at the other end, and the reading and writing that senders and receivers
// share. How to get one: dial.ts and listener.ts.

import { publishClose, type CloseReason } from './audit.js'
import type { PollRequest } from '../wire/busy-poll.js'
import { openStream, type ConnectionSocket, type SocketEvents } from '../wire/socket.js'
import { IpcError } from '../base/errors.js'
import { FrameWriter } from '../wire/frame-writer.js'
import { HangupSweep } from './hangup-sweep.js'
import { addon, type NativeClient } from '../binding/addon.js'
import { NodeSocket } from '../wire/node-socket.js'
import { toPeerIdentity, type PeerIdentity } from '../peer/peer.js'
import { watchPeerExit, type PeerExitWatch } from '../peer/exit-watch.js'
import { PolledSocket } from '../wire/polled-socket.js'
import { DEFAULT_TIMEOUT_MS } from '../base/timing.js'

/** Takes what comes on connections, for a reader of each. One object serves all readers of a kind. */
export interface RecordReader<Reader> {
  /**
   * Something has come: `count` lines stand in the read window, and their records in `records`, until this returns.
   * `received` is how many bytes have arrived since the last time. False: no more for now.
   */
  onRecords(reader: Reader, count: number, received: number): boolean
  /** Nothing more will come. `error` tells why, if the connection broke. */
  onEnd(reader: Reader, error: IpcError | undefined): void
}

/** Where a connection comes from. One object serves all connections of a listener. */
export interface ConnectionOrigin {
  /** Makes another connection to the same address, where this one was dialled. */
  readonly redial?: (signal?: AbortSignal) => Promise<Connection>
  /** Told when a connection has ended. */
  readonly onClosed?: (connection: Connection) => void
  /** What receivers of these connections ask for, unless they are told. */
  readonly busyPoll: PollRequest
}

// Set by the static block of Connection. For this package's own files; index.ts does not pass them on.
/** Wraps a descriptor, which then belongs to the connection. */
export let openConnection: (client: NativeClient, address: string, origin: ConnectionOrigin) => Connection
/** The one writer of a connection. */
export let writerOf: (connection: Connection) => FrameWriter
/** Starts reading lines of at most so many bytes. A connection has one reader for its whole life. */
export let attachReader: <Reader extends object>(
  connection: Connection,
  reader: Reader,
  kind: RecordReader<Reader>,
  maxLineBytes: number,
) => void
/** Goes on reading after `onRecords` has answered false. */
export let resumeReading: (connection: Connection) => void
/** Ends what is read here as if the peer had ended it: the reader gets what was read, then the end. Writing goes on. */
export let endReading: (connection: Connection) => void
/** What its receivers ask for, unless they are told. */
export let busyPollOf: (connection: Connection) => PollRequest
/** Makes another connection to the same address, where this one was dialled. */
export let redialOf: (connection: Connection) => ConnectionOrigin['redial']
/** Closes at once, for a reason that is told to the audit channel. */
export let closeBecause: (connection: Connection, reason: CloseReason) => void
/** Has `listener` called once, when the connection has ended. */
export let onClosed: (connection: Connection, listener: () => void) => void

/** Connections that nobody reads: that their peers have gone does not show by itself. */
let unread: HangupSweep<Connection>

/**
 * A connection to a checked peer (Go: `net.Conn`). Made by `dial` or a `Listener`. What goes over it is up to a
 * `Sender`, `BufferedSender` or `Receiver`; nothing is read before a `Receiver` is there.
 */
export class Connection {
  /** Who is at the other end, as the kernel told when the connection was made. */
  readonly peer: PeerIdentity
  /** Path of the socket. */
  readonly address: string
  readonly #socket: ConnectionSocket
  readonly #origin: ConnectionOrigin
  #writer: FrameWriter | undefined
  #reader: object | undefined
  #readerKind: RecordReader<object> | undefined
  #error: Error | undefined
  #ended = false
  #closing: Promise<void> | undefined
  #closed = false
  #closedListeners: (() => void)[] | undefined
  #closeReason: CloseReason | undefined
  #peerExit: PeerExitWatch | undefined

  // One for all, as thousands of closures would take memory.
  static readonly #socketEvents: SocketEvents<Connection> = {
    onRecords: (connection, count, received) => {
      const reader = connection.#reader
      return reader !== undefined && connection.#readerKind?.onRecords(reader, count, received) === true
    },
    onEnd: (connection) => {
      connection.#ended = true
      connection.#closeReason ??= 'peer-closed'
      connection.#endReading(undefined)
    },
    onFailure: (connection, error) => {
      connection.#error = error
      connection.#closeReason ??= 'failed'
    },
    onClose: (connection) => {
      connection.#afterClose()
    },
  }

  private constructor(client: NativeClient, address: string, origin: ConnectionOrigin) {
    const { readiness } = addon
    this.#socket =
      readiness === undefined
        ? new NodeSocket<Connection>(client.descriptor, this, Connection.#socketEvents)
        : new PolledSocket<Connection>(readiness, client.descriptor, this, Connection.#socketEvents)
    this.#origin = origin
    this.address = address
    this.peer = toPeerIdentity(client)
    unread.add(this)
  }

  static {
    unread = new HangupSweep(
      (connection) => (connection.closed ? -1 : connection.#socket.descriptor),
      (connection) => {
        closeBecause(connection, 'peer-closed')
      },
    )
    openConnection = (client, address, origin) => new Connection(client, address, origin)
    writerOf = (connection) => {
      const writer = (connection.#writer ??= new FrameWriter(connection.#socket, (reason) => {
        // What the peer sent before it went is still to be read; the end of the stream then closes.
        const unread = reason === 'peer-closed' && connection.#reader !== undefined && !connection.#ended
        if (unread) connection.#closeReason ??= reason
        else closeBecause(connection, reason)
      }))
      if (connection.closed) writer.fail(connection.#closedError())
      return writer
    }
    attachReader = (connection, reader, kind, maxLineBytes) => {
      if (connection.#reader !== undefined) throw new TypeError('the connection has a receiver already')
      connection.#reader = reader
      connection.#readerKind = kind
      unread.remove(connection)
      if (connection.#closed || connection.#ended) {
        connection.#endReading(undefined)
      } else if (!connection.#socket.destroyed) {
        openStream(connection.#socket.descriptor, maxLineBytes)
        connection.#socket.resume()
      }
    }
    resumeReading = (connection) => {
      if (!connection.#ended) connection.#socket.resume()
    }
    endReading = (connection) => {
      if (connection.#ended || connection.#closed) return
      connection.#ended = true
      connection.#socket.pause()
      connection.#endReading(undefined)
    }
    busyPollOf = (connection) => connection.#origin.busyPoll
    redialOf = (connection) => connection.#origin.redial
    closeBecause = (connection, reason) => {
      connection.#closeReason ??= reason
      // Before the socket goes: it ends a write under way as if it had succeeded.
      connection.#writer?.fail(connection.#closedError())
      connection.#socket.destroy()
    }
    onClosed = (connection, listener) => {
      if (connection.#closed) queueMicrotask(listener)
      else (connection.#closedListeners ??= []).push(listener)
    }
  }

  /** True once nothing can be sent or received any more. */
  get closed(): boolean {
    return this.#closed || this.#socket.destroyed
  }

  /**
   * Fires when the process that made the other end of this connection has ended (Linux 6.5 and later, by pidfd; Windows), even if
   * a child of it keeps the connection open. Elsewhere it fires when the connection ends. Watched from the first time that
   * this is asked for.
   *
   * @throws {IpcError} ERR_IPC_SYSTEM when descriptors or memory have run out
   */
  get peerExited(): AbortSignal {
    if (this.closed && this.#peerExit === undefined) return AbortSignal.any([])
    return (this.#peerExit ??= watchPeerExit(this.#socket.descriptor)).signal
  }

  /**
   * Resolves when the connection has ended. Never rejects. Where nobody reads (no `Receiver`), that the peer has gone shows
   * within about a second, and only if it left nothing unread.
   */
  whenClosed(): Promise<void> {
    return new Promise((resolve) => {
      onClosed(this, resolve)
    })
  }

  /**
   * Waits until the kernel has what was being written, then closes. What the kernel has reaches the peer even so. Sends
   * that still wait for their turn are rejected; close the sender instead to have them sent. Safe to call again; resolves
   * when the connection is closed.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED when something that was sent did not get out; it is closed all
   *   the same
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
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
      this.destroy()
      await this.whenClosed()
    }
  }

  /** Closes at once. What the kernel does not have yet is lost, and whoever waits for it is told. */
  destroy(): void {
    closeBecause(this, 'closed')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #closedError(): IpcError {
    return new IpcError('ERR_IPC_CLOSED', `the connection to ${this.address} is closed`, {
      cause: this.#error,
    })
  }

  #endReading(error: IpcError | undefined): void {
    if (this.#reader !== undefined) this.#readerKind?.onEnd(this.#reader, error)
  }

  #afterClose(): void {
    this.#closed = true
    unread.remove(this)
    this.#peerExit?.connectionEnded()
    this.#writer?.fail(this.#closedError())
    if (!this.#ended) this.#endReading(this.#error === undefined ? undefined : this.#closedError())
    this.#origin.onClosed?.(this)
    for (const listener of this.#closedListeners ?? []) listener()
    this.#closedListeners = undefined
    publishClose({
      address: this.address,
      peer: this.peer,
      reason: this.#closeReason ?? 'closed',
      error: this.#error,
    })
  }
}
