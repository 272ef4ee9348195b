// Writes to an LMDB database one at a time, each as a transaction. A failed write rejects for its own caller only. Must
// not know what is written.

import { statfsSync } from 'node:fs'

import type { RootDatabase } from 'lmdb'

import { isError } from '../base/errors.js'
import { FactError } from '../swarm/index.js'

/** Writes to one database. */
export class WriteQueue {
  readonly #root: RootDatabase
  readonly #path: string
  /** The previous write: each write must see its result. */
  #last: Promise<unknown> = Promise.resolve()

  /** @param path the directory of the database */
  constructor(root: RootDatabase, path: string) {
    this.#root = root
    this.#path = path
  }

  /**
   * Runs an action that puts and removes. When this resolves, all of it is visible and survives the death of the
   * process.
   *
   * @throws what the action throws, which it must do before it puts anything
   * @throws {FactError} ERR_FACT_STORE_FULL if the disk, the quota or the map is full; Error if it failed otherwise
   */
  run<T>(action: () => T): Promise<T> {
    const done = this.#last.then(() => this.#transact(action))
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Resolves when nothing is being written any more. Never rejects. */
  async idle(): Promise<void> {
    await this.#last
  }

  /** Whether the file system has this many bytes left for this user. */
  hasRoom(bytes: number): boolean {
    const { bavail, bsize } = statfsSync(this.#path)
    return bavail * bsize >= bytes
  }

  async #transact<T>(action: () => T): Promise<T> {
    let outcome: { readonly result: T } | { readonly error: unknown } | undefined
    // An explicit batch: the batches that LMDB makes per event loop turn have promises whose rejections cannot be
    // caught.
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
      // LMDB makes a second promise with the reason, which must be caught too.
      const told: unknown = isError(error) && 'commitError' in error ? error.commitError : undefined
      const cause: unknown = await Promise.resolve(told).catch((why: unknown) => why)
      const message = `nothing could be written to ${this.#path}`
      if (isFull(cause)) throw new FactError('ERR_FACT_STORE_FULL', `${message}: no room is left`, { cause })
      throw new Error(message, { cause })
    }
    if (outcome === undefined) throw new Error('the transaction did not run')
    if ('error' in outcome) throw outcome.error
    return outcome.result
  }
}

/** The Linux numbers of ENOSPC, EFBIG and EDQUOT, MDB_MAP_FULL, and Node's names of them. */
const FULL: readonly unknown[] = [28, 27, 122, -30792, 'ENOSPC', 'EFBIG', 'EDQUOT']

/** Whether an error says that no room is left, on the disk or in the database. */
export function isFull(error: unknown): boolean {
  if (!isError(error)) return false
  return ('code' in error && FULL.includes(error.code)) || isFull(error.cause)
}
