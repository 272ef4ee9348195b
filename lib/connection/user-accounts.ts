// The accounts of a listener, one for each user who was ever connected.

import { UserAccount, type AccountLimits } from './user-account.js'

/** The sums over the accounts of a listener. */
export interface AccountTotals {
  readonly heldBytes: number
  readonly usersOverBudget: number
}

export class UserAccounts {
  readonly #limits: AccountLimits
  readonly #onChange: (user: number | string, account: UserAccount) => void
  readonly #accounts = new Map<number | string, UserAccount>()

  /** @param onChange is called when the account of a user becomes full, and when it no longer is */
  constructor(limits: AccountLimits, onChange: (user: number | string, account: UserAccount) => void) {
    this.#limits = limits
    this.#onChange = onChange
  }

  /** Returns the account of a user, which is a uid, or on Windows a SID. */
  of(user: number | string): UserAccount {
    let account = this.#accounts.get(user)
    if (account === undefined) {
      account = new UserAccount(this.#limits, (changed) => {
        this.#onChange(user, changed)
      })
      this.#accounts.set(user, account)
    }
    return account
  }

  totals(): AccountTotals {
    let [heldBytes, usersOverBudget] = [0, 0]
    for (const account of this.#accounts.values()) {
      heldBytes += account.held
      if (account.full) ++usersOverBudget
    }
    return { heldBytes, usersOverBudget }
  }
}
