// A fact: its fields, their bounds, and when two facts of one id contradict each other. Must not know stores or the
// wire.

/** How far a fact reaches: 0 project, 1 domain, 2 module, 3 snippet (on the wire: `level`). */
export type FactLevel = 0 | 1 | 2 | 3

/** A piece of knowledge of a node (Go: `memory.Fact`, the fields that go over the wire). */
export interface Fact {
  /** 1 to 256 UTF-16 units; unique in a store, and the same in all stores of the swarm. */
  readonly id: string
  /** At most {@link MAX_CONTENT_UNITS} UTF-16 units, so that a fact always fits a line. */
  readonly content: string
  /** How far it reaches. Levels 0 and 1 are exchanged between nodes. */
  readonly level: FactLevel
  /** At most 256 UTF-16 units. */
  readonly domain?: string
  /** At most 256 UTF-16 units. */
  readonly module?: string
  /** A gene can never be changed or deleted. */
  readonly isGene: boolean
  /**
   * Where the fact comes from; at most {@link MAX_SOURCE_UNITS} UTF-16 units. Starts with `swarm:` if a peer sent it.
   */
  readonly source: string
  /** Years 0 to 9999, kept to the millisecond. */
  readonly createdAt: Date
  /** Set by {@link FactStore.update}: the versions of two nodes may then differ, and neither is wrong. */
  readonly updatedAt?: Date
}

/**
 * Longest content of a fact in UTF-16 units. JSON needs at most six bytes for a unit, so such a fact fits a line of 1
 * MiB.
 */
export const MAX_CONTENT_UNITS = 1 << 17
/** Longest source of a fact in UTF-16 units. */
export const MAX_SOURCE_UNITS = 1024
/** Longest id, domain or module of a fact in UTF-16 units. */
export const MAX_NAME_UNITS = 256

/** The latest time that RFC 3339 can express, in Unix milliseconds; MIN_TIME_MS is the earliest. */
const MAX_TIME_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const MIN_TIME_MS = new Date(0).setUTCFullYear(0, 0, 1)

/** The codes of {@link FactError}. */
export type FactErrorCode =
  | 'ERR_FACT_EXISTS'
  | 'ERR_FACT_UNKNOWN'
  | 'ERR_FACT_IMMUTABLE'
  | 'ERR_FACT_STORE_FULL'
  | 'ERR_FACT_STORE_CLOSED'

/** An operation that a fact store refused. An invalid fact is a `TypeError` instead. */
export class FactError extends Error {
  /** Why it was refused. */
  readonly code: FactErrorCode

  constructor(code: FactErrorCode, message: string, { cause }: { readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'FactError', configurable: true, writable: true })
  }
}

/**
 * Checks the types and bounds of a fact.
 *
 * @throws TypeError that names the field and its bounds
 */
export function checkFact(fact: Fact): void {
  const problem = problemOf(fact)
  if (problem !== undefined) throw new TypeError(`a fact's ${problem}`)
}

function problemOf(fact: Fact): string | undefined {
  const { domain, module, level, updatedAt } = fact
  if (!isText(fact.id, MAX_NAME_UNITS) || fact.id === '')
    return `id must be a well-formed string of 1 to ${MAX_NAME_UNITS} UTF-16 units`
  if (!isText(fact.content, MAX_CONTENT_UNITS))
    return `content must be a well-formed string of at most ${MAX_CONTENT_UNITS} UTF-16 units`
  if (level !== 0 && level !== 1 && level !== 2 && level !== 3) return 'level must be 0, 1, 2 or 3'
  if (domain !== undefined && !isText(domain, MAX_NAME_UNITS))
    return `domain must be a well-formed string of at most ${MAX_NAME_UNITS} UTF-16 units`
  if (module !== undefined && !isText(module, MAX_NAME_UNITS))
    return `module must be a well-formed string of at most ${MAX_NAME_UNITS} UTF-16 units`
  if (typeof fact.isGene !== 'boolean') return 'isGene must be true or false'
  if (!isText(fact.source, MAX_SOURCE_UNITS))
    return `source must be a well-formed string of at most ${MAX_SOURCE_UNITS} UTF-16 units`
  if (!isTime(fact.createdAt)) return 'createdAt must be a Date within the years 0 to 9999'
  if (updatedAt !== undefined && !isTime(updatedAt))
    return 'updatedAt must be a Date within the years 0 to 9999'
  return undefined
}

/**
 * Whether a value is a well-formed string of at most `maxUnits` UTF-16 units. Half a surrogate pair has no UTF-8 form:
 * receivers would refuse the whole page.
 */
export function isText(value: unknown, maxUnits: number): boolean {
  return typeof value === 'string' && value.length <= maxUnits && value.isWellFormed()
}

/** Whether a value is a Date that RFC 3339 can express. */
export function isTime(value: unknown): boolean {
  if (!(value instanceof Date)) return false
  const ms = value.getTime()
  return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS
}

/** How an arriving fact relates to the fact of the same id in the store. */
export type Agreement = 'same' | 'updated' | 'conflict'

/**
 * Compares an arriving fact with the fact of the same id in the store. `same`: content and gene flag are equal.
 * `updated`: they differ, and one of the two was updated on its node. `conflict`: they differ although neither was
 * updated, so one of them is forged; or one of them is a gene, which can never be updated.
 */
export function agreementOf(
  here: Pick<Fact, 'content' | 'isGene'> & { readonly updatedAt?: unknown },
  arriving: Pick<Fact, 'content' | 'isGene'> & { readonly updatedAt?: unknown },
): Agreement {
  if (here.content === arriving.content && here.isGene === arriving.isGene) return 'same'
  if (here.isGene || arriving.isGene) return 'conflict'
  return here.updatedAt !== undefined || arriving.updatedAt !== undefined ? 'updated' : 'conflict'
}
