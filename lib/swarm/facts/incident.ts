// Incidents that nodes tell each other, and a small store of them.

import { isTime } from './fact.js'

/** An incident as it goes over the wire. Texts are at most 1,024 UTF-16 units long, the description 16,384. */
export interface Incident {
  readonly id: string
  readonly status: string
  readonly severity: string
  readonly title: string
  readonly description: string
  readonly eventCount: number
  readonly correlationRule: string
  readonly killChainPhase: string
  /** At most 64 texts. */
  readonly mitreMapping?: readonly string[]
  readonly createdAt: Date
  /** The peer that raised it. */
  readonly sourcePeerId: string
}

const MAX_TEXT_UNITS = 1024
const MAX_DESCRIPTION_UNITS = 16_384
const MAX_MAPPINGS = 64

/**
 * Checks types and bounds of an incident.
 *
 * @throws TypeError naming what is wrong
 */
export function checkIncident(incident: Incident): void {
  const { mitreMapping: mapping } = incident
  for (const key of [
    'id',
    'status',
    'severity',
    'title',
    'correlationRule',
    'killChainPhase',
    'sourcePeerId',
  ] as const) {
    if (!isText(incident[key], MAX_TEXT_UNITS))
      throw new TypeError(`an incident's ${key} must be a short text`)
  }
  if (incident.id === '') throw new TypeError("an incident's id must not be empty")
  if (!isText(incident.description, MAX_DESCRIPTION_UNITS)) {
    throw new TypeError(`an incident's description must be at most ${MAX_DESCRIPTION_UNITS} units long`)
  }
  if (!Number.isSafeInteger(incident.eventCount) || incident.eventCount < 0) {
    throw new TypeError("an incident's eventCount must be a count")
  }
  if (
    mapping !== undefined &&
    !(
      Array.isArray(mapping) &&
      mapping.length <= MAX_MAPPINGS &&
      mapping.every((text) => isText(text, MAX_TEXT_UNITS))
    )
  ) {
    throw new TypeError("an incident's mitreMapping must be a short list of short texts")
  }
  if (!isTime(incident.createdAt)) throw new TypeError("an incident's createdAt must be a Date")
}

function isText(value: unknown, maxUnits: number): boolean {
  return typeof value === 'string' && value.length <= maxUnits && value.isWellFormed()
}

/** Where incidents to tell come from and told ones go. */
export interface IncidentStore {
  /** The newest incidents, newest first. */
  recent(n: number): Promise<readonly Incident[]>
  count(): Promise<number>
  /** Takes incidents; answers how many of them are new. One whose id is there stays as it is. */
  addBatch(incidents: readonly Incident[]): Promise<number>
}

/** Keeps the newest incidents in memory. */
export class MemoryIncidentStore implements IncidentStore {
  readonly #capacity: number
  readonly #incidents = new Map<string, Incident>()

  /** @param capacity incidents that are kept; the oldest make room */
  constructor(capacity = 1000) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError('capacity must be a whole number from 1')
    this.#capacity = capacity
  }

  async recent(n: number): Promise<readonly Incident[]> {
    return [...this.#incidents.values()].reverse().slice(0, n)
  }

  async count(): Promise<number> {
    return this.#incidents.size
  }

  async get(id: string): Promise<Incident | undefined> {
    return this.#incidents.get(id)
  }

  async addBatch(incidents: readonly Incident[]): Promise<number> {
    for (const incident of incidents) checkIncident(incident)
    let added = 0
    for (const incident of incidents) {
      if (this.#incidents.has(incident.id)) continue
      this.#incidents.set(incident.id, Object.freeze({ ...incident }))
      ++added
      if (this.#incidents.size <= this.#capacity) continue
      const [oldest] = this.#incidents.keys()
      if (oldest !== undefined) this.#incidents.delete(oldest)
    }
    return added
  }
}
