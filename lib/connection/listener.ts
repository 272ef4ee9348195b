// A listening address. The accept thread (native/admission/acceptor.h) checks clients and turns strangers away; here the admitted
// ones become connections when somebody asks for them.

import type { Socket } from 'node:net'

import { publishAccept, publishRejects, wantsRejects } from './audit.js'
import { resolveAddress, type AddressOptions } from './address.js'
import { toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import { openConnection, type Connection, type ConnectionOrigin } from './connection.js'
import { abortedError, IpcError } from '../base/errors.js'
import { addon, type NativeAcceptor, type NativeClient, type NativeListenAddress } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'
import { createWakeUp } from '../binding/wake-up.js'
import { resolveGroupId, resolvePolicy, userOf, type PeerPolicy } from '../peer/peer.js'

/** Options of {@link listen}. */
export interface ListenOptions extends AddressOptions {
  /** Who may connect. Default: this process's own user. */
  readonly policy?: PeerPolicy
  /** Closes the listener when it fires. */
  readonly signal?: AbortSignal
  /**
   * Clients that the kernel lets wait before they are looked at. Default 511; Linux caps it at `net.core.somaxconn`, and on
   * Windows 63 are the most.
   */
  readonly backlog?: number
  /** Connections open at once; further clients are turned away. Default 4096. */
  readonly maxConnections?: number
  /** The same for each user. Default: `maxConnections`. */
  readonly maxConnectionsPerUser?: number
  /** New connections of each user within any second, wherever it begins; further ones are turned away. Default: no limit. */
  readonly maxNewConnectionsPerSecondPerUser?: number
  /**
   * Pauses for a millisecond whenever 48 of 64 clients in a row were turned away, so that a flood of them leaves the
   * processors to others; admitted clients then wait so much longer. Default: true. Without it the accept thread turns
   * away as many as one processor can.
   */
  readonly throttleRefusals?: boolean
  /**
   * Permissions of the socket file: 0o600 (only this user can connect; the default), 0o660 (and members of `group`) or
   * 0o666 (everybody). The file is 0600 first and opened then; who can connect must still pass the policy. On Windows
   * there is no such mode: a pipe lets through those whom the policy names.
   */
  readonly mode?: 0o600 | 0o660 | 0o666
  /** Group of the socket file, by id or name. Default: what the system gives it. */
  readonly group?: number | string
  /**
   * A descriptor that listens already, as systemd passes it (sd_listen_fds(3): the first is 3), instead of an address. It
   * then belongs to the listener; its socket file stays. `name` is used for nothing but messages then.
   */
  readonly fd?: number
  /** Whether receivers on its connections wait in a loop first, and how long. Default: for a moment, where that pays. */
  readonly busyPoll?: BusyPollOptions | false
}

/** Counts since the listener was made. */
export interface ListenerStats {
  /** Clients let in. */
  readonly accepted: number
  /** Clients turned away, by policy or quota. */
  readonly refused: number
  /** Connections open now, with those that nobody has accepted yet. */
  readonly open: number
  /** Pauses because descriptors or memory had run out. */
  readonly exhausted: number
}

interface Waiter {
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: IpcError) => void
}

/** Clients that the accept thread lets in ahead of `accept`. */
const MAX_QUEUED = 256
/** Accepts that may follow each other without the event loop having had a turn. */
const ACCEPTS_PER_TURN = 64

// What the accept thread writes to wake us up is not worth keeping.
const wakeUpBytes = Buffer.allocUnsafeSlow(64)

// Set by the static block of Listener, which keeps its constructor to itself.
let createListener: (
  address: string,
  acceptor: NativeAcceptor,
  signal: AbortSignal | undefined,
  busyPoll: PollRequest,
) => Listener

/** Accepts checked connections (Go: `Listener`). Made by {@link listen}. */
export class Listener implements AsyncIterable<Connection> {
  /** Path of the socket. */
  readonly address: string
  readonly #acceptor: NativeAcceptor
  readonly #wakeUp: Socket
  #waiters: Waiter[] = []
  #acceptsThisTurn = 0
  #closed = false
  readonly #signal: AbortSignal | undefined
  readonly #origin: ConnectionOrigin
  readonly #onAbort = (): void => {
    this.close()
  }

  private constructor(
    address: string,
    acceptor: NativeAcceptor,
    signal: AbortSignal | undefined,
    busyPoll: PollRequest,
  ) {
    this.address = address
    this.#origin = {
      busyPoll,
      onClosed: (connection) => {
        acceptor.release(userOf(connection.peer))
      },
    }
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
    this.#acceptor = acceptor
    this.#wakeUp = createWakeUp(acceptor.takeNotifyDescriptor(), {
      buffer: wakeUpBytes,
      callback: () => {
        this.#onWakeUp()
        return true
      },
    })
    this.#wakeUp.resume()
  }

  static {
    createListener = (...values) => new Listener(...values)
  }

  get stats(): ListenerStats {
    const { admitted, refused, open, exhausted } = this.#acceptor.stats()
    return { accepted: admitted, refused, open, exhausted }
  }

  /**
   * Waits for the next client that the policy admits (Go: `Accept`).
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the listener is or gets closed, ERR_IPC_ABORTED
   */
  accept({ signal }: { signal?: AbortSignal } = {}): Promise<Connection> {
    if (this.#closed) return Promise.reject(this.#closedError())
    if (signal?.aborted === true) return Promise.reject(abortedError(signal, `accept on ${this.address}`))
    // A loop of accepts that never has to wait would keep timers and other sockets from their turn.
    if (this.#waiters.length === 0 && this.#acceptsThisTurn < ACCEPTS_PER_TURN) {
      const [client] = this.#acceptor.take(1)
      if (client !== undefined) return Promise.resolve(this.#open(client))
    }
    return new Promise((resolve, reject) => {
      this.#wait({ resolve, reject }, signal)
    })
  }

  #wait(waiter: Waiter, signal: AbortSignal | undefined): void {
    if (signal === undefined) {
      this.#waiters.push(waiter)
      return
    }
    const onAbort = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== waiting)
      waiter.reject(abortedError(signal, `accept on ${this.address}`))
    }
    const waiting: Waiter = {
      resolve: (connection) => {
        signal.removeEventListener('abort', onAbort)
        waiter.resolve(connection)
      },
      reject: (error) => {
        signal.removeEventListener('abort', onAbort)
        waiter.reject(error)
      },
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiters.push(waiting)
  }

  #onWakeUp(): void {
    this.#tellRefusals()
    this.#serveWaiters()
  }

  #tellRefusals(): void {
    const report = this.#acceptor.takeRefusals(wantsRejects())
    if (report !== undefined) publishRejects(this.address, report)
  }

  #serveWaiters(): void {
    if (this.#closed || this.#waiters.length === 0) return
    for (let served = 0; served < ACCEPTS_PER_TURN && this.#waiters.length > 0 && !this.#closed; ++served) {
      // One at a time: each is wrapped before anything else can happen.
      const [client] = this.#acceptor.take(1)
      if (client === undefined) return
      const connection = this.#open(client)
      const waiter = this.#waiters.shift()
      if (waiter === undefined) connection.destroy()
      else waiter.resolve(connection)
    }
  }

  #open(client: NativeClient): Connection {
    const connection = openConnection(client, this.address, this.#origin)
    publishAccept({ address: this.address, peer: connection.peer })
    if (++this.#acceptsThisTurn === 1) {
      setImmediate(() => {
        this.#acceptsThisTurn = 0
        this.#serveWaiters()
      })
    }
    return connection
  }

  /** Connections as they come, until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    while (!this.#closed) {
      let connection
      try {
        connection = await this.accept()
      } catch (error) {
        if (this.#closed) return
        throw error
      }
      yield connection
    }
  }

  /**
   * Stops listening and removes the socket (Go: `Close`). Connections that were accepted stay open; clients that nobody
   * accepted are hung up on. Safe to call again.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#acceptor.stop()
    this.#tellRefusals()
    this.#wakeUp.destroy()
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(this.#closedError())
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }

  #closedError(): IpcError {
    return new IpcError('ERR_IPC_CLOSED', `the listener at ${this.address} is closed`)
  }
}

function checkCount(what: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback
  if (!Number.isInteger(value) || value < 1 || value > 1_000_000) {
    throw new RangeError(`${what} must be a whole number from 1 to 1,000,000`)
  }
  return value
}

/**
 * Listens on a pipe (Go: `Listen`). The first listener keeps the address: a second one is refused as long as the first
 * one lives, and what a dead one left behind is replaced. The socket is open to this user only, whatever the policy.
 *
 * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE, ERR_IPC_UNSAFE_PATH, ERR_IPC_PATH_TOO_LONG, ERR_IPC_ABORTED,
 *   ERR_IPC_SYSTEM
 * @throws TypeError for a name or policy that makes no sense; RangeError for a limit that does not
 */
export async function listen(name: string, options: ListenOptions = {}): Promise<Listener> {
  const policy = resolvePolicy(options.policy)
  const maxConnections = checkCount('maxConnections', options.maxConnections, 4096)
  const limits = {
    backlog: checkCount('backlog', options.backlog, 511),
    maxConnections,
    maxConnectionsPerUser: checkCount('maxConnectionsPerUser', options.maxConnectionsPerUser, maxConnections),
    maxNewPerSecondPerUser: checkCount(
      'maxNewConnectionsPerSecondPerUser',
      options.maxNewConnectionsPerSecondPerUser,
      0,
    ),
    maxQueued: MAX_QUEUED,
    throttleRefusals: options.throttleRefusals ?? true,
  }
  const { signal } = options
  const place = options.fd === undefined ? placeOf(name, options) : adoptedPlace(options)
  if (signal?.aborted === true) throw abortedError(signal, `listen on ${place.address}`)
  try {
    return createListener(
      place.address,
      new addon.Acceptor(place.native, policy, limits),
      signal,
      toPollRequest(options.busyPoll),
    )
  } catch (error) {
    throw fromNative(error)
  }
}

interface Place {
  readonly address: string
  readonly native: NativeListenAddress
}

function placeOf(name: string, options: ListenOptions): Place {
  const address = resolveAddress(name, options)
  const mode = options.mode ?? 0o600
  if (mode !== 0o600 && mode !== 0o660 && mode !== 0o666) {
    throw new RangeError('mode must be 0o600, 0o660 or 0o666')
  }
  if (process.platform === 'win32' && (mode !== 0o600 || options.group !== undefined)) {
    throw new TypeError('mode and group have no meaning on Windows: name users in the policy')
  }
  return {
    address,
    native: {
      path: address,
      createDirectory: options.directory !== undefined,
      groupAccess: mode !== 0o600,
      publicAccess: mode === 0o666,
      group: options.group === undefined ? null : resolveGroupId(options.group),
    },
  }
}

function adoptedPlace(options: ListenOptions): Place {
  const { fd, path, directory, mode, group } = options
  if (process.platform === 'win32') throw new TypeError('fd has no meaning on Windows')
  if (path !== undefined || directory !== undefined || mode !== undefined || group !== undefined) {
    throw new TypeError('with fd, the address and its permissions are not ours to choose')
  }
  if (fd === undefined || !Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) {
    throw new RangeError('fd must be the number of an open descriptor')
  }
  return { address: addon.addressOf(fd), native: { descriptor: fd } }
}
