// Facts in memory: by id in a map, and by level in arrays sorted by position. Facts are copied on the way in and out,
// so that no caller can change a gene in the store. Must not know the wire.

import { randomHex } from '../../base/crypto.js'
import { checkOptions, wholeNumber, type OptionTable } from '../../base/options.js'
import { quoteName } from '../../base/quote.js'
import { indexAbove } from '../../base/sorted.js'
import { agreementOf, checkFact, FactError, type Fact, type FactLevel } from './fact.js'
import {
  unitsOf,
  type AddResult,
  type FactPage,
  type FactQuery,
  type FactStore,
  type PageQuery,
} from './fact-store.js'

/** A fact as it is stored. All have one shape and no Date, so that a million of them stay small. */
interface Entry {
  readonly id: string
  readonly content: string
  readonly level: FactLevel
  readonly domain: string | undefined
  readonly module: string | undefined
  readonly isGene: boolean
  readonly source: string
  readonly createdMs: number
  /** Unix milliseconds; undefined if it was never updated. */
  readonly updatedAt: number | undefined
  readonly position: number
  removed: boolean
}

const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]

/** Options of {@link MemoryFactStore}. */
export interface MemoryFactStoreOptions {
  /**
   * Maximum number of facts, from 1 to 16,000,000. Beyond that, additions fail with ERR_FACT_STORE_FULL. Default:
   * 10,000,000.
   */
  readonly maxFacts?: number
}

// A Map holds at most 2^24 entries.
const TABLE: OptionTable<MemoryFactStoreOptions> = { maxFacts: wholeNumber(1, 16_000_000) }

/** Keeps facts in memory. They are lost with the process. */
export class MemoryFactStore implements FactStore {
  readonly id = `store_${randomHex(12)}`
  readonly #maxFacts: number
  readonly #entries = new Map<string, Entry>()
  /** By level, sorted by position. Removed entries stay until enough of them have accumulated. */
  readonly #levels: Entry[][] = LEVELS.map(() => [])
  readonly #removed: number[] = LEVELS.map(() => 0)
  #last = 0

  /** @throws TypeError for an unknown option; RangeError for a `maxFacts` out of its bounds */
  constructor(options?: MemoryFactStoreOptions) {
    this.#maxFacts = checkOptions('MemoryFactStore', options, TABLE).maxFacts ?? 10_000_000
  }

  async add(fact: Fact): Promise<void> {
    checkFact(fact)
    if (this.#entries.has(fact.id))
      throw new FactError('ERR_FACT_EXISTS', `the store already has a fact ${quoteName(fact.id)}`)
    if (this.#entries.size >= this.#maxFacts) throw this.#full()
    this.#append(entryOf(fact, this.#nextPosition()))
  }

  async addBatch(facts: readonly Fact[]): Promise<AddResult> {
    const before = this.#last
    const added: Entry[] = []
    let position = Math.max(before + 1, Date.now() * 1000)
    let known = 0
    let kept = 0
    try {
      for (const fact of facts) {
        checkFact(fact)
        const here = this.#entries.get(fact.id)
        if (here === undefined) {
          if (this.#entries.size >= this.#maxFacts) throw this.#full()
          const entry = entryOf(fact, position++)
          this.#entries.set(entry.id, entry)
          added.push(entry)
          continue
        }
        const agreement = agreementOf(here, fact)
        if (agreement === 'conflict') {
          this.#forget(added)
          return { added: 0, known: 0, kept: 0, conflict: fact.id, before, after: before }
        }
        if (agreement === 'same') ++known
        else ++kept
      }
    } catch (error) {
      this.#forget(added)
      throw error
    }
    for (const entry of added) (this.#levels[entry.level] as Entry[]).push(entry)
    if (added.length > 0) this.#last = position - 1
    return { added: added.length, known, kept, before, after: this.#last }
  }

  async get(id: string): Promise<Fact | undefined> {
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : factOf(entry)
  }

  async update(fact: Fact): Promise<void> {
    checkFact(fact)
    const here = this.#entries.get(fact.id)
    if (here === undefined)
      throw new FactError('ERR_FACT_UNKNOWN', `the store has no fact ${quoteName(fact.id)}`)
    if (here.isGene || fact.isGene)
      throw new FactError(
        'ERR_FACT_IMMUTABLE',
        `a gene cannot be changed, and a fact cannot become one: ${quoteName(fact.id)}`,
      )
    const updated = entryOf({ ...fact, updatedAt: new Date() }, this.#nextPosition())
    this.#remove(here)
    this.#append(updated)
  }

  async delete(id: string): Promise<boolean> {
    const here = this.#entries.get(id)
    if (here === undefined) return false
    if (here.isGene) throw new FactError('ERR_FACT_IMMUTABLE', `a gene cannot be deleted: ${quoteName(id)}`)
    this.#remove(here)
    return true
  }

  async listByLevel(level: FactLevel): Promise<Fact[]> {
    return (this.#levels[level] ?? []).filter((entry) => !entry.removed).map(factOf)
  }

  async listByDomain(domain: string): Promise<Fact[]> {
    return this.#select((entry) => entry.domain === domain)
  }

  async listGenes(): Promise<Fact[]> {
    return this.#select((entry) => entry.isGene)
  }

  async page({ levels = LEVELS, after = 0, until = Infinity, ...limits }: PageQuery): Promise<FactPage> {
    const { order = 'oldest', maxFacts, maxUnits = Infinity } = limits
    const forward = order === 'oldest'
    const step = forward ? 1 : -1
    const lists = levels.map((level) => this.#levels[level] as Entry[])
    const at = lists.map((list) => (forward ? indexAfter(list, after) : indexAfter(list, until) - 1))
    const facts: Fact[] = []
    const positions: number[] = []
    let units = 0
    for (;;) {
      // Each list is sorted, so the next fact is the first of their heads.
      let head: Entry | undefined
      let from = 0
      for (let i = 0; i < lists.length; ++i) {
        const list = lists[i] as Entry[]
        let entry = list[at[i] as number]
        while (entry?.removed === true) entry = list[(at[i] = (at[i] as number) + step)]
        if (entry === undefined || entry.position > until || entry.position <= after) continue
        if (head === undefined || entry.position < head.position === forward) {
          head = entry
          from = i
        }
      }
      if (head === undefined) return { facts, positions, hasMore: false }
      units += unitsOf(head)
      if (facts.length >= maxFacts || (units > maxUnits && facts.length > 0)) {
        return { facts, positions, hasMore: true }
      }
      facts.push(factOf(head))
      positions.push(head.position)
      at[from] = (at[from] as number) + step
    }
  }

  async count({ levels = LEVELS, after = 0, until = Infinity }: FactQuery = {}): Promise<number> {
    let count = 0
    for (const level of levels) {
      const list = this.#levels[level] as Entry[]
      const begin = indexAfter(list, after)
      const end = Math.max(begin, indexAfter(list, until))
      count += end - begin
      if ((this.#removed[level] as number) > 0) {
        for (let i = begin; i < end; ++i) if ((list[i] as Entry).removed) --count
      }
    }
    return count
  }

  async lastPosition(): Promise<number> {
    return this.#last
  }

  async flush(): Promise<void> {
    // Nothing in memory is durable, so there is nothing to wait for.
  }

  #nextPosition(): number {
    return Math.max(this.#last + 1, Date.now() * 1000)
  }

  #append(entry: Entry): void {
    this.#entries.set(entry.id, entry)
    ;(this.#levels[entry.level] as Entry[]).push(entry)
    this.#last = entry.position
  }

  /** Removes entries that were added to the map only. */
  #forget(entries: readonly Entry[]): void {
    for (const entry of entries) this.#entries.delete(entry.id)
  }

  #remove(entry: Entry): void {
    const { level } = entry
    this.#entries.delete(entry.id)
    entry.removed = true
    this.#removed[level] = (this.#removed[level] as number) + 1
    const list = this.#levels[level] as Entry[]
    if (this.#removed[level] * 4 > list.length + 64) {
      this.#levels[level] = list.filter((other) => !other.removed)
      this.#removed[level] = 0
    }
  }

  #select(wanted: (entry: Entry) => boolean): Fact[] {
    return this.#levels
      .flatMap((list) => list.filter((entry) => !entry.removed && wanted(entry)))
      .sort((a, b) => a.position - b.position)
      .map(factOf)
  }

  #full(): FactError {
    return new FactError(
      'ERR_FACT_STORE_FULL',
      `the store has its maxFacts of ${this.#maxFacts} facts: delete some, or make it larger`,
    )
  }
}

/** Returns the index of the first entry whose position is above `position`. */
function indexAfter(list: readonly Entry[], position: number): number {
  return indexAbove(list, position, positionOf)
}

function positionOf({ position }: Entry): number {
  return position
}

function entryOf(fact: Fact, position: number): Entry {
  return {
    id: fact.id,
    content: fact.content,
    level: fact.level,
    domain: fact.domain,
    module: fact.module,
    isGene: fact.isGene,
    source: fact.source,
    createdMs: fact.createdAt.getTime(),
    updatedAt: fact.updatedAt?.getTime(),
    position,
    removed: false,
  }
}

function factOf(entry: Entry): Fact {
  return {
    id: entry.id,
    content: entry.content,
    level: entry.level,
    ...(entry.domain !== undefined && { domain: entry.domain }),
    ...(entry.module !== undefined && { module: entry.module }),
    isGene: entry.isGene,
    source: entry.source,
    createdAt: new Date(entry.createdMs),
    ...(entry.updatedAt !== undefined && { updatedAt: new Date(entry.updatedAt) }),
  }
}
