// Facts, incidents and nodes for tests of the swarm.

import { onTestFinished } from 'vitest'

import { AlertBus } from '../../lib/swarm/alerts/alert-bus.js'
import type { ExchangeReport } from '../../lib/swarm/exchange/exchange.js'
import type { Fact } from '../../lib/swarm/facts/fact.js'
import type { FactStore } from '../../lib/swarm/facts/fact-store.js'
import { MemoryIncidentStore, type Incident } from '../../lib/swarm/facts/incident.js'
import { MemoryFactStore } from '../../lib/swarm/facts/memory-fact-store.js'
import { PeerRegistry } from '../../lib/swarm/peers/peer-registry.js'
import type { SwarmTransportOptions } from '../../lib/swarm/options.js'
import { SwarmTransport } from '../../lib/swarm/transport.js'
import { until } from './wait.js'

export const GENOME = 'ab'.repeat(32)

export function fact(id: string, more: Partial<Fact> = {}): Fact {
  return {
    id,
    content: `content of ${id}`,
    level: 0,
    isGene: false,
    source: 'test',
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    ...more,
  }
}

export function facts(count: number, prefix = 'f', more: Partial<Fact> = {}): Fact[] {
  return Array.from({ length: count }, (_, i) => fact(`${prefix}${i}`, more))
}

export function incident(id: string, more: Partial<Incident> = {}): Incident {
  return {
    id,
    status: 'open',
    severity: 'high',
    title: 'title',
    description: 'description',
    eventCount: 3,
    correlationRule: 'rule',
    killChainPhase: 'phase',
    mitreMapping: ['T1059'],
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    sourcePeerId: 'peer_000000000000000000000000',
    ...more,
  }
}

export interface Node {
  readonly registry: PeerRegistry
  readonly store: FactStore
  readonly incidents: MemoryIncidentStore
  readonly alerts: AlertBus
  readonly reports: ExchangeReport[]
  readonly transport: SwarmTransport
}

/** Makes a node in this process. */
export function node(directory: string, name: string, options: Partial<SwarmTransportOptions> = {}): Node {
  const registry = options.registry ?? new PeerRegistry(name)
  const store = options.store ?? new MemoryFactStore()
  const incidents = new MemoryIncidentStore()
  const alerts = new AlertBus()
  const reports: ExchangeReport[] = []
  const transport = new SwarmTransport({
    directory,
    incidents,
    alerts,
    ...(options.genes === undefined && { genomeHash: GENOME }),
    onExchange: (report) => reports.push(report),
    ...options,
    registry,
    store,
  })
  return { registry, store, incidents, alerts, reports, transport }
}

/** Has a node listen until the test ends; returns how to stop it earlier. */
export async function listening(listener: Node): Promise<() => Promise<void>> {
  const stop = new AbortController()
  const ended = listener.transport.listen({ signal: stop.signal })
  onTestFinished(async () => {
    stop.abort()
    await ended
  })
  await until(() => listener.transport.isListening)
  return async () => {
    stop.abort()
    await ended
  }
}

export async function idsOf(store: FactStore): Promise<string[]> {
  const page = await store.page({ maxFacts: 1_000_000 })
  return page.facts.map(({ id }) => id).sort()
}
