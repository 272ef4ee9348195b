// The tables of a fact store in LMDB: one for each level, keyed by position; further tables map ids to places, and
// domains to facts. Reads see the last commit. Changes must run within a write of write-queue.ts.

import type { Database, RootDatabase, RootDatabaseOptions } from 'lmdb'

import { randomHex } from '../base/crypto.js'
import type { Fact, FactLevel } from '../swarm/index.js'
import type { FactTable } from './fact-listing.js'
import { FactCodec, PlaceCodec, type Codec, type Place, type StoredFact } from './fact-record.js'

export const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]
/** The version of the layout of the tables. */
const FORMAT = 1

export class FactTables {
  /** The id of the store. */
  readonly id: string
  readonly #levels: readonly FactTable[]
  readonly #places: Database<Place, string>
  readonly #domains: Database<null, [domain: string, position: number, level: number]>
  readonly #genes: Database<null, string>
  readonly #meta: Database<string | number, string>

  /** @throws TypeError if the facts in `directory` were written in another format */
  constructor(root: RootDatabase, directory: string) {
    this.#levels = LEVELS.map((level) =>
      root.openDB<StoredFact, number>(tableOptions(`facts-${level}`, new FactCodec())),
    )
    this.#places = root.openDB<Place, string>(tableOptions('places', new PlaceCodec()))
    this.#domains = root.openDB<null, [string, number, number]>({ name: 'domains' })
    this.#genes = root.openDB<null, string>({ name: 'genes' })
    this.#meta = root.openDB<string | number, string>({ name: 'meta' })
    this.id = root.transactionSync(() => {
      const known = this.#meta.get('id')
      if (typeof known === 'string') {
        if (this.#meta.get('format') === FORMAT) return known
        throw new TypeError(`the facts in ${directory} were written in a format other than ${FORMAT}`)
      }
      this.#meta.putSync('format', FORMAT)
      const id = `store_${randomHex(12)}`
      this.#meta.putSync('id', id)
      return id
    })
  }

  level(level: FactLevel): FactTable {
    return this.#levels[level] as FactTable
  }

  has(id: string): boolean {
    return this.#places.doesExist(id)
  }

  /** Returns a fact and its place; undefined if the store does not have it. */
  find(id: string): { readonly place: Place; readonly fact: Fact } | undefined {
    const place = this.#places.get(id)
    const stored = place === undefined ? undefined : this.level(place.level).get(place.position)
    if (place === undefined || stored === undefined) return undefined
    return { place, fact: { ...stored, level: place.level } }
  }

  ofDomain(domain: string): Fact[] {
    // Sorts before and after every key of this domain.
    const keys = this.#domains.getKeys({ start: [domain, 0, 0], end: [domain, Infinity, 0] })
    return [...keys].flatMap(([, position, level]) => {
      const stored = this.#levels[level]?.get(position)
      return stored === undefined ? [] : [{ ...stored, level: level as FactLevel }]
    })
  }

  genes(): Fact[] {
    return [...this.#genes.getKeys()].flatMap((id) => this.find(id)?.fact ?? [])
  }

  /** Returns the position of the fact added last; 0 if none was ever added. */
  last(): number {
    return (this.#meta.get('last') as number | undefined) ?? 0
  }

  nextPosition(): number {
    return Math.max(this.last() + 1, Date.now() * 1000)
  }

  setLast(position: number): void {
    void this.#meta.put('last', position)
  }

  put(fact: Fact, position: number): void {
    void this.#places.put(fact.id, { level: fact.level, position })
    void this.level(fact.level).put(position, fact)
    if (fact.domain !== undefined) void this.#domains.put([fact.domain, position, fact.level], null)
    if (fact.isGene) void this.#genes.put(fact.id, null)
  }

  /** Removes a fact, which must not be a gene. */
  remove({ level, position }: Place, { id, domain }: Fact): void {
    void this.#places.remove(id)
    void this.level(level).remove(position)
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
