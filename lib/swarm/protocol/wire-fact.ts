// Facts and incidents on the wire: writes them, and checks the facts and incidents of a peer. Must not know the rest of
// the message.

import { isError } from '../../base/errors.js'
import { checkFact, MAX_SOURCE_UNITS, type Fact } from '../facts/fact.js'
import { checkIncident, type Incident } from '../facts/incident.js'
import { eachPart, type PayloadParts, type TakeTurn } from './payload-parts.js'
import { invalid } from './protocol-error.js'
import { formatTime, parseTime } from './rfc3339.js'

/**
 * A fact on the wire, with Go's keys. `updated_at` is an addition of this package, which Go ignores. Times are RFC
 * 3339.
 */
export interface WireFact {
  /** Unique id. */
  readonly id: string
  /** The text of the fact. */
  readonly content: string
  /** 0 project, 1 domain, 2 module, 3 snippet. */
  readonly level: number
  /** The domain, if the fact has one. */
  readonly domain?: string
  /** The module, if the fact has one. */
  readonly module?: string
  /** Whether it is a gene, which never changes. */
  readonly is_gene: boolean
  /** Where the fact comes from. */
  readonly source: string
  /** When the fact was created, as an RFC 3339 time. */
  readonly created_at: string
  /** When the fact was last updated, as an RFC 3339 time. Go ignores it. */
  readonly updated_at?: string
}

/** Marks the source of a fact that came from a peer. */
const IMPORTED = 'swarm:'

/** Returns a fact as it goes on the wire. */
export function toWireFact(fact: Fact): WireFact {
  const { domain, module, updatedAt } = fact
  // Most facts have neither domain, module nor updatedAt, and JSON.stringify is fastest on objects of one shape.
  if (domain === undefined && module === undefined && updatedAt === undefined) {
    return {
      id: fact.id,
      content: fact.content,
      level: fact.level,
      is_gene: fact.isGene,
      source: fact.source,
      created_at: formatTime(fact.createdAt.getTime()),
    }
  }
  return {
    id: fact.id,
    content: fact.content,
    level: fact.level,
    ...(domain !== undefined && { domain }),
    ...(module !== undefined && { module }),
    is_gene: fact.isGene,
    source: fact.source,
    created_at: formatTime(fact.createdAt.getTime()),
    ...(updatedAt !== undefined && { updated_at: formatTime(updatedAt.getTime()) }),
  }
}

/**
 * Returns the facts of a message as they are stored: with `swarm:` before their source.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE if there are more than `maxFacts`, or one is invalid
 */
export async function importFacts(
  parts: PayloadParts,
  maxFacts: number,
  takeTurn: TakeTurn,
): Promise<Fact[]> {
  const facts: Fact[] = []
  const names = new Names()
  await eachPart(parts, 'facts', takeTurn, (entries) => {
    if (facts.length + entries.length > maxFacts) {
      throw invalid('too-many-facts', `a message carries more than ${maxFacts} facts`)
    }
    for (const entry of entries) facts.push(importFact(entry, facts.length, names))
  })
  return facts
}

/** The sources, domains and modules of a page. Facts that have the same one share its text in memory. */
class Names {
  readonly #sources = new Map<string, string>()
  readonly #names = new Map<string, string>()

  /** Returns a source as it is stored: always marked, so that a peer's fact cannot pass for a fact of this node. */
  importedSource(source: string): string {
    let imported = this.#sources.get(source)
    if (imported === undefined) {
      // Each hop adds a mark; without a bound it would grow for ever.
      imported = startOf(IMPORTED + source, MAX_SOURCE_UNITS)
      this.#sources.set(source, imported)
    }
    return imported
  }

  shared(name: string): string {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    this.#names.set(name, name)
    return name
  }
}

/** Returns the first units of a text, without cutting a surrogate pair in two. */
function startOf(text: string, maxUnits: number): string {
  if (text.length <= maxUnits) return text
  const last = text.charCodeAt(maxUnits - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxUnits - 1 : maxUnits)
}

function importFact(value: unknown, index: number, names: Names): Fact {
  if (typeof value !== 'object' || value === null) throw invalid('bad-fact', `fact ${index} is not an object`)
  const wire = value as Partial<Record<keyof WireFact, unknown>>
  const { source, domain, module } = wire
  const createdMs = parseTime(wire.created_at)
  if (typeof source !== 'string' || createdMs === undefined) {
    throw invalid(
      'bad-fact',
      `${createdMs === undefined ? 'created_at' : 'source'} of fact ${index} is missing or invalid`,
    )
  }
  const fact = {
    id: wire.id,
    content: wire.content,
    level: wire.level,
    isGene: wire.is_gene,
    source: names.importedSource(source),
    createdAt: new Date(createdMs),
  } as Fact & { domain?: string; module?: string; updatedAt?: Date }
  // Go leaves empty strings out; other writers put null there.
  if (domain !== undefined && domain !== null && domain !== '') fact.domain = names.shared(domain as string)
  if (module !== undefined && module !== null && module !== '') fact.module = names.shared(module as string)
  if (wire.updated_at !== undefined && wire.updated_at !== null) {
    const updatedMs = parseTime(wire.updated_at)
    if (updatedMs === undefined)
      throw invalid('bad-fact', `updated_at of fact ${index} is not an RFC 3339 time`)
    fact.updatedAt = new Date(updatedMs)
  }
  try {
    checkFact(fact)
  } catch (error) {
    throw invalid('bad-fact', `fact ${index}: ${isError(error) ? error.message : ''}`)
  }
  return fact
}

/** Maximum number of incidents in one exchange. */
export const MAX_INCIDENTS = 1000

/** An incident on the wire, with Go's keys. `created_at` is RFC 3339. */
export interface WireIncident {
  /** Unique id. */
  readonly id: string
  /** State of the incident. */
  readonly status: string
  /** The severity. */
  readonly severity: string
  /** One line that names it. */
  readonly title: string
  /** The observations, in words. */
  readonly description: string
  /** Number of events that it comprises. */
  readonly event_count: number
  /** The rule that found it. */
  readonly correlation_rule: string
  /** Phase of the attack. */
  readonly kill_chain_phase: string
  /** Techniques of MITRE ATT&CK. */
  readonly mitre_mapping?: readonly string[]
  /** When it was raised, as an RFC 3339 time. */
  readonly created_at: string
  /** The peer that raised it. */
  readonly source_peer_id: string
}

/** Returns an incident as it goes on the wire. */
export function toWireIncident(incident: Incident): WireIncident {
  return {
    id: incident.id,
    status: incident.status,
    severity: incident.severity,
    title: incident.title,
    description: incident.description,
    event_count: incident.eventCount,
    correlation_rule: incident.correlationRule,
    kill_chain_phase: incident.killChainPhase,
    ...(incident.mitreMapping !== undefined && { mitre_mapping: incident.mitreMapping }),
    created_at: formatTime(incident.createdAt.getTime()),
    source_peer_id: incident.sourcePeerId,
  }
}

/**
 * Returns the incidents of a message.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE if there are too many, or one is invalid
 */
export async function importIncidents(parts: PayloadParts, takeTurn: TakeTurn): Promise<Incident[]> {
  const incidents: Incident[] = []
  await eachPart(parts, 'incidents', takeTurn, (entries) => {
    if (incidents.length + entries.length > MAX_INCIDENTS) {
      throw invalid('bad-page', `a message carries more than ${MAX_INCIDENTS} incidents`)
    }
    for (const entry of entries) incidents.push(importIncident(entry, incidents.length))
  })
  return incidents
}

function importIncident(value: unknown, index: number): Incident {
  if (typeof value !== 'object' || value === null)
    throw invalid('bad-incident', `incident ${index} is not an object`)
  const wire = value as Record<string, unknown>
  const createdMs = parseTime(wire['created_at'])
  if (createdMs === undefined)
    throw invalid('bad-incident', `created_at of incident ${index} is missing or invalid`)
  const mapping = wire['mitre_mapping'] ?? undefined
  const incident = {
    id: wire['id'],
    status: wire['status'],
    severity: wire['severity'],
    title: wire['title'],
    description: wire['description'],
    eventCount: wire['event_count'],
    correlationRule: wire['correlation_rule'],
    killChainPhase: wire['kill_chain_phase'],
    ...(mapping !== undefined && { mitreMapping: mapping }),
    createdAt: new Date(createdMs),
    sourcePeerId: wire['source_peer_id'],
  } as Incident
  try {
    checkIncident(incident)
  } catch (error) {
    throw invalid('bad-incident', `incident ${index}: ${isError(error) ? error.message : ''}`)
  }
  return incident
}
