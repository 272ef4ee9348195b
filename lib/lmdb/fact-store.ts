// Facts on disk, in LMDB. They survive the death of the process at any moment, and from `flush` on that of the machine. One
// table a level, keyed by position; another table finds the position of an id. Must not know the wire.

import { open, type Database, type RootDatabase, type RootDatabaseOptions } from 'lmdb'

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
import { randomHex } from '../base/crypto.js'
import { quoteText } from '../base/quote.js'
import { listPage } from './fact-listing.js'
import { FactCodec, PlaceCodec, type Codec, type Place, type StoredFact } from './fact-record.js'
import { claimFactFiles } from './fact-files.js'
import { isFull, WriteQueue } from './write-queue.js'

const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]
/** The version of the layout of the tables. */
const FORMAT = 1
/** Bytes on the disk that a batch may need for each unit: its text, the pages that it splits; and a margin. */
const ROOM_PER_UNIT = 6
const MIN_ROOM_BYTES = 1 << 20

/** Options of {@link LmdbFactStore}. */
export interface LmdbFactStoreOptions {
  /** Largest size of the database in bytes. It reserves address space only. Default: 17,179,869,184 (16 GiB). */
  readonly mapSize?: number
}

/**
 * Keeps facts in an LMDB database, for a `SwarmTransport` or on its own. A batch is one transaction. Needs the optional peer
 * dependency `lmdb`. Several processes may read one database; only one of them may add to it.
 *
 * A full disk rejects the write with ERR_FACT_STORE_FULL, and the store goes on. LMDB reads the file through a memory map: if
 * another program truncates the file while it is open, or the disk fails to read a page of it, the system ends the process
 * with SIGBUS. No error can be thrown for that.
 */
export class LmdbFactStore implements FactStore {
  readonly id: string
  readonly #writes: WriteQueue
  readonly #root: RootDatabase
  readonly #levels: readonly Database<StoredFact, number>[]
  readonly #places: Database<Place, string>
  readonly #domains: Database<null, [domain: string, position: number, level: number]>
  readonly #genes: Database<null, string>
  readonly #meta: Database<string | number, string>
  #closed = false

  /**
   * Opens the database in a directory, which is made with mode 0700 if absent. The directory and its files must belong to
   * this user alone: files of mode 0600 without links, and nothing on the path that another user could replace.
   *
   * @param path of the directory; a relative path is resolved now
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH (reason `unsafe-fact-store`), also for a file that was cut short
   * @throws {FactError} ERR_FACT_STORE_FULL if the file system has no room for an empty database
   * @throws TypeError if `path` is not a non-empty string, or the facts were written in another format
   * @throws RangeError for a `mapSize` that is not a whole number from 1,048,576
   * @throws Error as LMDB throws it
   */
  constructor(path: string, { mapSize = 16 * 2 ** 30 }: LmdbFactStoreOptions = {}) {
    if (typeof path !== 'string' || path === '') throw new TypeError('path must be a non-empty string')
    if (!Number.isSafeInteger(mapSize) || mapSize < MIN_ROOM_BYTES) {
      throw new RangeError(`mapSize must be a whole number from ${MIN_ROOM_BYTES}, not ${String(mapSize)}`)
    }
    const directory = filesIn(path)
    // A batch is visible once committed; only `flush` waits for the disk.
    this.#root = open({
      path: directory,
      noSubdir: false,
      mapSize,
      maxDbs: 16,
      separateFlushed: true,
      eventTurnBatching: false,
    })
    this.#writes = new WriteQueue(this.#root, directory)
    this.#levels = LEVELS.map((level) =>
      this.#root.openDB<StoredFact, number>(tableOptions(`facts-${level}`, new FactCodec())),
    )
    this.#places = this.#root.openDB<Place, string>(tableOptions('places', new PlaceCodec()))
    this.#domains = this.#root.openDB<null, [string, number, number]>({ name: 'domains' })
    this.#genes = this.#root.openDB<null, string>({ name: 'genes' })
    this.#meta = this.#root.openDB<string | number, string>({ name: 'meta' })
    this.id = this.#root.transactionSync(() => {
      const known = this.#meta.get('id')
      if (typeof known === 'string') {
        if (this.#meta.get('format') === FORMAT) return known
        throw new TypeError(`the facts in ${directory} were written in another format than ${FORMAT}`)
      }
      this.#meta.putSync('format', FORMAT)
      const id = `store_${randomHex(12)}`
      this.#meta.putSync('id', id)
      return id
    })
  }

  async add(fact: Fact): Promise<void> {
    checkFact(fact)
    await this.#write(() => {
      if (this.#places.doesExist(fact.id)) {
        throw new FactError('ERR_FACT_EXISTS', `the store already has a fact ${shown(fact.id)}`)
      }
      this.#checkRoom(unitsOf(fact))
      const position = this.#nextPosition()
      this.#put(fact, position)
      this.#setLast(position)
    })
  }

  async addBatch(facts: readonly Fact[]): Promise<AddResult> {
    let units = 0
    for (const fact of facts) {
      checkFact(fact)
      units += unitsOf(fact)
    }
    return this.#write(() => {
      const before = this.#last()
      const fresh = new Map<string, Fact>()
      let known = 0
      let kept = 0
      for (const fact of facts) {
        const here = fresh.get(fact.id) ?? this.#read(fact.id)
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
      let position = this.#nextPosition() - 1
      for (const fact of fresh.values()) this.#put(fact, ++position)
      if (fresh.size > 0) this.#setLast(position)
      return { added: fresh.size, known, kept, before, after: fresh.size > 0 ? position : before }
    })
  }

  async get(id: string): Promise<Fact | undefined> {
    this.#checkOpen()
    return this.#read(id)
  }

  async update(fact: Fact): Promise<void> {
    checkFact(fact)
    await this.#write(() => {
      const place = this.#places.get(fact.id)
      const here = place === undefined ? undefined : this.#table(place.level).get(place.position)
      if (place === undefined || here === undefined) {
        throw new FactError('ERR_FACT_UNKNOWN', `the store has no fact ${shown(fact.id)}`)
      }
      if (here.isGene || fact.isGene) {
        throw new FactError(
          'ERR_FACT_IMMUTABLE',
          `a gene cannot be changed, nor a fact become one: ${shown(fact.id)}`,
        )
      }
      this.#checkRoom(unitsOf(fact))
      const position = this.#nextPosition()
      this.#remove(place, here)
      this.#put({ ...fact, updatedAt: new Date() }, position)
      this.#setLast(position)
    })
  }

  async delete(id: string): Promise<boolean> {
    return this.#write(() => {
      const place = this.#places.get(id)
      const here = place === undefined ? undefined : this.#table(place.level).get(place.position)
      if (place === undefined || here === undefined) return false
      if (here.isGene) throw new FactError('ERR_FACT_IMMUTABLE', `a gene cannot be deleted: ${shown(id)}`)
      this.#remove(place, here)
      return true
    })
  }

  async listByLevel(level: FactLevel): Promise<Fact[]> {
    this.#checkOpen()
    return [
      ...this.#table(level)
        .getRange()
        .map(({ value }) => ({ ...value, level })),
    ]
  }

  async listByDomain(domain: string): Promise<Fact[]> {
    this.#checkOpen()
    // Sorts before and after every key of this domain.
    const keys = this.#domains.getKeys({ start: [domain, 0, 0], end: [domain, Infinity, 0] })
    return [...keys].flatMap(([, position, level]) => {
      const stored = this.#levels[level]?.get(position)
      return stored === undefined ? [] : [{ ...stored, level: level as FactLevel }]
    })
  }

  async listGenes(): Promise<Fact[]> {
    this.#checkOpen()
    return [...this.#genes.getKeys()].flatMap((id) => this.#read(id) ?? [])
  }

  async page(query: PageQuery): Promise<FactPage> {
    this.#checkOpen()
    return listPage((level) => this.#table(level), query)
  }

  async count({ levels = LEVELS, after = 0, until = Infinity }: FactQuery = {}): Promise<number> {
    this.#checkOpen()
    let count = 0
    for (const level of levels) {
      const table = this.#table(level)
      count += table.getKeysCount({ start: after, exclusiveStart: true, end: until, inclusiveEnd: true })
    }
    return count
  }

  async lastPosition(): Promise<number> {
    this.#checkOpen()
    return this.#last()
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

  /** @throws {FactError} ERR_FACT_STORE_FULL while there is still room enough for LMDB to go on with */
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

  #table(level: FactLevel): Database<StoredFact, number> {
    return this.#levels[level] as Database<StoredFact, number>
  }

  #last(): number {
    return (this.#meta.get('last') as number | undefined) ?? 0
  }

  #nextPosition(): number {
    return Math.max(this.#last() + 1, Date.now() * 1000)
  }

  #setLast(position: number): void {
    void this.#meta.put('last', position)
  }

  #read(id: string): Fact | undefined {
    const place = this.#places.get(id)
    if (place === undefined) return undefined
    const stored = this.#table(place.level).get(place.position)
    return stored === undefined ? undefined : { ...stored, level: place.level }
  }

  #put(fact: Fact, position: number): void {
    void this.#places.put(fact.id, { level: fact.level, position })
    void this.#table(fact.level).put(position, fact)
    if (fact.domain !== undefined) void this.#domains.put([fact.domain, position, fact.level], null)
    if (fact.isGene) void this.#genes.put(fact.id, null)
  }

  #remove({ level, position }: Place, { id, domain }: StoredFact): void {
    void this.#places.remove(id)
    void this.#table(level).remove(position)
    if (domain !== undefined) void this.#domains.remove([domain, position, level])
  }
}

// The types of lmdb know encoders for whole databases only, but each table may have its own.
function tableOptions(
  name: string,
  encoder: Codec<Place> | Codec<StoredFact>,
): RootDatabaseOptions & { name: string } {
  return { name, encoder }
}

/** Prepares the directory and the files. A full disk becomes ERR_FACT_STORE_FULL. */
function filesIn(path: string): string {
  try {
    return claimFactFiles(path)
  } catch (error) {
    if (!isFull(error)) throw error
    throw new FactError('ERR_FACT_STORE_FULL', `${path} has no room for a fact store`, { cause: error })
  }
}

/** Returns an id for an error: escaped and cut short. */
function shown(id: string): string {
  return quoteText(id, 64)
}
