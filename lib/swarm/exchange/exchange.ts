// Shared by both roles of an exchange: their context, the report of the result, and storing the data of a peer. Must
// not know the order of messages.

import type { PeerIdentity } from '../../peer/peer.js'
import type { Alert } from '../alerts/alert-bus.js'
import { agreementOf, type Fact } from '../facts/fact.js'
import type { AddResult, FactStore } from '../facts/fact-store.js'
import type { IncidentStore } from '../facts/incident.js'
import type { Handshake } from '../protocol/parse-messages.js'
import { Trust, type BackupGene } from '../peers/peer-record.js'
import type { PeerRegistry, SyncRecord } from '../peers/peer-registry.js'
import type { TakeTurn } from '../protocol/payload-parts.js'
import { quoteName } from '../../base/quote.js'
import { invalid } from '../protocol/protocol-error.js'

/** The context of an exchange: this node's data and services. */
export interface ExchangeContext {
  readonly registry: PeerRegistry
  readonly store: FactStore
  readonly incidents: IncidentStore | undefined
  readonly genomeHash: string
  /** Facts that this node accepts in one page. */
  readonly maxBatch: number
  /** Raises an alert. Never throws. */
  readonly alert: (alert: Alert) => void
  /** Called before each piece of work that a peer causes. */
  readonly takeTurn: TakeTurn
}

/** The result of one exchange, as `onExchange` gets it. */
export interface ExchangeReport {
  /** Whether this side dialled or listened. */
  readonly role: 'listener' | 'dialer'
  /** The process at the other end, as the kernel identified it. */
  readonly peer: PeerIdentity
  /** The id that it claimed; undefined if the exchange ended before its handshake. */
  readonly peerId: string | undefined
  /** The node name that it claimed; undefined if the exchange ended before its handshake. */
  readonly node: string | undefined
  /**
   * `pages`: both ways, page by page. `go`: one line from dialer to listener. Undefined: the exchange ended before that
   * was decided.
   */
  readonly protocol: 'pages' | 'go' | undefined
  /** `mismatch`: the genomes differ, or one of the two has rejected the other. */
  readonly outcome: 'synced' | 'mismatch' | 'failed'
  /** Facts stored that are new here. */
  readonly received: number
  /** Facts that the peer sent and this node already had. */
  readonly known: number
  /** Facts sent. */
  readonly sent: number
  /** Facts not yet sent to this Go listener, including facts too large for its lines; 0 for other peers. */
  readonly unsent: number
  /** Incidents stored that are new here. */
  readonly incidentsReceived: number
  /** Incidents sent. */
  readonly incidentsSent: number
  /** From the connection to its end, in milliseconds. */
  readonly durationMs: number
  /** The error behind the outcome `failed`. */
  readonly error?: Error
}

/** The counts of an exchange under way, and the data of the peer for the registry. */
export class Progress {
  peer: Handshake | undefined
  protocol: 'pages' | 'go' | undefined
  received = 0
  known = 0
  sent = 0
  unsent = 0
  incidentsReceived = 0
  incidentsSent = 0
  /** Genes that the peer sent, new here or not. */
  readonly genes: BackupGene[] = []
}

/** Maximum number of genes remembered from one exchange. The registry keeps no more per peer. */
const MAX_GENES = 1000

/** Facts added to the store at a time: more would hold the event loop for too long. */
const MAX_ADDED = 2000

/**
 * Stores the facts of one message: all of them or none. New genes raise an alert, because they can never be removed.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE (reason `fact-conflict`)
 */
export async function storeFacts(
  facts: readonly Fact[],
  context: ExchangeContext,
  progress: Progress,
  peer: PeerIdentity,
): Promise<AddResult> {
  const genes = facts.filter((fact) => fact.isGene)
  const newGenes = await countUnknown(genes, context)
  // Facts added in several calls are checked as a whole first, so that all are stored or none.
  if (facts.length > MAX_ADDED) await checkConflicts(facts, context)
  let result: AddResult | undefined
  for (let at = 0; at < facts.length || result === undefined; at += MAX_ADDED) {
    await context.takeTurn()
    const part = facts.length <= MAX_ADDED ? facts : facts.slice(at, at + MAX_ADDED)
    const added = await context.store.addBatch(part)
    if (added.conflict !== undefined) throw conflictOf(added.conflict)
    progress.received += added.added
    progress.known += added.known + added.kept
    result = joined(result, added)
  }
  for (const { id, content } of genes.slice(0, MAX_GENES - progress.genes.length))
    progress.genes.push({ id, content })
  if (newGenes > 0) {
    context.alert({
      severity: 'warning',
      type: 'genes-imported',
      message: `${newGenes} genes were imported; genes can never be changed or deleted`,
      peer,
      ...(progress.peer !== undefined && { peerId: progress.peer.peerId }),
      counts: { genes: newGenes },
    })
  }
  return result
}

async function countUnknown(genes: readonly Fact[], { store, takeTurn }: ExchangeContext): Promise<number> {
  let unknown = 0
  for (const { id } of genes) {
    const turn = takeTurn()
    if (turn !== undefined) await turn
    if ((await store.get(id)) === undefined) ++unknown
  }
  return unknown
}

async function checkConflicts(facts: readonly Fact[], { store, takeTurn }: ExchangeContext): Promise<void> {
  const seen = new Map<string, Fact>()
  for (const fact of facts) {
    const turn = takeTurn()
    if (turn !== undefined) await turn
    const here = seen.get(fact.id) ?? (await store.get(fact.id)) ?? fact
    if (agreementOf(here, fact) === 'conflict') throw conflictOf(fact.id)
    seen.set(fact.id, here)
  }
}

function conflictOf(id: string): Error {
  return invalid('fact-conflict', `fact ${quoteName(id)} contradicts the fact of this id that is here`)
}

/** The result of two additions, one right after the other. */
function joined(first: AddResult | undefined, second: AddResult): AddResult {
  if (first === undefined) return second
  return {
    added: first.added + second.added,
    known: first.known + second.known,
    kept: first.kept + second.kept,
    before: first.before,
    // If other facts entered in between, the end of the first addition is not the beginning of the second.
    after: first.after === second.before ? second.after : first.after,
  }
}

/** Records a peer and the result of the exchange. A peer that was rejected during the exchange stays rejected. */
export function rememberPeer({ registry }: ExchangeContext, peer: Handshake, sync: SyncRecord): void {
  if (registry.get(peer.peerId)?.trust !== Trust.Rejected) registry.completeHandshake(peer)
  registry.recordSync(peer.peerId, sync)
}

/** Stores the incidents of one message, if this node has an incident store. */
export async function storeIncidents(
  incidents: Parameters<IncidentStore['addBatch']>[0],
  context: ExchangeContext,
  progress: Progress,
): Promise<void> {
  if (incidents.length === 0 || context.incidents === undefined) return
  progress.incidentsReceived += await context.incidents.addBatch(incidents)
}
