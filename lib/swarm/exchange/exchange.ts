// What both roles of an exchange have in common: what they work with, what comes of it, and storing what a peer sent.

import type { PeerIdentity } from '../../peer/peer.js'
import type { Alert } from '../alerts/alert-bus.js'
import type { Fact } from '../facts/fact.js'
import type { AddResult, FactStore } from '../facts/fact-store.js'
import type { IncidentStore } from '../facts/incident.js'
import type { Handshake } from '../protocol/messages.js'
import { Trust, type BackupGene } from '../peers/peer-record.js'
import type { PeerRegistry, SyncRecord } from '../peers/peer-registry.js'
import { invalid, quoted } from '../protocol/protocol-error.js'

/** What an exchange works with. */
export interface ExchangeContext {
  readonly registry: PeerRegistry
  readonly store: FactStore
  readonly incidents: IncidentStore | undefined
  readonly genomeHash: string
  /** Facts that we take in one page. */
  readonly maxBatch: number
  readonly alert: (alert: Alert) => void
}

/** What one exchange came to. */
export interface ExchangeReport {
  readonly role: 'listener' | 'dialer'
  /** Who was at the other end, as the kernel says. */
  readonly peer: PeerIdentity
  /** As it says itself; undefined when it never did. */
  readonly peerId: string | undefined
  readonly node: string | undefined
  /** `pages`: both ways, page by page. `go`: one line from dialer to listener. Undefined: it did not come to that. */
  readonly protocol: 'pages' | 'go' | undefined
  /** `mismatch`: another genome, or a peer that was rejected. */
  readonly outcome: 'synced' | 'mismatch' | 'failed'
  /** Facts that are new here. */
  readonly received: number
  /** Facts that came and were here already. */
  readonly known: number
  /** Facts that went out. */
  readonly sent: number
  /** Facts that a Go listener has not been given yet. */
  readonly unsent: number
  readonly incidentsReceived: number
  readonly incidentsSent: number
  readonly durationMs: number
  /** Why it failed. */
  readonly error?: Error
}

/** Counts of an exchange under way, and what of the peer is to be remembered. */
export class Progress {
  peer: Handshake | undefined
  protocol: 'pages' | 'go' | undefined
  received = 0
  known = 0
  sent = 0
  unsent = 0
  incidentsReceived = 0
  incidentsSent = 0
  /** Genes among what came, new or not. */
  readonly genes: BackupGene[] = []
}

/** Genes of one exchange that are remembered; a registry keeps no more either. */
const MAX_GENES = 1000

/**
 * Stores what came in one message: all of it or nothing. A gene is alerted on, as it can never be taken back.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE (reason `fact-conflict`)
 */
export async function storeFacts(
  facts: readonly Fact[],
  context: ExchangeContext,
  progress: Progress,
  peer: PeerIdentity,
): Promise<AddResult> {
  const { store } = context
  const genes: Fact[] = []
  for (const fact of facts) if (fact.isGene) genes.push(fact)
  let newGenes = 0
  for (const gene of genes) if ((await store.get(gene.id)) === undefined) ++newGenes
  const result = await store.addBatch(facts)
  if (result.conflict !== undefined) {
    throw invalid(
      'fact-conflict',
      `the fact ${quoted(result.conflict)} came with other content than the one of this id that is here`,
    )
  }
  progress.received += result.added
  progress.known += result.known + result.kept
  for (const { id, content } of genes.slice(0, MAX_GENES - progress.genes.length))
    progress.genes.push({ id, content })
  if (newGenes > 0) {
    context.alert({
      severity: 'warning',
      type: 'genes-imported',
      message: `${newGenes} genes were imported, which can never be changed or deleted`,
      peer,
      ...(progress.peer !== undefined && { peerId: progress.peer.peerId }),
      counts: { genes: newGenes },
    })
  }
  return result
}

/** Remembers a peer, and what went over. Whom the registry has rejected meanwhile stays rejected. */
export function rememberPeer({ registry }: ExchangeContext, peer: Handshake, sync: SyncRecord): void {
  if (registry.get(peer.peerId)?.trust !== Trust.Rejected) registry.completeHandshake(peer)
  registry.recordSync(peer.peerId, sync)
}

/** Stores the incidents that came in one message, where there is a place for them. */
export async function storeIncidents(
  incidents: Parameters<IncidentStore['addBatch']>[0],
  context: ExchangeContext,
  progress: Progress,
): Promise<void> {
  if (incidents.length === 0 || context.incidents === undefined) return
  progress.incidentsReceived += await context.incidents.addBatch(incidents)
}
