// The data that a registry keeps about a peer, and the checks of a snapshot, which may come from a damaged file. Must
// not know where snapshots are stored.

import { isGenomeHash } from '../facts/genome.js'

/** How far a peer is trusted (on the wire: `trust`). */
export const Trust = {
  /** Never met. */
  Unknown: 0,
  /** Met, but no exchange was completed. */
  Pending: 1,
  /** An exchange was completed. */
  Verified: 2,
  /** Rejected by {@link PeerRegistry.reject}. */
  Rejected: 3,
  /** Silent for longer than the peer time-out. */
  Expired: 4,
} as const
/** One of the values of {@link Trust}. */
export type Trust = (typeof Trust)[keyof typeof Trust]

/** How far this node has read the store of a peer that exchanges in pages. */
export interface ReadPosition {
  /** The id of this node's store that the facts were read into. The position has no meaning for another store. */
  readonly ownStore: string
  /** The id of the peer's store. */
  readonly store: string
  /** A position in the peer's store: Unix microseconds. */
  readonly position: number
}

/** Which facts of this node a Go listener was given. Recorded here, because a Go listener does not report its facts. */
export interface GivenFacts {
  /** The id of this node's store. */
  readonly ownStore: string
  /** The process that was given the facts. Another process may not have them. */
  readonly pid: number
  /** The start of that process, if the system reports it, since another process may get its id later. */
  readonly started?: string
  /** Ranges of positions, both ends included, newest first; no two touch. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  /** Facts within the ranges that are too large for a line to a Go listener. */
  readonly tooLarge: number
}

/** A peer (Go: `peer.Peer`). Times are Unix milliseconds. */
export interface PeerRecord {
  /** `peer_` and 24 hex digits; for a Go listener, which does not send its id, `go:` and its node name. */
  readonly id: string
  /** Node name of the peer. */
  readonly node: string
  /** Hash of the genes of the peer. */
  readonly genomeHash: string
  /** How far the peer is trusted. */
  readonly trust: Trust
  /** When the peer was met first, in Unix milliseconds. */
  readonly firstSeen: number
  /** When the last message came from the peer, in Unix milliseconds. */
  readonly lastSeen: number
  /** Exchanges that were completed, or in which facts were stored. */
  readonly syncs: number
  /** Facts received from the peer. */
  readonly factsReceived: number
  /** Facts sent to the peer. */
  readonly factsSent: number
  /** How far its store was read; absent before the first page. */
  readonly read?: ReadPosition
  /** The facts that a Go listener was given; absent for other peers. */
  readonly given?: GivenFacts
}

/** A gene as a backup keeps it. */
export interface BackupGene {
  /** Id of the fact. */
  readonly id: string
  /** Text of the fact. */
  readonly content: string
}

/** The genes of a peer that expired. */
export interface GeneBackup {
  /** Id of the peer. */
  readonly peerId: string
  /** Node name of the peer. */
  readonly node: string
  /** Hash of the genes of the peer. */
  readonly genomeHash: string
  /** The genes that had room. */
  readonly genes: readonly BackupGene[]
  /** Genes that had no room in the backup. */
  readonly omitted: number
  /** When the peer expired, in Unix milliseconds. */
  readonly expiredAt: number
}

/** The genes of a peer that is alive, to be backed up when it expires. */
export interface PeerGenes {
  /** Id of the peer. */
  readonly peerId: string
  /** The genes that had room. */
  readonly genes: readonly BackupGene[]
  /** Genes that had no room. */
  readonly omitted: number
}

/** Everything that a registry remembers, as plain JSON. */
export interface RegistrySnapshot {
  /** Version of this format: 1. */
  readonly version: 1
  /** Id of this node. */
  readonly selfId: string
  /** The known peers, the one heard from last at the end. */
  readonly peers: readonly PeerRecord[]
  /** The genes of live peers. */
  readonly genes: readonly PeerGenes[]
  /** The genes of expired peers. */
  readonly backups: readonly GeneBackup[]
}

const PEER_ID = /^peer_[0-9a-f]{24}$/

/** Whether a value is a peer id as Go makes them. */
export function isPeerId(value: unknown): value is string {
  return typeof value === 'string' && PEER_ID.test(value)
}

/**
 * Checks a loaded snapshot.
 *
 * @throws TypeError if it is not a snapshot of this version, naming what is wrong
 */
export function parseSnapshot(value: unknown): RegistrySnapshot {
  const { version, selfId, peers, genes, backups } = objectOf(value)
  if (version !== 1 || !isPeerId(selfId))
    throw new TypeError('this is not a snapshot of a peer registry, version 1')
  return {
    version,
    selfId,
    peers: list(peers).map(parseRecord),
    genes: list(genes).map(parsePeerGenes),
    backups: list(backups).map(parseBackup),
  }
}

function parseRecord(value: unknown): PeerRecord {
  const entry = objectOf(value)
  const trust = Object.values(Trust).find((known) => known === entry['trust'])
  if (trust === undefined || !isGenomeHash(entry['genomeHash']))
    throw new TypeError('the snapshot contains an invalid peer: its trust or genomeHash is unknown')
  return {
    id: text(entry['id']),
    node: text(entry['node']),
    genomeHash: entry['genomeHash'],
    trust,
    firstSeen: number(entry['firstSeen']),
    lastSeen: number(entry['lastSeen']),
    syncs: number(entry['syncs']),
    factsReceived: number(entry['factsReceived']),
    factsSent: number(entry['factsSent']),
    ...(entry['read'] !== undefined && { read: parseRead(entry['read']) }),
    ...(entry['given'] !== undefined && { given: parseGiven(entry['given']) }),
  }
}

function parseRead(value: unknown): ReadPosition {
  const { ownStore, store, position } = objectOf(value)
  return { ownStore: text(ownStore), store: text(store), position: number(position) }
}

function parseGiven(value: unknown): GivenFacts {
  const { ownStore, pid, started, ranges, tooLarge } = objectOf(value)
  return {
    ownStore: text(ownStore),
    pid: number(pid),
    ...(started !== undefined && { started: text(started) }),
    ranges: list(ranges).map((range) => {
      const [from, to] = list(range)
      return [number(from), number(to)] as const
    }),
    tooLarge: number(tooLarge),
  }
}

function parsePeerGenes(value: unknown): PeerGenes {
  const { peerId, genes, omitted } = objectOf(value)
  return { peerId: text(peerId), genes: list(genes).map(parseGene), omitted: number(omitted) }
}

function parseGene(value: unknown): BackupGene {
  const { id, content } = objectOf(value)
  return { id: text(id), content: text(content) }
}

function parseBackup(value: unknown): GeneBackup {
  const { peerId, node, genomeHash, genes, omitted, expiredAt } = objectOf(value)
  return {
    peerId: text(peerId),
    node: text(node),
    genomeHash: text(genomeHash),
    genes: list(genes).map(parseGene),
    omitted: number(omitted),
    expiredAt: number(expiredAt),
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null)
    throw new TypeError('the snapshot contains something other than an object where an object belongs')
  return value as Record<string, unknown>
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value))
    throw new TypeError('the snapshot contains something other than a list where a list belongs')
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string')
    throw new TypeError('the snapshot contains something other than a string where a string belongs')
  return value
}

function number(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new TypeError('the snapshot contains something other than a count where a count belongs')
  }
  return value as number
}
