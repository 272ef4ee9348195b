// Reports the events of a listener: on the audit channels, to its callbacks, and as lifecycle events.

import { callUser } from '../base/user-code.js'
import { isObserved, report, type LifecycleChange } from '../observe/lifecycle.js'
import { Pauses } from '../observe/pauses.js'
import type { ListenerStats } from './admission.js'
import { publishAddressLost, type AddressLostEvent } from './audit.js'
import type { ListenPlan } from './listen-options.js'
import type { UserAccount } from './user-account.js'

export class ListenerEvents {
  readonly #plan: Pick<ListenPlan, 'address' | 'onEvent' | 'onAddressLost'>
  /** The last loss of the address that was reported, so that each one is reported once. */
  #toldLoss: string | undefined
  /** The pauses of users whose account was full. */
  readonly #pauses = new Map<UserAccount, Pauses>()

  constructor(plan: Pick<ListenPlan, 'address' | 'onEvent' | 'onAddressLost'>) {
    this.#plan = plan
  }

  listening(): void {
    this.#report({ type: 'listening' })
  }

  closed({ accepted, refused }: ListenerStats): void {
    this.#report({ type: 'closed', accepted, refused })
  }

  /** Notes that the account of a user has become full, or no longer is. */
  accountChanged(user: number | string, account: UserAccount): void {
    if (account.full) this.#pausesOf(user, account)?.begin()
    else this.#pauses.get(account)?.end()
  }

  addressFound(): void {
    this.#toldLoss = undefined
  }

  addressLost(event: AddressLostEvent): void {
    const { found, reclaimed, error } = event
    const told = `${found} ${reclaimed} ${error?.message ?? ''}`
    if (told === this.#toldLoss) return
    this.#toldLoss = reclaimed ? undefined : told
    publishAddressLost(event)
    this.#report({ type: 'address-lost', found, reclaimed, error })
    const { onAddressLost } = this.#plan
    if (onAddressLost !== undefined) callUser('onAddressLost', onAddressLost, event)
  }

  /** Returns undefined while nothing listens to events. */
  #pausesOf(user: number | string, account: UserAccount): Pauses | undefined {
    let pauses = this.#pauses.get(account)
    if (pauses !== undefined || !isObserved(this.#plan.onEvent)) return pauses
    pauses = new Pauses({
      onPaused: () => {
        this.#report({ type: 'paused', reason: 'user-budget', user })
      },
      onResumed: (pausedMs, count) => {
        this.#report({ type: 'resumed', pausedMs, pauses: count, user })
      },
    })
    this.#pauses.set(account, pauses)
    return pauses
  }

  #report(change: LifecycleChange): void {
    const { address, onEvent } = this.#plan
    if (!isObserved(onEvent)) return
    report(onEvent, { role: 'listener', name: address, address, connection: undefined }, change)
  }
}
