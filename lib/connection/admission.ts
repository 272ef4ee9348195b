// The acceptor behind a listener: the clients that it admits, the wake-ups of its thread, its counts, and its replacement
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
  /** Users who hold more than `maxBytesPerUser` now, so that their connections are read one at a time. */
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
  #acceptor: NativeAcceptor
  #wakeUp: Socket
  #file: BoundFile
  #origin: ConnectionOrigin
  readonly #accounts: UserAccounts
  /** Earlier acceptors, whose address was lost. Their connections still count. */
  #earlier: NativeAcceptor[] = []
  #keepsAlive = true
  /** Whether the acceptor has stopped, and no other one has claimed the address yet. */
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
    this.#file = new BoundFile(plan.address)
    this.#accounts = new UserAccounts(plan.accounts, onAccount)
    this.#origin = this.#createOrigin()
  }

  /** The origin of connections of clients taken from now on. */
  get origin(): ConnectionOrigin {
    return this.#origin
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
    const sum = { accepted: 0, refused: 0, open: 0, exhausted: 0 }
    for (const acceptor of [...this.#earlier, this.#acceptor]) {
      const { admitted, refused, open, exhausted } = acceptor.stats()
      sum.accepted += admitted
      sum.refused += refused
      sum.open += open
      sum.exhausted += exhausted
    }
    return { ...sum, ...this.#accounts.totals() }
  }

  /** Returns what is at the address instead of this listener's socket; undefined if it is not lost. */
  lostTo(): AddressFound | undefined {
    return this.#file.lostTo()
  }

  /**
   * Claims the address with a new acceptor. Returns the error if that fails; another call tries again. The old acceptor
   * holds the lock of the address, so it must stop first. `onStopped` is called for its last refusals.
   */
  reclaim(onStopped: () => void): Error | undefined {
    const [earlier, wakeUp] = [this.#acceptor, this.#wakeUp]
    earlier.stop()
    this.#stopped = true
    onStopped()
    try {
      this.#acceptor = openAcceptor(this.#plan)
    } catch (error) {
      return toError(error)
    }
    this.#stopped = false
    this.#earlier.push(earlier)
    wakeUp.destroy()
    this.#wakeUp = this.#createWakeUp()
    this.#file = new BoundFile(this.#plan.address)
    this.#origin = this.#createOrigin()
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

  #createOrigin(): ConnectionOrigin {
    const acceptor = this.#acceptor
    return {
      busyPoll: this.#plan.busyPoll,
      onEvent: this.#plan.onEvent,
      accountOf: (peer) => this.#accounts.of(userOf(peer)),
      onClosed: (connection: Connection) => {
        acceptor.release(userOf(connection.peer))
      },
    }
  }
}
