// The interface of a fact store, as the swarm needs it. Implemented in memory (memory-fact-store.ts) and on disk
// (lmdb/fact-store.ts); applications may implement it on a database of their own.

import type { Fact, FactLevel } from './fact.js'

/** Which facts to list or count. */
export interface FactQuery {
  /** Levels to include. Default: all four. */
  readonly levels?: readonly FactLevel[]
  /** Only facts at positions above this one. Default: 0, from the first. */
  readonly after?: number
  /** Only facts at positions up to and including this one. Default: to the last. */
  readonly until?: number
}

/** Which facts to list, and how many at a time. */
export interface PageQuery extends FactQuery {
  /** Sorts by position, `oldest` or `newest` first. Default: `oldest`. */
  readonly order?: 'oldest' | 'newest'
  /** Maximum number of facts in the page. */
  readonly maxFacts: number
  /**
   * Maximum size of the page in UTF-16 units, as {@link unitsOf} counts them. A page always has room for one fact.
   * Default: no limit.
   */
  readonly maxUnits?: number
}

/** One page of a listing. */
export interface FactPage {
  /** The facts, oldest first unless the query says otherwise. */
  readonly facts: readonly Fact[]
  /** The position of each fact, in the same order. */
  readonly positions: readonly number[]
  /** Whether more facts match the query. */
  readonly hasMore: boolean
}

/** The result of {@link FactStore.addBatch}. */
export interface AddResult {
  /** Facts added. */
  readonly added: number
  /** Facts that the store already had, with equal content. */
  readonly known: number
  /** Facts that the store has in another version, because one of the two was updated. The store keeps its version. */
  readonly kept: number
  /** The id of a fact that contradicts the one in the store. If set, nothing of the batch was stored. */
  readonly conflict?: string
  /** Last position of the store before the batch. */
  readonly before: number
  /** Last position of the store after the batch. */
  readonly after: number
}

/**
 * Stores facts (Go: `memory.FactStore`). Each fact that enters gets a position: the time in Unix microseconds, or one
 * more than the last position, whichever is greater. So positions rise strictly in the order of entry, a listing can be
 * continued from any of them, and each is a point in time (on the wire: `since`). An update gives the fact a new
 * position.
 *
 * If a method throws or rejects, the transport fails the exchange. If a method does not return within the time-out of
 * the exchange, the transport abandons the exchange (alert `store-stuck`).
 */
export interface FactStore {
  /**
   * Identifies this store and its positions. Must change whenever facts may have been lost, or positions start again.
   */
  readonly id: string
  /**
   * Adds one fact.
   *
   * @throws TypeError for an invalid fact
   * @throws {FactError} ERR_FACT_EXISTS, ERR_FACT_STORE_FULL
   */
  add(fact: Fact): Promise<void>
  /**
   * Adds the facts whose ids are not in the store yet. If one contradicts the fact in the store, adds none and returns
   * `conflict`.
   *
   * @throws TypeError for an invalid fact; none is added then
   * @throws {FactError} ERR_FACT_STORE_FULL; none is added then
   */
  addBatch(facts: readonly Fact[]): Promise<AddResult>
  /** Returns the fact with this id; undefined if there is none. */
  get(id: string): Promise<Fact | undefined>
  /**
   * Replaces the fact of this id and sets its `updatedAt`. Peers that have the old version keep it.
   *
   * @throws TypeError for an invalid fact
   * @throws {FactError} ERR_FACT_UNKNOWN, ERR_FACT_IMMUTABLE (it is a gene, or would become one)
   */
  update(fact: Fact): Promise<void>
  /**
   * Removes a fact. Returns false if no fact has this id. A peer that still has the fact may send it again.
   *
   * @throws {FactError} ERR_FACT_IMMUTABLE for a gene
   */
  delete(id: string): Promise<boolean>
  /** Returns all facts of a level, oldest first. For many facts use {@link page}. */
  listByLevel(level: FactLevel): Promise<Fact[]>
  /** Returns all facts of a domain, oldest first. */
  listByDomain(domain: string): Promise<Fact[]>
  /** Returns all genes, in no particular order. */
  listGenes(): Promise<Fact[]>
  /** Returns one page of the facts that match. */
  page(query: PageQuery): Promise<FactPage>
  /** Counts the facts that match. Default: all. */
  count(query?: FactQuery): Promise<number>
  /** Returns the position of the fact added last; 0 if none was ever added. */
  lastPosition(): Promise<number>
  /** Resolves when everything added so far is as durable as the store can make it. */
  flush(): Promise<void>
}

/** UTF-16 units that a fact takes on the wire besides its texts: keys, quotes, flags, times. */
export const FACT_OVERHEAD_UNITS = 140

/** Returns about how many UTF-16 units a fact takes on the wire if nothing needs escapes. */
export function unitsOf(fact: {
  readonly id: string
  readonly content: string
  readonly domain?: string | undefined
  readonly module?: string | undefined
  readonly source: string
}): number {
  return (
    FACT_OVERHEAD_UNITS +
    fact.id.length +
    fact.content.length +
    fact.source.length +
    (fact.domain?.length ?? 0) +
    (fact.module?.length ?? 0)
  )
}
