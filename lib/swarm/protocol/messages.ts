// The messages of an exchange: their payloads as we write them, and what is made of a peer's after every key of it was
// checked. Keys that Go does not know (all under or after `sentinel`) are ours; Go's decoder ignores them.

import type { Fact } from '../facts/fact.js'
import { isGenomeHash } from '../facts/genome.js'
import type { Incident } from '../facts/incident.js'
import { isPeerId, Trust } from '../peers/peer-record.js'
import { invalid } from './protocol-error.js'
import { parsePosition } from './rfc3339.js'
import { importFacts, importIncidents } from './wire-fact.js'

/** Message types (Go: `MsgHandshake`, `MsgHandshakeAck`, `MsgSyncRequest`, `MsgSyncPayload`). */
export const SwarmMsgType = {
  Handshake: 'handshake',
  HandshakeAck: 'handshake_ack',
  SyncRequest: 'sync_request',
  SyncPayload: 'sync_payload',
} as const

/** The version of the exchange in pages, as it stands in both handshakes: `"sentinel": {"version": 1}`. */
export const PAGED_VERSION = 1

/** Facts of a request that does not say how many it takes (wire-format: `max_batch`). */
export const DEFAULT_MAX_BATCH = 100
/** Most facts of a page, whatever is asked for. A line has no room for more than about 10,000. */
export const MAX_BATCH = 10_000

const MAX_NODE_UNITS = 256

/** Either handshake, as far as it tells of the peer. */
export interface Handshake {
  readonly peerId: string
  readonly node: string
  readonly genomeHash: string
  /** Whether the peer exchanges in pages. */
  readonly paged: boolean
}

export interface HandshakeAck extends Handshake {
  readonly match: boolean
  readonly trust: number
}

/** Asks for pages; each further one says that a page was stored. */
export interface SyncRequest {
  /** Position up to which the sender has our store. */
  readonly since: number
  readonly maxBatch: number
  /** The store that `since` is about; undefined where the sender knows none. */
  readonly store: string | undefined
  /** The sender has it all and asks for no more. */
  readonly done: boolean
  /** With `done`: the sender's own facts up to this position all came from us, so we need not read them. */
  readonly skipTo: number | undefined
}

export interface SyncPage {
  readonly facts: readonly Fact[]
  readonly incidents: readonly Incident[]
  readonly hasMore: boolean
  readonly store: string
  /** Position of the sender's store up to which this page goes. */
  readonly next: number
}

function objectOf(payload: unknown, what: string): Record<string, unknown> {
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) {
    return payload as Record<string, unknown>
  }
  throw invalid('bad-message', `the payload of a ${what} is no object`)
}

function isShortText(value: unknown, maxUnits: number): value is string {
  return typeof value === 'string' && value.length <= maxUnits
}

function isPaged(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'version' in value && value.version === PAGED_VERSION
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
export function parseHandshake(payload: unknown): Handshake {
  const { from_peer_id, from_node, genome_hash, timestamp, sentinel } = objectOf(payload, 'handshake')
  if (!isPeerId(from_peer_id)) throw invalid('bad-handshake', 'from_peer_id of the handshake is no peer id')
  if (!isShortText(from_node, MAX_NODE_UNITS))
    throw invalid('bad-handshake', 'from_node of the handshake is no name')
  if (!isGenomeHash(genome_hash)) throw invalid('bad-handshake', 'genome_hash of the handshake is no hash')
  if (!Number.isSafeInteger(timestamp))
    throw invalid('bad-handshake', 'timestamp of the handshake is no time')
  return { peerId: from_peer_id, node: from_node, genomeHash: genome_hash, paged: isPaged(sentinel) }
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
export function parseHandshakeAck(payload: unknown): HandshakeAck {
  const { to_peer_id, to_node, genome_hash, match, trust, sentinel } = objectOf(payload, 'handshake_ack')
  if (!isPeerId(to_peer_id)) throw invalid('bad-handshake', 'to_peer_id of the answer is no peer id')
  if (!isShortText(to_node, MAX_NODE_UNITS))
    throw invalid('bad-handshake', 'to_node of the answer is no name')
  if (!isGenomeHash(genome_hash)) throw invalid('bad-handshake', 'genome_hash of the answer is no hash')
  if (typeof match !== 'boolean')
    throw invalid('bad-handshake', 'match of the answer is neither true nor false')
  if (!Number.isInteger(trust) || (trust as number) < Trust.Unknown || (trust as number) > Trust.Expired) {
    throw invalid('bad-handshake', 'trust of the answer is none of the known ones')
  }
  const paged = isPaged(sentinel)
  return { peerId: to_peer_id, node: to_node, genomeHash: genome_hash, paged, match, trust: trust as number }
}

/** Every message after the handshake repeats whom it is from: it must be the same. */
function checkSender(entry: Record<string, unknown>, peer: Handshake, what: string): void {
  if (entry['from_peer_id'] !== peer.peerId) {
    throw invalid('sender-changed', `a ${what} has another from_peer_id than the handshake`)
  }
  if (entry['genome_hash'] !== peer.genomeHash) {
    throw invalid('genome-changed', `a ${what} has another genome_hash than the handshake`)
  }
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
export function parseSyncRequest(payload: unknown, peer: Handshake): SyncRequest {
  const entry = objectOf(payload, SwarmMsgType.SyncRequest)
  checkSender(entry, peer, SwarmMsgType.SyncRequest)
  const since = parsePosition(entry['since'])
  const maxBatch = entry['max_batch'] ?? DEFAULT_MAX_BATCH
  const store = entry['store']
  const skipTo = entry['skip_to'] === undefined ? undefined : parsePosition(entry['skip_to'])
  if (since === undefined) throw invalid('bad-request', 'since of a sync_request is no time')
  if (!Number.isSafeInteger(maxBatch) || (maxBatch as number) < 0) {
    throw invalid('bad-request', 'max_batch of a sync_request is no count')
  }
  if (store !== undefined && !isShortText(store, MAX_NODE_UNITS)) {
    throw invalid('bad-request', 'store of a sync_request is no name')
  }
  if (entry['skip_to'] !== undefined && skipTo === undefined) {
    throw invalid('bad-request', 'skip_to of a sync_request is no time')
  }
  return {
    since,
    // Go's zero value means that it was left out.
    maxBatch: Math.min(maxBatch === 0 ? DEFAULT_MAX_BATCH : (maxBatch as number), MAX_BATCH),
    store,
    done: entry['done'] === true,
    skipTo,
  }
}

/** A page of the exchange in pages. @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
export function parseSyncPage(payload: unknown, peer: Handshake, maxFacts: number): SyncPage {
  const entry = objectOf(payload, SwarmMsgType.SyncPayload)
  checkSender(entry, peer, SwarmMsgType.SyncPayload)
  const next = parsePosition(entry['next'])
  const store = entry['store']
  if (next === undefined) throw invalid('bad-page', 'next of a page is no time')
  if (!isShortText(store, MAX_NODE_UNITS)) throw invalid('bad-page', 'store of a page is no name')
  if (typeof entry['has_more'] !== 'boolean')
    throw invalid('bad-page', 'has_more of a page is neither true nor false')
  return {
    facts: importFacts(entry['facts'], maxFacts),
    incidents: importIncidents(entry['incidents']),
    hasMore: entry['has_more'],
    store,
    next,
  }
}

/** The one payload of a Go dialer. @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
export function parseGoPayload(payload: unknown, peer: Handshake): Pick<SyncPage, 'facts' | 'incidents'> {
  const entry = objectOf(payload, SwarmMsgType.SyncPayload)
  checkSender(entry, peer, SwarmMsgType.SyncPayload)
  return { facts: importFacts(entry['facts'], MAX_BATCH), incidents: importIncidents(entry['incidents']) }
}
