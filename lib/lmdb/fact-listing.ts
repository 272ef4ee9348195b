// One page of the facts in LMDB: merges the tables of the levels by position. Must not know how a fact is encoded.

import type { Database } from 'lmdb'

import { unitsOf, type Fact, type FactLevel, type FactPage, type PageQuery } from '../swarm/index.js'
import type { StoredFact } from './fact-record.js'

const LEVELS: readonly FactLevel[] = [0, 1, 2, 3]

export type FactTable = Database<StoredFact, number>

/** Reads a page as `FactStore.page` specifies. */
export function listPage(tableOf: (level: FactLevel) => FactTable, query: PageQuery): FactPage {
  const { levels = LEVELS, after = 0, until = Infinity, order = 'oldest', maxFacts } = query
  const { maxUnits = Infinity } = query
  const forward = order === 'oldest'
  const heads = levels.map((level) => new Head(tableOf(level), level, after, until, forward))
  const facts: Fact[] = []
  const positions: number[] = []
  let units = 0
  try {
    for (;;) {
      let head: Head | undefined
      for (const other of heads) {
        if (other.fact === undefined) continue
        if (head === undefined || other.position < head.position === forward) head = other
      }
      if (head?.fact === undefined) return { facts, positions, hasMore: false }
      units += unitsOf(head.fact)
      if (facts.length >= maxFacts || (units > maxUnits && facts.length > 0)) {
        return { facts, positions, hasMore: true }
      }
      facts.push({ ...head.fact, level: head.level })
      positions.push(head.position)
      head.advance()
    }
  } finally {
    for (const head of heads) head.close()
  }
}

/** The next fact of one table, while several are merged. */
class Head {
  readonly level: FactLevel
  position = 0
  fact: StoredFact | undefined
  readonly #rows: Iterator<{ key: number; value: StoredFact }>

  constructor(table: FactTable, level: FactLevel, after: number, until: number, forward: boolean) {
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
    this.fact = next.done === true ? undefined : next.value.value
    this.position = next.done === true ? 0 : next.value.key
  }

  close(): void {
    this.#rows.return?.()
  }
}
