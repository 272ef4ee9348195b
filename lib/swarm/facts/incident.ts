// Incidents that nodes send each other, and a small store of them in memory. Must not know the wire.

import { isText, isTime } from './fact.js'

/** An incident. Strings have at most 1,024 UTF-16 units, the description at most 16,384. */
export interface Incident {
  /** Not empty; unique in the swarm. */
  readonly id: string
  /** State of the incident, such as `open`. */
  readonly status: string
  /** The severity, such as `high`. */
  readonly severity: string
  /** One line that names it. */
  readonly title: string
  /** The observations, in words. */
  readonly description: string
  /** A whole number from 0. */
  readonly eventCount: number
  /** The rule that found it. */
  readonly correlationRule: string
  /** Phase of the attack. */
  readonly killChainPhase: string
  /** Techniques of MITRE ATT&CK, such as `T1059`; at most 64. */
  readonly mitreMapping?: readonly string[]
  /** Years 0 to 9999, kept to the millisecond. */
  readonly createdAt: Date
  /** The id of the peer that raised it. */
  readonly sourcePeerId: string
}

const MAX_TEXT_UNITS = 1024
const MAX_DESCRIPTION_UNITS = 16_384
const MAX_MAPPINGS = 64

/**
 * Checks the types and bounds of an incident.
 *
 * @throws TypeError that names the field and its bounds
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
      throw new TypeError(
        `an incident's ${key} must be a well-formed string of at most ${MAX_TEXT_UNITS} UTF-16 units`,
      )
  }
  if (incident.id === '') throw new TypeError("an incident's id must not be empty")
  if (!isText(incident.description, MAX_DESCRIPTION_UNITS)) {
    throw new TypeError(
      `an incident's description must be a well-formed string of at most ${MAX_DESCRIPTION_UNITS} UTF-16 units`,
    )
  }
  if (!Number.isSafeInteger(incident.eventCount) || incident.eventCount < 0) {
    throw new TypeError("an incident's eventCount must be a whole number from 0")
  }
  if (
    mapping !== undefined &&
    !(
      Array.isArray(mapping) &&
      mapping.length <= MAX_MAPPINGS &&
      mapping.every((text) => isText(text, MAX_TEXT_UNITS))
    )
  ) {
    throw new TypeError(`an incident's mitreMapping must be a list of at most ${MAX_MAPPINGS} strings`)
  }
  if (!isTime(incident.createdAt))
    throw new TypeError("an incident's createdAt must be a Date within the years 0 to 9999")
}

/** Holds the incidents that this node sends to its peers, and receives theirs. */
export interface IncidentStore {
  /** Returns the newest `n` incidents, newest first. */
  recent(n: number): Promise<readonly Incident[]>
  /** Returns how many incidents there are. */
  count(): Promise<number>
  /** Adds incidents and returns how many of them are new. An incident whose id is known stays as it is. */
  addBatch(incidents: readonly Incident[]): Promise<number>
}

/** Keeps the incidents that arrived last, in memory. */
export class MemoryIncidentStore implements IncidentStore {
  readonly #capacity: number
  readonly #incidents = new Map<string, Incident>()

  /**
   * @param capacity maximum number of incidents kept; beyond that the oldest are dropped. Default: 1000
   * @throws RangeError if it is not a whole number from 1
   */
  constructor(capacity = 1000) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError(`capacity must be a whole number from 1, not ${String(capacity)}`)
    this.#capacity = capacity
  }

  async recent(n: number): Promise<readonly Incident[]> {
    return [...this.#incidents.values()].reverse().slice(0, n)
  }

  async count(): Promise<number> {
    return this.#incidents.size
  }

  /** Returns the incident with this id; undefined if there is none. */
  async get(id: string): Promise<Incident | undefined> {
    return this.#incidents.get(id)
  }

  /** @throws TypeError for an incident that is not allowed; then none is added */
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
