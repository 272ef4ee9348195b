// Groups findings into incidents: findings with the same key add to one incident, which is reported again only each
// time it has doubled, so that a flood of findings makes a handful of messages. Uses bounded memory.

import type { Evidence, IncidentPayload } from '../protocol.js'
import { BoundedMap } from './bounded-map.js'
import type { Fact } from './fact.js'
import type { Finding } from './rules.js'

/** Incidents that may still grow at the same time. */
const MAX_OPEN = 4096
const MAX_EVIDENCE = 5
/** A finding after this much silence begins another incident. */
const SILENCE_MS = 10 * 60_000
const MAX_KEY = 160
const MAX_TITLE = 300

/** An incident without the time of sending, which is not known here. */
export type Incident = Omit<IncidentPayload, 'sentAt'>

interface OpenIncident {
  readonly finding: Finding
  readonly host: string
  readonly key: string
  readonly evidence: Evidence[]
  count: number
  told: number
  first: number
  last: number
}

export class Incidents {
  readonly #open = new BoundedMap<string, OpenIncident>(MAX_OPEN)
  #total = 0

  /** Different incidents so far. */
  get total(): number {
    return this.#total
  }

  /** Returns the incidents to report after this finding: one that is new or has doubled, and one that was evicted. */
  add(finding: Finding, fact: Fact): Incident[] {
    const told: Incident[] = []
    // Keys contain foreign text, and slices would keep long texts alive.
    const mapKey = finding.key.slice(0, MAX_KEY)
    let incident = this.#open.get(mapKey)
    if (incident === undefined || Math.abs(fact.time - incident.last) > SILENCE_MS) {
      if (incident !== undefined) told.push(...tellGrowth(incident))
      incident = openIncident(finding, fact, `${++this.#total}`)
      const forgotten = this.#open.set(mapKey, incident)
      if (forgotten !== undefined) told.push(...tellGrowth(forgotten))
    }
    incident.count += finding.evidence.length
    incident.first = Math.min(incident.first, fact.time)
    incident.last = Math.max(incident.last, fact.time)
    for (const evidence of finding.evidence) {
      if (incident.evidence.length < MAX_EVIDENCE) incident.evidence.push(evidence)
    }
    if (incident.told === 0 || incident.count >= incident.told * 2) told.push(tell(incident))
    return told
  }

  /** Returns the incidents that have grown since they were last reported, when no more findings come. */
  *finish(): Generator<Incident, void, undefined> {
    for (const incident of this.#open.values()) yield* tellGrowth(incident)
  }
}

function openIncident(finding: Finding, { host, time }: Fact, number: string): OpenIncident {
  const key = `${finding.rule}-${number}`
  return { finding, host, key, evidence: [], count: 0, told: 0, first: time, last: time }
}

function tellGrowth(incident: OpenIncident): Incident[] {
  return incident.count > incident.told ? [tell(incident)] : []
}

function tell(incident: OpenIncident): Incident {
  incident.told = incident.count
  const { rule, severity, title } = incident.finding
  return {
    key: incident.key,
    rule,
    severity,
    title: title.slice(0, MAX_TITLE),
    host: incident.host.slice(0, MAX_KEY),
    count: incident.count,
    evidence: [...incident.evidence],
    firstSeen: new Date(incident.first).toISOString(),
    lastSeen: new Date(incident.last).toISOString(),
  }
}
