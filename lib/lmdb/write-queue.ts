// Writes to an LMDB database one after the other, each of them a transaction, and says so when one did not get there. Must
// not know what is written.

import { statfsSync } from 'node:fs'

import type { RootDatabase } from 'lmdb'

import { isError } from '../base/errors.js'

/** Writes to one database. */
export class WriteQueue {
  readonly #root: RootDatabase
  readonly #path: string
  /** Each must see what the one before has written. */
  #last: Promise<unknown> = Promise.resolve()

  /** @param path where the database is */
  constructor(root: RootDatabase, path: string) {
    this.#root = root
    this.#path = path
  }

  /**
   * Runs an action that puts and removes. All of it is there when this resolves, but for the loss of power.
   *
   * @throws what the action throws, which it must do before it puts anything; Error when it could not be written
   */
  run<T>(action: () => T): Promise<T> {
    const done = this.#last.then(() => this.#transact(action))
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    await this.#last
  }

  /** Whether the file system still has so many bytes. */
  hasRoom(bytes: number): boolean {
    const { bavail, bsize } = statfsSync(this.#path)
    return bavail * bsize >= bytes
  }

  async #transact<T>(action: () => T): Promise<T> {
    let outcome: { readonly result: T } | { readonly error: unknown } | undefined
    // LMDB could take a turn of the event loop for a batch, but with promises of its own that nobody can catch.
    const committed = this.#root.batch(() => {
      try {
        outcome = { result: action() }
      } catch (error) {
        outcome = { error }
      }
    })
    try {
      await committed
    } catch (error) {
      // LMDB rejects twice.
      const told: unknown = isError(error) && 'commitError' in error ? error.commitError : undefined
      const cause: unknown = await Promise.resolve(told).catch((why: unknown) => why)
      throw new Error(`nothing could be written to ${this.#path}`, { cause })
    }
    if (outcome === undefined) throw new Error('the transaction did not run')
    if ('error' in outcome) throw outcome.error
    return outcome.result
  }
}
