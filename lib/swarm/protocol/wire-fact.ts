// Facts and incidents as they stand in a message: to it, and from it with everything checked that a peer could have
// written there.

import { isError } from '../../base/errors.js'
import { checkFact, MAX_SOURCE_UNITS, type Fact } from '../facts/fact.js'
import { checkIncident, type Incident } from '../facts/incident.js'
import { invalid } from './protocol-error.js'
import { formatTime, parseTime } from './rfc3339.js'

/** A fact as Go writes it (wire-format: "fact on the wire"); `updated_at` is ours, and Go ignores it. */
export interface WireFact {
  readonly id: string
  readonly content: string
  readonly level: number
  readonly domain?: string
  readonly module?: string
  readonly is_gene: boolean
  readonly source: string
  readonly created_at: string
  readonly updated_at?: string
}

/** What stands before the source of a fact that a peer sent. */
const IMPORTED = 'swarm:'

export function toWireFact(fact: Fact): WireFact {
  const { domain, module, updatedAt } = fact
  // Most facts have neither, and objects of one shape are quickly written.
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
 * The facts of a message, as they are to be stored: with `swarm:` before their source.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE when there are too many or any of them is no fact
 */
export function importFacts(value: unknown, maxFacts: number): Fact[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('bad-page', 'facts is no list')
  if (value.length > maxFacts) {
    throw invalid('too-many-facts', `${value.length} facts came in one message; at most ${maxFacts} may`)
  }
  const facts: Fact[] = []
  const names = new Names()
  for (const entry of value as unknown[]) facts.push(importFact(entry, facts.length, names))
  return facts
}

/** Sources, domains and modules of a page. Most facts share theirs with others, and so share the text in memory too. */
class Names {
  readonly #sources = new Map<string, string>()
  readonly #names = new Map<string, string>()

  /** A source as it is kept: always marked, so that nothing a peer sends can pass for a fact of our own. */
  importedSource(source: string): string {
    let imported = this.#sources.get(source)
    if (imported === undefined) {
      // Hops could make it grow for ever.
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

/** The first units of a text, without cutting a surrogate pair in two. */
function startOf(text: string, maxUnits: number): string {
  if (text.length <= maxUnits) return text
  const last = text.charCodeAt(maxUnits - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxUnits - 1 : maxUnits)
}

function importFact(value: unknown, index: number, names: Names): Fact {
  if (typeof value !== 'object' || value === null) throw invalid('bad-fact', `fact ${index} is no object`)
  const wire = value as Partial<Record<keyof WireFact, unknown>>
  const { source, domain, module } = wire
  const createdMs = parseTime(wire.created_at)
  if (typeof source !== 'string' || createdMs === undefined) {
    throw invalid('bad-fact', `fact ${index} has no ${createdMs === undefined ? 'time' : 'source'}`)
  }
  const fact = {
    id: wire.id,
    content: wire.content,
    level: wire.level,
    isGene: wire.is_gene,
    source: names.importedSource(source),
    createdAt: new Date(createdMs),
  } as Fact & { domain?: string; module?: string; updatedAt?: Date }
  // Go leaves out what is empty; null is what other writers put there.
  if (domain !== undefined && domain !== null && domain !== '') fact.domain = names.shared(domain as string)
  if (module !== undefined && module !== null && module !== '') fact.module = names.shared(module as string)
  if (wire.updated_at !== undefined && wire.updated_at !== null) {
    const updatedMs = parseTime(wire.updated_at)
    if (updatedMs === undefined) throw invalid('bad-fact', `the updated_at of fact ${index} is no time`)
    fact.updatedAt = new Date(updatedMs)
  }
  try {
    checkFact(fact)
  } catch (error) {
    throw invalid('bad-fact', `fact ${index}: ${isError(error) ? error.message : ''}`)
  }
  return fact
}

/** Incidents that one exchange may carry. */
export const MAX_INCIDENTS = 1000

export function toWireIncident(incident: Incident): object {
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

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE when any of them is no incident */
export function importIncidents(value: unknown): Incident[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.length > MAX_INCIDENTS) {
    throw invalid('bad-page', `incidents is no list of at most ${MAX_INCIDENTS}`)
  }
  return value.map((entry: unknown, index) => importIncident(entry, index))
}

function importIncident(value: unknown, index: number): Incident {
  if (typeof value !== 'object' || value === null)
    throw invalid('bad-incident', `incident ${index} is no object`)
  const wire = value as Record<string, unknown>
  const createdMs = parseTime(wire['created_at'])
  if (createdMs === undefined) throw invalid('bad-incident', `the created_at of incident ${index} is no time`)
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
