// Facts on disk, in LMDB. They survive the death of the process at any moment, and from `flush` on that of the machine.
// This file is the interface `FactStore`; fact-tables.ts knows the tables, write-queue.ts commits. Must not know the
// wire.

import { open, type RootDatabase } from 'lmdb'

import {
  agreementOf,
  checkFact,
  FactError,
  unitsOf,
  type AddResult,
  type Fact,
  type FactLevel,
  type FactPage,
  type FactQuery,
  type FactStore,
  type PageQuery,
} from '../swarm/index.js'
import { checkOptions, text, wholeNumber, type OptionTable } from '../base/options.js'
import { quoteName } from '../base/quote.js'
import type { PrivateDirectory } from '../binding/private-directory.js'
import { listPage } from './fact-listing.js'
import { openFactFiles } from './fact-files.js'
import { FactTables, LEVELS } from './fact-tables.js'
import { isFull, WriteQueue } from './write-queue.js'

/**
 * Bytes on the disk that a batch may need per UTF-16 unit, for its text and the pages that it splits. MIN_ROOM_BYTES is
 * a margin on top.
 */
const ROOM_PER_UNIT = 6
const MIN_ROOM_BYTES = 1 << 20

/** Options of {@link LmdbFactStore}. */
export interface LmdbFactStoreOptions {
  /** Largest size of the database in bytes. It reserves address space only. Default: 17,179,869,184 (16 GiB). */
  readonly mapSize?: number
}

const TABLE: OptionTable<LmdbFactStoreOptions> = {
  mapSize: wholeNumber(MIN_ROOM_BYTES, Number.MAX_SAFE_INTEGER),
}

/**
 * Keeps facts in an LMDB database, for a `SwarmTransport` or on its own. A batch is one transaction. Needs the optional
 * peer dependency `lmdb`. Several processes may read one database; only one of them may add to it.
 *
 * A full disk rejects the write with ERR_FACT_STORE_FULL, and the store goes on. LMDB reads the file through a memory
 * map: if another program truncates the file while it is open, or the disk fails to read a page of it, the system ends
 * the process with SIGBUS. No error can be thrown for that.
 */
export class LmdbFactStore implements FactStore {
  readonly id: string
  readonly #writes: WriteQueue
  readonly #root: RootDatabase
  readonly #tables: FactTables
  #closed = false

  private constructor(root: RootDatabase, directory: string) {
    this.#root = root
    this.#writes = new WriteQueue(root, directory)
    this.#tables = new FactTables(root, directory)
    this.id = this.#tables.id
  }

  /**
   * Opens the database in a directory, which is made with mode 0700 if absent. The directory and its files must belong
   * to this user alone: the directory of mode 0700, files of mode 0600 without links, and nothing on the path that
   * another user could replace.
   *
   * @param path of the directory; a relative path is resolved now
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH (reason `unsafe-fact-store`), also for a file that was cut short;
   *   ERR_IPC_SYSTEM
   * @throws {FactError} ERR_FACT_STORE_FULL if the file system has no room for an empty database
   * @throws TypeError if `path` is not a non-empty string, for an unknown option, or if the facts were written in
   *   another format
   * @throws RangeError for a `mapSize` that is not a whole number from 1,048,576
   * @throws Error as LMDB throws it
   */
  static async open(path: string, options?: LmdbFactStoreOptions): Promise<LmdbFactStore> {
    text(path, 'LmdbFactStore.open: path')
    const { mapSize = 16 * 2 ** 30 } = checkOptions('LmdbFactStore.open', options, TABLE)
    const files = await filesIn(path)
    let root
    try {
      // A batch is visible once committed; only `flush` waits for the disk.
      root = open({
        path: files.path,
        noSubdir: false,
        mapSize,
        maxDbs: 16,
        separateFlushed: true,
        eventTurnBatching: false,
      })
      return new this(root, files.path)
    } catch (error) {
      await root?.close()
      throw error
    } finally {
      files.close()
    }
  }

  async add(fact: Fact): Promise<void> {
    checkFact(fact)
    await this.#write(() => {
      if (this.#tables.has(fact.id)) {
        throw new FactError('ERR_FACT_EXISTS', `the store already has a fact ${quoteName(fact.id)}`)
      }
      this.#checkRoom(unitsOf(fact))
      const position = this.#tables.nextPosition()
      this.#tables.put(fact, position)
      this.#tables.setLast(position)
    })
  }

  async addBatch(facts: readonly Fact[]): Promise<AddResult> {
    let units = 0
    for (const fact of facts) {
      checkFact(fact)
      units += unitsOf(fact)
    }
    return this.#write(() => {
      const before = this.#tables.last()
      const fresh = new Map<string, Fact>()
      let known = 0
      let kept = 0
      for (const fact of facts) {
        const here = fresh.get(fact.id) ?? this.#tables.find(fact.id)?.fact
        if (here === undefined) {
          fresh.set(fact.id, fact)
          continue
        }
        const agreement = agreementOf(here, fact)
        if (agreement === 'conflict') {
          return { added: 0, known: 0, kept: 0, conflict: fact.id, before, after: before }
        }
        if (agreement === 'same') ++known
        else ++kept
      }
      if (fresh.size > 0) this.#checkRoom(units)
      let position = this.#tables.nextPosition() - 1
      for (const fact of fresh.values()) this.#tables.put(fact, ++position)
      if (fresh.size > 0) this.#tables.setLast(position)
      return { added: fresh.size, known, kept, before, after: fresh.size > 0 ? position : before }
    })
  }

  async get(id: string): Promise<Fact | undefined> {
    this.#checkOpen()
    return this.#tables.find(id)?.fact
  }

  async update(fact: Fact): Promise<void> {
    checkFact(fact)
    await this.#write(() => {
      const found = this.#tables.find(fact.id)
      if (found === undefined) {
        throw new FactError('ERR_FACT_UNKNOWN', `the store has no fact ${quoteName(fact.id)}`)
      }
      if (found.fact.isGene || fact.isGene) {
        throw new FactError(
          'ERR_FACT_IMMUTABLE',
          `a gene cannot be changed, and a fact cannot become one: ${quoteName(fact.id)}`,
        )
      }
      this.#checkRoom(unitsOf(fact))
      const position = this.#tables.nextPosition()
      this.#tables.remove(found.place, found.fact)
      this.#tables.put({ ...fact, updatedAt: new Date() }, position)
      this.#tables.setLast(position)
    })
  }

  async delete(id: string): Promise<boolean> {
    return this.#write(() => {
      const found = this.#tables.find(id)
      if (found === undefined) return false
      if (found.fact.isGene)
        throw new FactError('ERR_FACT_IMMUTABLE', `a gene cannot be deleted: ${quoteName(id)}`)
      this.#tables.remove(found.place, found.fact)
      return true
    })
  }

  async listByLevel(level: FactLevel): Promise<Fact[]> {
    this.#checkOpen()
    return [
      ...this.#tables
        .level(level)
        .getRange()
        .map(({ value }) => ({ ...value, level })),
    ]
  }

  async listByDomain(domain: string): Promise<Fact[]> {
    this.#checkOpen()
    return this.#tables.ofDomain(domain)
  }

  async listGenes(): Promise<Fact[]> {
    this.#checkOpen()
    return this.#tables.genes()
  }

  async page(query: PageQuery): Promise<FactPage> {
    this.#checkOpen()
    return listPage((level) => this.#tables.level(level), query)
  }

  async count({ levels = LEVELS, after = 0, until = Infinity }: FactQuery = {}): Promise<number> {
    this.#checkOpen()
    let count = 0
    for (const level of levels) {
      const table = this.#tables.level(level)
      count += table.getKeysCount({ start: after, exclusiveStart: true, end: until, inclusiveEnd: true })
    }
    return count
  }

  async lastPosition(): Promise<number> {
    this.#checkOpen()
    return this.#tables.last()
  }

  async flush(): Promise<void> {
    await this.#writes.idle()
    this.#checkOpen()
    await this.#root.flushed
  }

  /** Waits until everything added is on the disk, then closes the database. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writes.idle()
    await this.#root.flushed
    await this.#root.close()
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #write<T>(action: () => T): Promise<T> {
    this.#checkOpen()
    return this.#writes.run(action)
  }

  /** @throws {FactError} ERR_FACT_STORE_FULL before the file system is so full that LMDB itself would fail */
  #checkRoom(units: number): void {
    if (this.#writes.hasRoom(units * ROOM_PER_UNIT + MIN_ROOM_BYTES)) return
    throw new FactError(
      'ERR_FACT_STORE_FULL',
      'the file system of the fact store is full: free some space or delete facts',
    )
  }

  #checkOpen(): void {
    if (this.#closed) throw new FactError('ERR_FACT_STORE_CLOSED', 'the fact store is closed')
  }
}

/** Prepares the directory and the files. A full disk becomes ERR_FACT_STORE_FULL. */
async function filesIn(path: string): Promise<PrivateDirectory> {
  try {
    return await openFactFiles(path)
  } catch (error) {
    if (!isFull(error)) throw error
    throw new FactError('ERR_FACT_STORE_FULL', `${path} has no room for a fact store`, { cause: error })
  }
}
