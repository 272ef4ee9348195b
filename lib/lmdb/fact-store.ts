// Facts on disk, in LMDB: survive the death of the process at any moment, and of the machine from `flush` on. One table
// a level, keyed by position; another one finds the position of an id.

import { randomBytes } from 'node:crypto'

import { open, type Database, type RootDatabase } from 'lmdb'

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

const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]

/** A fact as it is kept, short: id, content, domain, module, gene, source, created and updated in Unix milliseconds. */
type Row = readonly [
  id: string,
  content: string,
  domain: string | null,
  module: string | null,
  isGene: boolean,
  source: string,
  createdMs: number,
  updatedMs: number | null,
]

/** Where a fact is. */
type Place = readonly [level: FactLevel, position: number]

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
  readonly #root: RootDatabase
  readonly #levels: readonly Database<Row, number>[]
  readonly #places: Database<Place, string>
  readonly #domains: Database<null, [domain: string, position: number, level: number]>
  readonly #genes: Database<null, string>
  readonly #meta: Database<string | number, string>
  #closed = false
  /** One write after the other: each must see what the one before has written. */
  #writing: Promise<unknown> = Promise.resolve()

  /**
   * Opens the database in this directory, which is made when it is absent.
   *
   * @throws Error as LMDB gives it
   */
  constructor(path: string, { mapSize = 16 * 2 ** 30 }: LmdbFactStoreOptions = {}) {
    // A batch is there when it is committed; only flush waits for the disk.
    this.#root = open({ path, mapSize, maxDbs: 16, separateFlushed: true })
    this.#levels = LEVELS.map((level) => this.#root.openDB<Row, number>({ name: `facts-${level}` }))
    this.#places = this.#root.openDB<Place, string>({ name: 'places' })
    this.#domains = this.#root.openDB<null, [string, number, number]>({ name: 'domains' })
    this.#genes = this.#root.openDB<null, string>({ name: 'genes' })
    this.#meta = this.#root.openDB<string | number, string>({ name: 'meta' })
    this.id = this.#root.transactionSync(() => {
      const known = this.#meta.get('id')
      if (typeof known === 'string') return known
      const id = `store_${randomBytes(12).toString('hex')}`
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
      const position = this.#nextPosition()
      this.#put(fact, position)
      this.#setLast(position)
    })
  }

  async addBatch(facts: readonly Fact[]): Promise<AddResult> {
    for (const fact of facts) checkFact(fact)
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
      const here = place === undefined ? undefined : this.#levels[place[0]]?.get(place[1])
      if (place === undefined || here === undefined) {
        throw new FactError('ERR_FACT_UNKNOWN', `there is no fact ${shown(fact.id)}`)
      }
      if (here[4] || fact.isGene) {
        throw new FactError('ERR_FACT_IMMUTABLE', `a gene is never changed: ${shown(fact.id)}`)
      }
      const position = this.#nextPosition()
      this.#remove(place, here)
      this.#put({ ...fact, updatedAt: new Date() }, position)
      this.#setLast(position)
    })
  }

  async delete(id: string): Promise<boolean> {
    return this.#write(() => {
      const place = this.#places.get(id)
      const here = place === undefined ? undefined : this.#levels[place[0]]?.get(place[1])
      if (place === undefined || here === undefined) return false
      if (here[4]) throw new FactError('ERR_FACT_IMMUTABLE', `a gene is never deleted: ${shown(id)}`)
      this.#remove(place, here)
      return true
    })
  }

  async listByLevel(level: FactLevel): Promise<Fact[]> {
    this.#checkOpen()
    return [
      ...this.#table(level)
        .getRange()
        .map(({ value }) => factOf(value, level)),
    ]
  }

  async listByDomain(domain: string): Promise<Fact[]> {
    this.#checkOpen()
    // Positions are below, levels above, whatever may stand in a key of this domain.
    const keys = this.#domains.getKeys({ start: [domain, 0, 0], end: [domain, Infinity, 0] })
    return [...keys].flatMap(([, position, level]) => {
      const row = this.#levels[level]?.get(position)
      return row === undefined ? [] : [factOf(row, level as FactLevel)]
    })
  }

  async listGenes(): Promise<Fact[]> {
    this.#checkOpen()
    return [...this.#genes.getKeys()].flatMap((id) => this.#read(id) ?? [])
  }

  async page({ levels = LEVELS, after = 0, until = Infinity, ...limits }: PageQuery): Promise<FactPage> {
    this.#checkOpen()
    const { order = 'oldest', maxFacts, maxUnits = Infinity } = limits
    const forward = order === 'oldest'
    const heads = levels.map((level) => new Head(this.#table(level), level, after, until, forward))
    const facts: Fact[] = []
    const positions: number[] = []
    let units = 0
    try {
      for (;;) {
        let head: Head | undefined
        for (const other of heads) {
          if (other.row === undefined) continue
          if (head === undefined || other.position < head.position === forward) head = other
        }
        if (head?.row === undefined) return { facts, positions, hasMore: false }
        const fact = factOf(head.row, head.level)
        units += unitsOf(fact)
        if (facts.length >= maxFacts || (units > maxUnits && facts.length > 0)) {
          return { facts, positions, hasMore: true }
        }
        facts.push(fact)
        positions.push(head.position)
        head.advance()
      }
    } finally {
      for (const head of heads) head.close()
    }
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
    await this.#writing
    this.#checkOpen()
    await this.#root.flushed
  }

  /** Waits for what is being written, then closes the database. Safe to call again. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    await this.#root.flushed
    await this.#root.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Runs a transaction: all that it puts is there afterwards, or nothing when it throws. */
  #write<T>(action: () => T): Promise<T> {
    this.#checkOpen()
    const written = this.#writing.then(async () => {
      // Puts of one turn of the event loop are one transaction, which a thread of LMDB's writes meanwhile.
      const result = action()
      await this.#root.committed
      return result
    })
    this.#writing = written.catch(() => undefined)
    return written
  }

  #checkOpen(): void {
    if (this.#closed) throw new FactError('ERR_FACT_STORE_CLOSED', 'the store is closed')
  }

  #table(level: FactLevel): Database<Row, number> {
    return this.#levels[level] as Database<Row, number>
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
    const row = this.#table(place[0]).get(place[1])
    return row === undefined ? undefined : factOf(row, place[0])
  }

  #put(fact: Fact, position: number): void {
    void this.#places.put(fact.id, [fact.level, position])
    void this.#table(fact.level).put(position, rowOf(fact))
    if (fact.domain !== undefined) void this.#domains.put([fact.domain, position, fact.level], null)
    if (fact.isGene) void this.#genes.put(fact.id, null)
  }

  #remove([level, position]: Place, [id, , domain]: Row): void {
    void this.#places.remove(id)
    void this.#table(level).remove(position)
    if (domain !== null) void this.#domains.remove([domain, position, level])
  }
}

/** The foremost row of a table, while several are merged. */
class Head {
  readonly level: FactLevel
  position = 0
  row: Row | undefined
  readonly #rows: Iterator<{ key: number; value: Row }>

  constructor(
    table: Database<Row, number>,
    level: FactLevel,
    after: number,
    until: number,
    forward: boolean,
  ) {
    this.level = level
    this.#rows = table
      .getRange(
        forward
          ? { start: after, exclusiveStart: true, end: until, inclusiveEnd: true }
          : { start: until, end: after, reverse: true },
      )
      [Symbol.iterator]()
    this.advance()
  }

  advance(): void {
    const next = this.#rows.next()
    this.row = next.done === true ? undefined : next.value.value
    this.position = next.done === true ? 0 : next.value.key
  }

  close(): void {
    this.#rows.return?.()
  }
}

function rowOf(fact: Fact): Row {
  return [
    fact.id,
    fact.content,
    fact.domain ?? null,
    fact.module ?? null,
    fact.isGene,
    fact.source,
    fact.createdAt.getTime(),
    fact.updatedAt?.getTime() ?? null,
  ]
}

function factOf(
  [id, content, domain, module, isGene, source, createdMs, updatedMs]: Row,
  level: FactLevel,
): Fact {
  return {
    id,
    content,
    level,
    ...(domain !== null && { domain }),
    ...(module !== null && { module }),
    isGene,
    source,
    createdAt: new Date(createdMs),
    ...(updatedMs !== null && { updatedAt: new Date(updatedMs) }),
  }
}

/** An id for an error: escaped and cut short. */
function shown(id: string): string {
  return JSON.stringify(id.slice(0, 64))
}
