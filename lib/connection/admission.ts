// The acceptor behind a listener: the clients that it admits, the wake-ups of its thread, its counts, and its restart
// when the address was lost and is claimed again.

import type { Socket } from 'node:net'

import { toError } from '../base/errors.js'
import { addon, type NativeAcceptor, type NativeClient } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'
import { createWakeUp } from '../binding/wake-up.js'
import { userOf } from '../peer/peer.js'
import { explainDenial } from './access-denied.js'
import { BoundFile, type AddressFound } from './address-watch.js'
import { wantsRejects } from './audit.js'
import type { Connection, ConnectionOrigin } from './connection.js'
import type { ListenPlan } from './listen-options.js'
import type { UserAccount } from './user-account.js'
import { UserAccounts } from './user-accounts.js'

/** Counts since the listener was made. */
export interface ListenerStats {
  /** Clients let in. */
  readonly accepted: number
  /** Clients turned away, by policy or quota. */
  readonly refused: number
  /** Connections open now, including clients let in that `accept` has not returned yet. */
  readonly open: number
  /** Pauses because the process had run out of descriptors or memory. */
  readonly exhausted: number
  /** Bytes held for the connections of all users now, as `maxBytesPerUser` counts them. */
  readonly heldBytes: number
  /**
   * Users whose connections are read one at a time, because they hold more than `maxBytesPerUser`, or did and still
   * hold more than half of it.
   */
  readonly usersOverBudget: number
}

// The accept thread writes to wake the event loop up; the bytes have no meaning.
const wakeUpBytes = Buffer.allocUnsafeSlow(64)

/** @throws {IpcError} as `listen` */
export function openAcceptor({ address, native, policy, limits }: ListenPlan): NativeAcceptor {
  try {
    return new addon.Acceptor(native, policy, limits)
  } catch (error) {
    throw explainDenial(fromNative(error), 'listen', address)
  }
}

export class Admission {
  readonly #plan: ListenPlan
  readonly #onWakeUp: () => void
  readonly #acceptor: NativeAcceptor
  #wakeUp: Socket
  #file: BoundFile
  /** Where the connections of all clients come from. */
  readonly origin: ConnectionOrigin
  readonly #accounts: UserAccounts
  #keepsAlive = true
  /** The acceptor has stopped, and has not claimed the address again yet. */
  #stopped = false

  /**
   * @param onWakeUp is called when there are clients to take, or refusals to report
   * @param onAccount is called when the account of a user becomes full, and when it no longer is
   */
  constructor(
    plan: ListenPlan,
    acceptor: NativeAcceptor,
    onWakeUp: () => void,
    onAccount: (user: number | string, account: UserAccount) => void,
  ) {
    this.#plan = plan
    this.#onWakeUp = onWakeUp
    this.#acceptor = acceptor
    this.#wakeUp = this.#createWakeUp()
    this.#file = new BoundFile(plan.address, acceptor.boundFile())
    this.#accounts = new UserAccounts(plan.accounts, onAccount)
    this.origin = {
      busyPoll: plan.busyPoll,
      onEvent: plan.onEvent,
      accountOf: (peer) => this.#accounts.of(userOf(peer)),
      onClosed: (connection: Connection) => {
        acceptor.release(userOf(connection.peer))
      },
    }
  }

  /** Takes the next admitted client, which must be wrapped in a connection before the next call. */
  take(): NativeClient | undefined {
    return this.#acceptor.take(1)[0]
  }

  /** Refusals since the last report, if one is due and anything subscribes to them. */
  takeRefusals(): ReturnType<NativeAcceptor['takeRefusals']> {
    return this.#acceptor.takeRefusals(wantsRejects())
  }

  stats(): ListenerStats {
    const { admitted: accepted, refused, open, exhausted } = this.#acceptor.stats()
    return { accepted, refused, open, exhausted, ...this.#accounts.totals() }
  }

  /** Returns what is at the address instead of this listener's socket; undefined if it is not lost. */
  lostTo(): AddressFound | undefined {
    return this.#stopped ? this.#file.found() : this.#file.lostTo()
  }

  /**
   * Claims the address again. Returns the error if that fails; another call tries again. The acceptor holds the lock of
   * the address, so it must stop first. `onStopped` is called for its last refusals. Connections made before still
   * count against the limits.
   */
  reclaim(onStopped: () => void): Error | undefined {
    this.#acceptor.stop()
    this.#stopped = true
    onStopped()
    const { address, native, policy, limits } = this.#plan
    try {
      this.#acceptor.restart(native, policy, limits)
    } catch (error) {
      return toError(explainDenial(fromNative(error), 'listen', address))
    }
    this.#stopped = false
    this.#wakeUp.destroy()
    this.#wakeUp = this.#createWakeUp()
    this.#file = new BoundFile(address, this.#acceptor.boundFile())
    return undefined
  }

  /** Whether only a timer can keep the process alive, as there is no acceptor to wait for. */
  get needsTimer(): boolean {
    return this.#stopped && this.#keepsAlive
  }

  /** Sets whether waiting for clients keeps the process alive. */
  keepAlive(keep: boolean): void {
    this.#keepsAlive = keep
    if (keep) this.#wakeUp.ref()
    else this.#wakeUp.unref()
  }

  /** Stops listening and disconnects the clients not taken. `onStopped` is called for the last refusals. */
  stop(onStopped: () => void): void {
    this.#acceptor.stop()
    onStopped()
    this.#wakeUp.destroy()
  }

  #createWakeUp(): Socket {
    const wakeUp = createWakeUp(this.#acceptor.takeNotifyDescriptor(), {
      buffer: wakeUpBytes,
      callback: () => {
        this.#onWakeUp()
        return true
      },
    })
    wakeUp.resume()
    return this.#keepsAlive ? wakeUp : wakeUp.unref()
  }
}
