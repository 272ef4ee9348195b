// A listening address. The accept thread (native/admission/acceptor.h) checks clients and turns strangers away; here
// the admitted clients become connections when `accept` requests them.
//
//   listening ──the path leads elsewhere──▶ address-lost
//       ▲  └──────────────┐ ┌─────────────────┘ │
//       └── claimed again ┼─┼───────────────────┘
//                         ▼ ▼
//                        closed
//
// With an address lost, connections stay and clients already queued are served. Only `reclaim` stops the acceptor then,
// to start it again.

import { abortable, offAbort, onAbort } from '../base/abort.js'
import { abortedError, hasCode, IpcError } from '../base/errors.js'
import { clearInterval, monotonicMs, setImmediate, setInterval } from '../base/globals.js'
import { checkOptions, signal, type OptionTable } from '../base/options.js'
import { MAX_TIMER_MS, pause } from '../base/timing.js'
import { forget, observe } from '../observe/registry.js'
import type { NativeAcceptor, NativeClient } from '../binding/addon.js'
import type { AddressFound } from './address-watch.js'
import { Admission, openAcceptor, type ListenerStats } from './admission.js'
import { publishAccept, publishRejects, type AddressLostEvent } from './audit.js'
import { openConnection, type Connection } from './connection.js'
import { ListenerEvents } from './listener-events.js'
import { planOf, type ListenOptions, type ListenPlan } from './listen-options.js'

/** Options of one accept. */
export interface AcceptOptions {
  /** Withdraws the call. No client is lost. */
  readonly signal?: AbortSignal
}

const ACCEPT_TABLE: OptionTable<AcceptOptions> = { signal }

/** Consecutive accepts before the event loop gets a turn. */
const ACCEPTS_PER_TURN = 64
/** Interval at which `listen` checks whether the address is free. */
const WAIT_STEP_MS = 100

interface Waiter {
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: IpcError) => void
}

// Set by the static block of Listener, whose constructor is private.
let createListener: (plan: ListenPlan, acceptor: NativeAcceptor) => Listener

/**
 * Accepts connections whose peers are checked (Go: `Listener`). Made by {@link listen}. Keeps the process alive until
 * it is closed, unless {@link unref} is called.
 */
export class Listener implements AsyncIterable<Connection> {
  /** Path of the socket, or (Windows) name of the pipe. '' if an adopted descriptor has none. */
  readonly address: string
  readonly #plan: ListenPlan
  #state: 'listening' | 'address-lost' | 'closed' = 'listening'
  readonly #admission: Admission
  readonly #waiters = new Set<Waiter>()
  #acceptsThisTurn = 0
  readonly #addressTimer: NodeJS.Timeout | undefined
  readonly #events: ListenerEvents
  readonly #onAbort = (): void => {
    this.close()
  }

  private constructor(plan: ListenPlan, acceptor: NativeAcceptor) {
    this.address = plan.address
    this.#plan = plan
    this.#events = new ListenerEvents(plan)
    // First, because the signal is the user's: if it throws, only the acceptor must be stopped.
    if (plan.signal !== undefined) onAbort(plan.signal, this.#onAbort)
    this.#admission = new Admission(
      plan,
      acceptor,
      () => {
        this.#tellRefusals()
        this.#serveWaiters()
      },
      (user, account) => {
        this.#events.accountChanged(user, account)
      },
    )
    this.#events.listening()
    observe('listener', this)
    if (plan.addressCheckMs <= MAX_TIMER_MS && plan.address !== '' && process.platform !== 'win32') {
      this.#addressTimer = setInterval(() => {
        this.check()
      }, plan.addressCheckMs).unref()
    }
  }

  static {
    createListener = (plan, acceptor) => new this(plan, acceptor)
  }

  /** Counts since the listener was made. */
  get stats(): ListenerStats {
    return this.#admission.stats()
  }

  /** Whether a check found that the path no longer leads to this listener. See `reclaim` and {@link check}. */
  get addressLost(): boolean {
    return this.#state === 'address-lost'
  }

  /**
   * Waits for the next client that the policy admits (Go: `Accept`).
   *
   * @throws {IpcError} ERR_IPC_CLOSED if the listener is closed, now or while waiting; ERR_IPC_ABORTED
   * @throws TypeError for an unknown option
   */
  async accept(options?: AcceptOptions): Promise<Connection> {
    const { signal } = checkOptions('accept', options, ACCEPT_TABLE)
    const what = `accept at ${this.address}`
    if (this.#state === 'closed') throw this.#closedError()
    if (signal?.aborted === true) throw abortedError(signal, what)
    // A loop of accepts that never has to wait would starve timers and other sockets.
    if (this.#waiters.size === 0 && this.#acceptsThisTurn < ACCEPTS_PER_TURN) {
      const client = this.#admission.take()
      if (client !== undefined) return this.#open(client)
    }
    return abortable<Connection>(signal, what, (resolve, reject) => {
      const waiter = { resolve, reject }
      this.#waiters.add(waiter)
      return () => {
        this.#waiters.delete(waiter)
      }
    })
  }

  #tellRefusals(): void {
    const report = this.#admission.takeRefusals()
    if (report !== undefined) publishRejects(this.address, report)
  }

  #serveWaiters(): void {
    let served = 0
    for (const waiter of this.#waiters) {
      if (served++ === ACCEPTS_PER_TURN) return
      // One at a time, because each client must be wrapped before anything else happens.
      const client = this.#admission.take()
      if (client === undefined) return
      this.#waiters.delete(waiter)
      waiter.resolve(this.#open(client))
    }
  }

  #open(client: NativeClient): Connection {
    const connection = openConnection(client, this.address, this.#admission.origin)
    publishAccept({ address: this.address, peer: connection.peer })
    if (++this.#acceptsThisTurn === 1) {
      setImmediate(() => {
        this.#acceptsThisTurn = 0
        this.#serveWaiters()
      })
    }
    return connection
  }

  /** Yields connections as they arrive, until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Connection, void, undefined> {
    while (this.#state !== 'closed') {
      let connection
      try {
        connection = await this.accept()
      } catch (error) {
        if (this.#isClosed()) return
        throw error
      }
      yield connection
    }
  }

  // A method, because the compiler assumes that the state is unchanged across an await.
  #isClosed(): boolean {
    return this.#state === 'closed'
  }

  /**
   * Checks now whether the path still leads to this listener, instead of at the next turn of `addressCheckMs`. If it
   * does not, reports it, and claims the address again if `reclaim` is set. Returns whether clients can reach the
   * listener. Always true on Windows, where the name of a pipe cannot be lost.
   */
  check(): boolean {
    if (this.#state === 'closed') return false
    const found = this.#admission.lostTo()
    if (found === undefined) {
      this.#state = 'listening'
      this.#events.addressFound()
      return true
    }
    this.#state = 'address-lost'
    const event = this.#plan.reclaim
      ? this.#reclaim(found)
      : { address: this.address, found, reclaimed: false }
    this.#holdTimer()
    this.#events.addressLost(event)
    return event.reclaimed
  }

  #reclaim(found: AddressFound): AddressLostEvent {
    const error = this.#admission.reclaim(() => {
      this.#tellRefusals()
    })
    if (error !== undefined) return { address: this.address, found, reclaimed: false, error }
    this.#state = 'listening'
    return { address: this.address, found, reclaimed: true }
  }

  /**
   * Keeps the process alive by the timer after a failed `reclaim`: only the next attempt can serve a waiting accept.
   */
  #holdTimer(): void {
    if (this.#admission.needsTimer) this.#addressTimer?.ref()
    else this.#addressTimer?.unref()
  }

  /** Allows the process to exit although the listener waits for clients. Returns the listener. */
  unref(): this {
    this.#admission.keepAlive(false)
    this.#holdTimer()
    return this
  }

  /** Undoes {@link unref}. Returns the listener. */
  ref(): this {
    this.#admission.keepAlive(true)
    this.#holdTimer()
    return this
  }

  /**
   * Stops listening and removes the socket (Go: `Close`). Accepted connections stay open; queued clients are
   * disconnected. Safe to call again.
   */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    forget(this)
    if (this.#plan.signal !== undefined) offAbort(this.#plan.signal, this.#onAbort)
    clearInterval(this.#addressTimer)
    this.#admission.stop(() => {
      this.#tellRefusals()
    })
    this.#events.closed(this.stats)
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.reject(this.#closedError())
  }

  /** Calls {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }

  #closedError(): IpcError {
    return new IpcError('ERR_IPC_CLOSED', `the listener at ${this.address} is closed`)
  }
}

/** Makes a listener, or leaves nothing behind. */
function listenOn(plan: ListenPlan, acceptor: NativeAcceptor): Listener {
  try {
    return createListener(plan, acceptor)
  } catch (error) {
    acceptor.stop()
    throw error
  }
}

/**
 * Listens on a pipe (Go: `Listen`). The first listener keeps the address: a second listener is refused while the first
 * one lives, and the socket of a dead listener is replaced. By default only this user can connect.
 *
 * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE, ERR_IPC_ACCESS_DENIED, ERR_IPC_UNSAFE_PATH, ERR_IPC_PATH_TOO_LONG,
 *   ERR_IPC_ABORTED, ERR_IPC_SYSTEM
 * @throws TypeError for an unknown option, or an invalid name, policy or combination; RangeError for a number out of
 *   range
 */
export async function listen(name: string, options?: ListenOptions): Promise<Listener> {
  const plan = planOf(name, options)
  const { address, signal } = plan
  const what = `listening at ${address}`
  const deadlineMs = monotonicMs() + plan.waitMs
  for (;;) {
    if (signal?.aborted === true) throw abortedError(signal, what)
    try {
      return listenOn(plan, openAcceptor(plan))
    } catch (error) {
      const leftMs = deadlineMs - monotonicMs()
      if (!hasCode(error, 'ERR_IPC_ADDRESS_IN_USE') || leftMs <= 0) throw error
      await pause(Math.min(leftMs, WAIT_STEP_MS), signal, what)
    }
  }
}
