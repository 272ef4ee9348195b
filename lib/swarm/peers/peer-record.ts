// What a registry remembers of a peer, and how it is read back from a file that may hold anything.

import { isGenomeHash } from '../facts/genome.js'

/** How far a peer is trusted (wire-format: `trust`). */
export const Trust = { Unknown: 0, Pending: 1, Verified: 2, Rejected: 3, Expired: 4 } as const
export type Trust = (typeof Trust)[keyof typeof Trust]

/** How far we have read the store of a peer that speaks in pages. */
export interface ReadPosition {
  /** The store of ours that has it: another one has nothing yet. */
  readonly ownStore: string
  /** The peer's store. */
  readonly store: string
  readonly position: number
}

/** What of our store a Go listener was given. It cannot tell us itself. */
export interface GivenFacts {
  readonly ownStore: string
  /** The process that was given it: another one may have lost it. */
  readonly pid: number
  /** When that process was started, where the system tells: after a restart another one may have its id. */
  readonly started?: string
  /** Positions, from and to, newest first, that do not touch. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  /** Facts within the ranges that no line to a Go listener has room for. */
  readonly tooLarge: number
}

/** A peer (Go: `peer.Peer`). Times are Unix milliseconds. */
export interface PeerRecord {
  /** `peer_` and 24 hex digits; of a Go listener, which does not tell its id, `go:` and its node name. */
  readonly id: string
  readonly node: string
  readonly genomeHash: string
  readonly trust: Trust
  readonly firstSeen: number
  readonly lastSeen: number
  /** Exchanges in which facts went over. */
  readonly syncs: number
  readonly factsReceived: number
  readonly factsSent: number
  readonly read?: ReadPosition
  readonly given?: GivenFacts
}

/** A gene as a backup keeps it. */
export interface BackupGene {
  readonly id: string
  readonly content: string
}

/** The genes of a peer that has fallen silent. */
export interface GeneBackup {
  readonly peerId: string
  readonly node: string
  readonly genomeHash: string
  readonly genes: readonly BackupGene[]
  /** Genes that had no room in it. */
  readonly omitted: number
  /** When it was given up, in Unix milliseconds. */
  readonly expiredAt: number
}

/** The genes of a peer that is alive, to be backed up when it falls. */
export interface PeerGenes {
  readonly peerId: string
  readonly genes: readonly BackupGene[]
  readonly omitted: number
}

/** All that a registry remembers, as plain JSON. */
export interface RegistrySnapshot {
  readonly version: 1
  readonly selfId: string
  readonly peers: readonly PeerRecord[]
  readonly genes: readonly PeerGenes[]
  readonly backups: readonly GeneBackup[]
}

const PEER_ID = /^peer_[0-9a-f]{24}$/

/** Whether a text is a peer id as Go makes them. */
export function isPeerId(value: unknown): value is string {
  return typeof value === 'string' && PEER_ID.test(value)
}

/**
 * Reads a snapshot that was kept somewhere.
 *
 * @throws TypeError when it is none
 */
export function parseSnapshot(value: unknown): RegistrySnapshot {
  const { version, selfId, peers, genes, backups } = objectOf(value)
  if (version !== 1 || !isPeerId(selfId)) throw new TypeError('this is no snapshot of a peer registry')
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
    throw new TypeError('a peer in the snapshot is odd')
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
    throw new TypeError('the snapshot holds something else than an object')
  return value as Record<string, unknown>
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError('the snapshot holds something else than a list')
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('the snapshot holds something else than a text')
  return value
}

function number(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new TypeError('the snapshot holds something else than a count')
  }
  return value as number
}
