// The messages of an exchange: their types, and how the payloads of a peer are checked key by key. Keys that Go does not
// know (`sentinel`, and those of pages) are additions of this package; Go's decoder ignores them.

import type { Fact } from '../facts/fact.js'
import { isGenomeHash } from '../facts/genome.js'
import type { Incident } from '../facts/incident.js'
import { isPeerId, Trust } from '../peers/peer-record.js'
import { MAX_ENTRIES, type PayloadParts, type TakeTurn } from './payload-parts.js'
import { invalid } from './protocol-error.js'
import { parsePosition } from './rfc3339.js'
import { importFacts, importIncidents, type WireFact, type WireIncident } from './wire-fact.js'

/** Message types (Go: `MsgHandshake`, `MsgHandshakeAck`, `MsgSyncRequest`, `MsgSyncPayload`). */
export const SwarmMsgType = {
  /** The first message of a dialler. */
  Handshake: 'handshake',
  /** The reply of the listener. */
  HandshakeAck: 'handshake_ack',
  /** Asks for facts. */
  SyncRequest: 'sync_request',
  /** Brings facts and incidents. */
  SyncPayload: 'sync_payload',
} as const
/** One of the message types. */
export type SwarmMsgType = (typeof SwarmMsgType)[keyof typeof SwarmMsgType]

/** What each type of message carries, key by key as on the wire. Keys that only this package writes are optional. */
export interface SwarmPayloads {
  /** Dialer to listener, first. */
  readonly handshake: {
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Node name of the sending peer. */
    readonly from_node: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** Unix seconds. */
    readonly timestamp: number
    /** Random text. */
    readonly nonce: string
    /** Extensions of this library; Go ignores them. */
    readonly sentinel?: {
      /** Version of the exchange in pages. */
      readonly version: number
    }
  }
  /** Listener to dialer. A Go listener writes the dialer's own id into `to_peer_id`. */
  readonly handshake_ack: {
    /** Id of the replying peer. A Go listener sends the id of the dialler. */
    readonly to_peer_id: string
    /** Node name of the replying peer. */
    readonly to_node: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** Whether both genomes are the same. */
    readonly match: boolean
    /** How far the peer is trusted. See {@link Trust}. */
    readonly trust: Trust
    /** Unix seconds. */
    readonly timestamp: number
    /** Extensions of this library; Go ignores them. */
    readonly sentinel?: {
      /** Version of the exchange in pages. */
      readonly version: number
    }
  }
  /** Asks for facts that entered the peer's store after `since`; Go defines it and sends none. */
  readonly sync_request: {
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** RFC 3339. */
    readonly since: string
    /** Facts; 100 if absent or 0. */
    readonly max_batch?: number
    /** Id of the store that the position belongs to. */
    readonly store?: string
    /** The pages that are stored. */
    readonly done?: boolean
    /** Position up to which facts are not wanted. */
    readonly skip_to?: string
  }
  /** Facts and incidents. Go writes null for no facts. */
  readonly sync_payload: {
    /** Version of the payload. */
    readonly version?: string
    /** Id of the sending peer. */
    readonly from_peer_id: string
    /** Hash of the genes of the sending node. See {@link genomeHash}. */
    readonly genome_hash: string
    /** The facts; null or empty if there are none. */
    readonly facts: readonly WireFact[] | null
    /** The incidents, newest first. */
    readonly incidents?: readonly WireIncident[]
    /** RFC 3339. */
    readonly synced_at: string
    /** Whether more facts follow. */
    readonly has_more?: boolean
    /** Id of the store that the position belongs to. */
    readonly store?: string
    /** Position at which the next page begins. */
    readonly next?: string
  }
}

/**
 * One line of the swarm's socket as JSON (Go: `Message`): for programs that speak to it themselves. {@link SwarmTransport}
 * reads and writes them for you.
 */
export type SwarmMessage<Type extends SwarmMsgType = SwarmMsgType> = {
  readonly [T in Type]: {
    /** The type of the message. See {@link SwarmMsgType}. */
    readonly type: T
    /** The payload of that type. */
    readonly payload: SwarmPayloads[T]
  }
}[Type]

/** The version of the exchange in pages, as it stands in both handshakes: `"sentinel": {"version": 1}`. */
export const PAGED_VERSION = 1

/** Facts a page when the request does not say (wire format: `max_batch`). */
export const DEFAULT_MAX_BATCH = 100
/** The most facts of a page, whatever the request says. */
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
  /** The position up to which the sender has our store. */
  readonly since: number
  /** The most facts of a page that the sender takes. */
  readonly maxBatch: number
  /** The store that `since` refers to; undefined if the sender knows none. */
  readonly store: string | undefined
  /** The sender has everything and asks for no more. */
  readonly done: boolean
  /** With `done`: up to this position, all facts of the sender's own store came from us, so we need not read them. */
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
 * Checks the dialer's handshake.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export function parseHandshake(payload: unknown): Handshake {
  const { from_peer_id, from_node, genome_hash, timestamp, sentinel } = objectOf(payload, 'handshake')
  if (!isPeerId(from_peer_id))
    throw invalid('bad-handshake', 'from_peer_id of the handshake is not a peer id')
  if (!isShortText(from_node, MAX_NODE_UNITS))
    throw invalid(
      'bad-handshake',
      `from_node of the handshake is not a string of at most ${MAX_NODE_UNITS} units`,
    )
  if (!isGenomeHash(genome_hash))
    throw invalid('bad-handshake', 'genome_hash of the handshake is not a genome hash')
  if (!Number.isSafeInteger(timestamp))
    throw invalid('bad-handshake', 'timestamp of the handshake is not an integer')
  return { peerId: from_peer_id, node: from_node, genomeHash: genome_hash, paged: isPaged(sentinel) }
}

/**
 * Checks the listener's handshake.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
 */
export function parseHandshakeAck(payload: unknown): HandshakeAck {
  const { to_peer_id, to_node, genome_hash, match, trust, sentinel } = objectOf(payload, 'handshake_ack')
  if (!isPeerId(to_peer_id))
    throw invalid('bad-handshake', 'to_peer_id of the handshake_ack is not a peer id')
  if (!isShortText(to_node, MAX_NODE_UNITS))
    throw invalid(
      'bad-handshake',
      `to_node of the handshake_ack is not a string of at most ${MAX_NODE_UNITS} units`,
    )
  if (!isGenomeHash(genome_hash))
    throw invalid('bad-handshake', 'genome_hash of the handshake_ack is not a genome hash')
  if (typeof match !== 'boolean')
    throw invalid('bad-handshake', 'match of the handshake_ack is not a boolean')
  if (!Number.isInteger(trust) || (trust as number) < Trust.Unknown || (trust as number) > Trust.Expired) {
    throw invalid('bad-handshake', 'trust of the handshake_ack is not an integer from 0 to 4')
  }
  const paged = isPaged(sentinel)
  return { peerId: to_peer_id, node: to_node, genomeHash: genome_hash, paged, match, trust: trust as number }
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
