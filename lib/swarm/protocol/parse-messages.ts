// Checks the payloads of a peer key by key, and converts them to the types of the exchange.

import type { Fact } from '../facts/fact.js'
import { isGenomeHash } from '../facts/genome.js'
import type { Incident } from '../facts/incident.js'
import { isPeerId, Trust } from '../peers/peer-record.js'
import { PAGED_VERSION, SwarmMsgType } from './messages.js'
import { MAX_ENTRIES, type PayloadParts, type TakeTurn } from './payload-parts.js'
import { invalid } from './protocol-error.js'
import { parsePosition } from './rfc3339.js'
import { importFacts, importIncidents } from './wire-fact.js'

/** Facts per page if the request does not state a number (wire format: `max_batch`). */
export const DEFAULT_MAX_BATCH = 100
/** Maximum number of facts in a page, regardless of the request. */
export const MAX_BATCH = MAX_ENTRIES

const MAX_NODE_UNITS = 256

/** The description of the peer in either handshake. */
export interface Handshake {
  readonly peerId: string
  readonly node: string
  readonly genomeHash: string
  /** Whether the peer exchanges in pages. */
  readonly paged: boolean
}

/** The listener's handshake, with its decision. */
export interface HandshakeAck extends Handshake {
  readonly match: boolean
  readonly trust: number
}

/** Asks for pages; each further request confirms that a page was stored. */
export interface SyncRequest {
  /** The position up to which the sender has read this node's store. */
  readonly since: number
  /** Maximum number of facts in a page that the sender accepts. */
  readonly maxBatch: number
  /** The store that `since` refers to; undefined if the sender knows none. */
  readonly store: string | undefined
  /** The sender has everything and asks for no more. */
  readonly done: boolean
  /**
   * With `done`: up to this position, all facts of the sender's own store came from this node, which need not read
   * them.
   */
  readonly skipTo: number | undefined
}

/** One page of facts and incidents. */
export interface SyncPage {
  readonly facts: readonly Fact[]
  readonly incidents: readonly Incident[]
  readonly hasMore: boolean
  /** The store that the facts came from. */
  readonly store: string
  /** The position in that store up to which this page goes. */
  readonly next: number
}

function objectOf(payload: unknown, what: string): Record<string, unknown> {
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) {
    return payload as Record<string, unknown>
  }
  throw invalid('bad-message', `the payload of a ${what} is not an object`)
}

function isShortText(value: unknown, maxUnits: number): value is string {
  return typeof value === 'string' && value.length <= maxUnits
}

function isPaged(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return 'version' in value && value.version === PAGED_VERSION
}

/**
 * Checks the description of the peer, which both handshakes contain. `id` and `node` are the names of the keys in this
 * one.
 */
function parsePeer(entry: Record<string, unknown>, what: string, id: string, node: string): Handshake {
  const { [id]: peerId, [node]: name, genome_hash: genomeHash, sentinel } = entry
  if (!isPeerId(peerId)) throw invalid('bad-handshake', `${id} of the ${what} is not a peer id`)
  if (!isShortText(name, MAX_NODE_UNITS)) {
    throw invalid(
      'bad-handshake',
      `${node} of the ${what} is not a string of at most ${MAX_NODE_UNITS} units`,
    )
  }
  if (!isGenomeHash(genomeHash)) {
    throw invalid('bad-handshake', `genome_hash of the ${what} is not a genome hash`)
  }
  return { peerId, node: name, genomeHash, paged: isPaged(sentinel) }
}

/**
 * Checks the dialer's handshake.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export function parseHandshake(payload: unknown): Handshake {
  const entry = objectOf(payload, 'handshake')
  const peer = parsePeer(entry, 'handshake', 'from_peer_id', 'from_node')
  if (!Number.isSafeInteger(entry['timestamp']))
    throw invalid('bad-handshake', 'timestamp of the handshake is not an integer')
  return peer
}

/**
 * Checks the listener's handshake.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export function parseHandshakeAck(payload: unknown): HandshakeAck {
  const entry = objectOf(payload, 'handshake_ack')
  const peer = parsePeer(entry, 'handshake_ack', 'to_peer_id', 'to_node')
  const { match, trust } = entry
  if (typeof match !== 'boolean')
    throw invalid('bad-handshake', 'match of the handshake_ack is not a boolean')
  if (!Number.isInteger(trust) || (trust as number) < Trust.Unknown || (trust as number) > Trust.Expired) {
    throw invalid('bad-handshake', 'trust of the handshake_ack is not an integer from 0 to 4')
  }
  return { ...peer, match, trust: trust as number }
}

/** Checks that a later message names the same sender as the handshake. */
function checkSender(entry: Record<string, unknown>, peer: Handshake, what: string): void {
  if (entry['from_peer_id'] !== peer.peerId) {
    throw invalid('sender-changed', `from_peer_id of a ${what} is not that of the handshake`)
  }
  if (entry['genome_hash'] !== peer.genomeHash) {
    throw invalid('genome-changed', `genome_hash of a ${what} is not that of the handshake`)
  }
}

/**
 * Checks a request for pages.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export function parseSyncRequest(payload: unknown, peer: Handshake): SyncRequest {
  const entry = objectOf(payload, SwarmMsgType.SyncRequest)
  checkSender(entry, peer, SwarmMsgType.SyncRequest)
  const since = parsePosition(entry['since'])
  const maxBatch = entry['max_batch'] ?? DEFAULT_MAX_BATCH
  const store = entry['store']
  const skipTo = entry['skip_to'] === undefined ? undefined : parsePosition(entry['skip_to'])
  if (since === undefined) throw invalid('bad-request', 'since of a sync_request is not an RFC 3339 time')
  if (!Number.isSafeInteger(maxBatch) || (maxBatch as number) < 0) {
    throw invalid('bad-request', 'max_batch of a sync_request is not a count')
  }
  if (store !== undefined && !isShortText(store, MAX_NODE_UNITS)) {
    throw invalid('bad-request', `store of a sync_request is not a string of at most ${MAX_NODE_UNITS} units`)
  }
  if (entry['skip_to'] !== undefined && skipTo === undefined) {
    throw invalid('bad-request', 'skip_to of a sync_request is not an RFC 3339 time')
  }
  return {
    since,
    // 0 is Go's zero value: the key was left out.
    maxBatch: Math.min(maxBatch === 0 ? DEFAULT_MAX_BATCH : (maxBatch as number), MAX_BATCH),
    store,
    done: entry['done'] === true,
    skipTo,
  }
}

/**
 * Checks a page of the exchange in pages.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export async function parseSyncPage(
  parts: PayloadParts,
  peer: Handshake,
  maxFacts: number,
  takeTurn: TakeTurn,
): Promise<SyncPage> {
  const entry = objectOf(parts.rest, SwarmMsgType.SyncPayload)
  checkSender(entry, peer, SwarmMsgType.SyncPayload)
  const next = parsePosition(entry['next'])
  const store = entry['store']
  const hasMore = entry['has_more']
  if (next === undefined) throw invalid('bad-page', 'next of a page is not an RFC 3339 time')
  if (!isShortText(store, MAX_NODE_UNITS)) {
    throw invalid('bad-page', `store of a page is not a string of at most ${MAX_NODE_UNITS} units`)
  }
  if (typeof hasMore !== 'boolean') throw invalid('bad-page', 'has_more of a page is not a boolean')
  const facts = await importFacts(parts, maxFacts, takeTurn)
  const incidents = await importIncidents(parts, takeTurn)
  return { facts, incidents, hasMore, store, next }
}

/**
 * Checks the one payload of a Go dialer.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export async function parseGoPayload(
  parts: PayloadParts,
  peer: Handshake,
  takeTurn: TakeTurn,
): Promise<Pick<SyncPage, 'facts' | 'incidents'>> {
  const entry = objectOf(parts.rest, SwarmMsgType.SyncPayload)
  checkSender(entry, peer, SwarmMsgType.SyncPayload)
  const facts = await importFacts(parts, MAX_BATCH, takeTurn)
  const incidents = await importIncidents(parts, takeTurn)
  return { facts, incidents }
}
