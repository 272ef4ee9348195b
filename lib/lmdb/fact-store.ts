// Facts on disk, in LMDB: survive the death of the process at any moment, and of the machine from `flush` on. One table
// a level, keyed by position; another one finds the position of an id.

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
import { listPage } from './fact-listing.js'
import { FactCodec, PlaceCodec, type Codec, type Place, type StoredFact } from './fact-record.js'
import { WriteQueue } from './write-queue.js'

const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]
/** How the tables are laid out. */
const FORMAT = 1
/** Room on the disk that a batch may need: its bytes, the pages that it splits, and a margin. */
const ROOM_PER_UNIT = 6
const MIN_ROOM_BYTES = 1 << 20

/** Options of {@link LmdbFactStore}. */
export interface LmdbFactStoreOptions {
  /** Largest size of the database in bytes; it costs address space only. Default 16 GiB. */
  readonly mapSize?: number
}

/**
 * Keeps facts in an LMDB database. A batch is one transaction. Needs the optional peer dependency `lmdb`.
 *
 * Several processes may open one database, but then each should add through one of them only.
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
   * Opens the database in this directory, which is made when it is absent.
   *
   * @throws TypeError when it was written in another format; Error as LMDB gives it
   */
  constructor(path: string, { mapSize = 16 * 2 ** 30 }: LmdbFactStoreOptions = {}) {
    // A batch is there when it is committed; only flush waits for the disk.
    this.#root = open({ path, mapSize, maxDbs: 16, separateFlushed: true, eventTurnBatching: false })
    this.#writes = new WriteQueue(this.#root, path)
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
        throw new TypeError(`the facts in ${path} are kept in another format`)
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
        throw new FactError('ERR_FACT_EXISTS', `there is a fact ${shown(fact.id)} already`)
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
        throw new FactError('ERR_FACT_UNKNOWN', `there is no fact ${shown(fact.id)}`)
      }
      if (here.isGene || fact.isGene) {
        throw new FactError('ERR_FACT_IMMUTABLE', `a gene is never changed: ${shown(fact.id)}`)
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
      if (here.isGene) throw new FactError('ERR_FACT_IMMUTABLE', `a gene is never deleted: ${shown(id)}`)
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
    // Positions are below, levels above, whatever may stand in a key of this domain.
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

  /** Waits for what is being written, then closes the database. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writes.idle()
    await this.#root.flushed
    await this.#root.close()
  }

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
    throw new FactError('ERR_FACT_STORE_FULL', 'the file system of the facts is full')
  }

  #checkOpen(): void {
    if (this.#closed) throw new FactError('ERR_FACT_STORE_CLOSED', 'the store is closed')
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

// LMDB's types know encoders of whole databases only; each table may have its own.
function tableOptions(
  name: string,
  encoder: Codec<Place> | Codec<StoredFact>,
): RootDatabaseOptions & { name: string } {
  return { name, encoder }
}

/** An id for an error: escaped and cut short. */
function shown(id: string): string {
  return JSON.stringify(id.slice(0, 64))
}
