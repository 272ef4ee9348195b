// What the swarm needs of a store of facts. Implemented in memory (memory-fact-store.ts) and on disk
// (lmdb/fact-store.ts); others may implement it on what they have.

import type { Fact, FactLevel } from './fact.js'

/** Which facts to list, and how many at a time. */
export interface FactQuery {
  /** Levels to list. Default: all. */
  readonly levels?: readonly FactLevel[]
  /** Only facts at positions above this one. Default: from the first. */
  readonly after?: number
  /** Only facts at positions up to and with this one. Default: to the last. */
  readonly until?: number
}

/** A page of a listing. */
export interface PageQuery extends FactQuery {
  /** `oldest` first or `newest` first, by position. Default `oldest`. */
  readonly order?: 'oldest' | 'newest'
  /** At most so many facts. */
  readonly maxFacts: number
  /** At most about so many UTF-16 units of text, but at least one fact. Default: no limit. */
  readonly maxUnits?: number
}

export interface FactPage {
  readonly facts: readonly Fact[]
  /** The position of each fact. */
  readonly positions: readonly number[]
  /** Whether the query has more facts than these. */
  readonly hasMore: boolean
}

/** What became of a batch. */
export interface AddResult {
  /** Facts that are new. */
  readonly added: number
  /** Facts that were there already and say the same. */
  readonly known: number
  /** Facts that were there in another version, because one of the two was updated; the one here stays. */
  readonly kept: number
  /** The id of a fact that contradicts the one here. Then nothing of the batch was stored. */
  readonly conflict?: string
  /** The store's last position before and after. */
  readonly before: number
  readonly after: number
}

/**
 * Stores facts (Go: `memory.FactStore`). Each fact that enters gets a position: the time in Unix microseconds, or one
 * more than the last position, whichever is later. So positions rise strictly in the order of entering, a listing can be
 * taken up again anywhere, and a position is a point in time (on the wire: `since`). An update gives a new position.
 */
export interface FactStore {
  /** Names this set of positions: another one whenever facts may have been lost or positions begun anew. */
  readonly id: string
  /**
   * Adds one fact.
   *
   * @throws TypeError for a fact that makes no sense
   * @throws {FactError} ERR_FACT_EXISTS, ERR_FACT_STORE_FULL
   */
  add(fact: Fact): Promise<void>
  /**
   * Adds many facts: all those that are not there yet, or, when one contradicts what is there, none.
   *
   * @throws TypeError for a fact that makes no sense: then none is added
   * @throws {FactError} ERR_FACT_STORE_FULL: then none is added
   */
  addBatch(facts: readonly Fact[]): Promise<AddResult>
  get(id: string): Promise<Fact | undefined>
  /**
   * Replaces the fact of this id and sets its `updatedAt`. It stays an update of this node: peers keep what they have.
   *
   * @throws TypeError for a fact that makes no sense
   * @throws {FactError} ERR_FACT_UNKNOWN, ERR_FACT_IMMUTABLE (it is a gene, or would become one)
   */
  update(fact: Fact): Promise<void>
  /**
   * Removes a fact; false when there is none. A peer that has it may bring it back.
   *
   * @throws {FactError} ERR_FACT_IMMUTABLE for a gene
   */
  delete(id: string): Promise<boolean>
  /** All facts of a level, oldest first. For many, use {@link page}. */
  listByLevel(level: FactLevel): Promise<Fact[]>
  /** All facts of a domain, oldest first. */
  listByDomain(domain: string): Promise<Fact[]>
  /** All genes, sorted by nothing in particular. */
  listGenes(): Promise<Fact[]>
  page(query: PageQuery): Promise<FactPage>
  /** How many facts there are. */
  count(query?: FactQuery): Promise<number>
  /** The position of the fact that entered last; 0 when none ever did. */
  lastPosition(): Promise<number>
  /** Resolves when everything added so far survives whatever the store is meant to survive. */
  flush(): Promise<void>
}

/** UTF-16 units that a fact costs besides its texts, on the wire: keys, quotes, flags, times. */
export const FACT_OVERHEAD_UNITS = 140

/** About how many units a fact has on the wire, where nothing needs escapes. */
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
