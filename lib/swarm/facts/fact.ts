// A fact: what it holds, its bounds, and when two of one id contradict each other. Must not know stores or the wire.

/** How far a fact reaches: 0 project, 1 domain, 2 module, 3 snippet (wire-format: `level`). */
export type FactLevel = 0 | 1 | 2 | 3

/** One thing that a node knows (Go: `memory.Fact`, as far as it goes over the wire). */
export interface Fact {
  /** 1 to 256 UTF-16 units; unique in a store, and the same in all stores of the swarm. */
  readonly id: string
  /** At most {@link MAX_CONTENT_UNITS} UTF-16 units, so that a fact always fits a line. */
  readonly content: string
  readonly level: FactLevel
  /** At most 256 UTF-16 units. */
  readonly domain?: string
  /** At most 256 UTF-16 units. */
  readonly module?: string
  /** A gene is never changed or deleted. */
  readonly isGene: boolean
  /** Who says so; at most {@link MAX_SOURCE_UNITS} UTF-16 units. What a peer sent begins with `swarm:`. */
  readonly source: string
  /** Kept to the millisecond. */
  readonly createdAt: Date
  /** Set by `FactStore.update`: this node's version may differ from that of others, and neither is wrong. */
  readonly updatedAt?: Date
}

/** Longest content of a fact. JSON makes at most six bytes of a unit, which leaves room in a line of 1 MiB. */
export const MAX_CONTENT_UNITS = 1 << 17
/** Longest source of a fact. */
export const MAX_SOURCE_UNITS = 1024
/** Longest id, domain or module of a fact. */
export const MAX_NAME_UNITS = 256

/** The latest time that RFC 3339 can express, and the earliest, in Unix milliseconds. */
const MAX_TIME_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const MIN_TIME_MS = new Date(0).setUTCFullYear(0, 0, 1)

/** What a {@link FactError} can carry. */
export type FactErrorCode =
  | 'ERR_FACT_EXISTS'
  | 'ERR_FACT_UNKNOWN'
  | 'ERR_FACT_IMMUTABLE'
  | 'ERR_FACT_STORE_FULL'
  | 'ERR_FACT_STORE_CLOSED'

/** What a fact store refuses to do. Facts that make no sense are a `TypeError` instead. */
export class FactError extends Error {
  readonly code: FactErrorCode

  constructor(code: FactErrorCode, message: string) {
    super(message)
    this.code = code
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'FactError', configurable: true, writable: true })
  }
}

/**
 * Checks types and bounds of a fact.
 *
 * @throws TypeError naming what is wrong
 */
export function checkFact(fact: Fact): void {
  const problem = problemOf(fact)
  if (problem !== undefined) throw new TypeError(`a fact's ${problem}`)
}

function problemOf(fact: Fact): string | undefined {
  const { domain, module, level, updatedAt } = fact
  if (!isText(fact.id, MAX_NAME_UNITS) || fact.id === '')
    return `id must be 1 to ${MAX_NAME_UNITS} units long`
  if (!isText(fact.content, MAX_CONTENT_UNITS))
    return `content must be at most ${MAX_CONTENT_UNITS} units long`
  if (level !== 0 && level !== 1 && level !== 2 && level !== 3) return 'level must be 0, 1, 2 or 3'
  if (domain !== undefined && !isText(domain, MAX_NAME_UNITS)) return 'domain must be a short text'
  if (module !== undefined && !isText(module, MAX_NAME_UNITS)) return 'module must be a short text'
  if (typeof fact.isGene !== 'boolean') return 'isGene must be true or false'
  if (!isText(fact.source, MAX_SOURCE_UNITS)) return `source must be at most ${MAX_SOURCE_UNITS} units long`
  if (!isTime(fact.createdAt)) return 'createdAt must be a Date within the years 0 to 9999'
  if (updatedAt !== undefined && !isTime(updatedAt))
    return 'updatedAt must be a Date within the years 0 to 9999'
  return undefined
}

/** Half a surrogate pair has no UTF-8: receivers would refuse the whole page that it stands in. */
function isText(value: unknown, maxUnits: number): boolean {
  return typeof value === 'string' && value.length <= maxUnits && value.isWellFormed()
}

/** Whether a value is a Date that RFC 3339 can express. */
export function isTime(value: unknown): boolean {
  if (!(value instanceof Date)) return false
  const ms = value.getTime()
  return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS
}

/** How a fact that arrives stands to the one of the same id that is there. */
export type Agreement = 'same' | 'updated' | 'conflict'

/**
 * `same`: they say the same. `updated`: they differ, because one of them was updated on its node. `conflict`: they
 * differ although neither claims that, so one of them is forged; or a gene differs, which nothing excuses.
 */
export function agreementOf(
  here: Pick<Fact, 'content' | 'isGene'> & { readonly updatedAt?: unknown },
  arriving: Pick<Fact, 'content' | 'isGene'> & { readonly updatedAt?: unknown },
): Agreement {
  if (here.content === arriving.content && here.isGene === arriving.isGene) return 'same'
  if (here.isGene || arriving.isGene) return 'conflict'
  return here.updatedAt !== undefined || arriving.updatedAt !== undefined ? 'updated' : 'conflict'
}
