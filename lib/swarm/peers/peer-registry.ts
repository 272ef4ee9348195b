// Who is in the swarm: this node's own id, the peers it has met, how far it trusts them and how far their stores were
// read. Must not know connections or the form of messages.

import { randomHex } from '../../base/crypto.js'
import { GeneArchive } from './gene-archive.js'
import {
  isPeerId,
  Trust,
  type BackupGene,
  type GeneBackup,
  type GivenFacts,
  type PeerRecord,
  type ReadPosition,
  type RegistrySnapshot,
} from './peer-record.js'
import type { RegistryStorage } from './registry-storage.js'

/** Options of {@link PeerRegistry}. */
export interface PeerRegistryOptions {
  /** A peer that was not heard of for so long has fallen. Default 30 min. */
  readonly peerTimeoutMs?: number
  /** Peers that are remembered; beyond, the one that was silent longest is forgotten. Default 1024. */
  readonly maxPeers?: number
  /** Where {@link PeerRegistry.open} finds it and `save` keeps it. Default: nowhere. */
  readonly storage?: RegistryStorage
  /** This node's id. Default: a new one. */
  readonly selfId?: string
  /** The clock, in Unix milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** What a handshake tells of a peer. */
export interface HandshakeInfo {
  readonly peerId: string
  readonly node: string
  readonly genomeHash: string
}

/** The decision on a handshake. */
export interface HandshakeDecision {
  readonly match: boolean
  readonly trust: Trust
}

/** What one exchange has moved. */
export interface SyncRecord {
  readonly received: number
  readonly sent: number
  /** Genes among what the peer sent. */
  readonly genes?: readonly BackupGene[]
  readonly read?: ReadPosition
  readonly given?: GivenFacts
}

/** Counts of a registry. */
export interface RegistryStats {
  readonly peers: number
  readonly trusted: number
  readonly expired: number
  readonly backups: number
  readonly syncs: number
  readonly factsReceived: number
  readonly factsSent: number
  /** Peers forgotten because there were too many. */
  readonly forgotten: number
}

export const DEFAULT_PEER_TIMEOUT_MS = 30 * 60 * 1000

/** Remembers the peers of the swarm (Go: `peer.Registry`). */
export class PeerRegistry {
  /** `peer_` and 24 hex digits. */
  readonly selfId: string
  readonly nodeName: string
  readonly peerTimeoutMs: number
  readonly #maxPeers: number
  readonly #storage: RegistryStorage | undefined
  readonly #now: () => number
  /** The one heard of last stands last. */
  readonly #peers = new Map<string, PeerRecord>()
  readonly #genes = new GeneArchive()
  #forgotten = 0
  #saving: Promise<void> = Promise.resolve()
  /** A save that has not begun, and so will keep what is changed by then. */
  #nextSave: Promise<void> | undefined

  /** @throws TypeError, RangeError for a name or option that makes no sense */
  constructor(nodeName: string, options: PeerRegistryOptions = {}) {
    const {
      peerTimeoutMs = DEFAULT_PEER_TIMEOUT_MS,
      maxPeers = 1024,
      selfId,
      storage,
      now = Date.now,
    } = options
    if (typeof nodeName !== 'string' || nodeName === '' || nodeName.length > 256) {
      throw new TypeError('nodeName must be a text of 1 to 256 units')
    }
    if (!(peerTimeoutMs > 0)) throw new RangeError('peerTimeoutMs must be above 0')
    if (!Number.isInteger(maxPeers) || maxPeers < 1)
      throw new RangeError('maxPeers must be a whole number from 1')
    if (selfId !== undefined && !isPeerId(selfId))
      throw new TypeError("selfId must be 'peer_' and 24 hex digits")
    this.nodeName = nodeName
    this.peerTimeoutMs = peerTimeoutMs
    this.#maxPeers = maxPeers
    this.#storage = storage
    this.#now = now
    this.selfId = selfId ?? `peer_${randomHex(12)}`
  }

  /** A registry as it was when it was last saved; a new one when it never was. */
  static async open(nodeName: string, options: PeerRegistryOptions): Promise<PeerRegistry> {
    const snapshot = await options.storage?.load()
    if (snapshot === undefined) return new this(nodeName, options)
    const registry = new this(nodeName, { ...options, selfId: options.selfId ?? snapshot.selfId })
    for (const peer of snapshot.peers) registry.#put(peer)
    for (const { peerId, genes, omitted } of snapshot.genes) registry.#genes.keep(peerId, genes, omitted)
    for (const backup of snapshot.backups) registry.#genes.restore(backup)
    return registry
  }

  /** Peers that are remembered, fallen ones with them. */
  get peerCount(): number {
    return this.#peers.size
  }

  get trustedCount(): number {
    return this.trustedPeers().length
  }

  get stats(): RegistryStats {
    const peers = [...this.#peers.values()]
    const sum = (of: (peer: PeerRecord) => number): number =>
      peers.reduce((total, peer) => total + of(peer), 0)
    return {
      peers: peers.length,
      trusted: this.trustedCount,
      expired: peers.filter((peer) => peer.trust === Trust.Expired).length,
      backups: this.#genes.backupCount,
      syncs: sum((peer) => peer.syncs),
      factsReceived: sum((peer) => peer.factsReceived),
      factsSent: sum((peer) => peer.factsSent),
      forgotten: this.#forgotten,
    }
  }

  get(peerId: string): PeerRecord | undefined {
    return this.#peers.get(peerId)
  }

  /** Who was heard of last comes last. */
  knownPeers(): PeerRecord[] {
    return [...this.#peers.values()]
  }

  trustedPeers(): PeerRecord[] {
    return this.knownPeers().filter((peer) => peer.trust === Trust.Verified)
  }

  /** Decides on a handshake (Go: `ProcessHandshake`). Remembers nothing: see {@link completeHandshake}. */
  processHandshake(peer: HandshakeInfo, ownGenomeHash: string): HandshakeDecision {
    const match = peer.genomeHash === ownGenomeHash && this.get(peer.peerId)?.trust !== Trust.Rejected
    return { match, trust: match ? Trust.Verified : Trust.Rejected }
  }

  /**
   * Remembers a peer as verified (Go: `CompleteHandshake`). The transport calls it when something of the exchange has
   * succeeded, not on the word of a peer alone.
   *
   * @throws TypeError when it claims our own id
   */
  completeHandshake(peer: HandshakeInfo): PeerRecord {
    if (peer.peerId === this.selfId) throw new TypeError('no peer has our own id')
    const now = this.#now()
    const before = this.#peers.get(peer.peerId)
    const record: PeerRecord = {
      syncs: 0,
      factsReceived: 0,
      factsSent: 0,
      firstSeen: now,
      ...before,
      id: peer.peerId,
      node: peer.node,
      genomeHash: peer.genomeHash,
      trust: Trust.Verified,
      lastSeen: now,
    }
    this.#put(record)
    return record
  }

  /**
   * Exchanges nothing with this peer again, until {@link completeHandshake} is called for it. False when it is not known:
   * then nothing is changed.
   */
  reject(peerId: string): boolean {
    return this.#change(peerId, (peer) => ({ ...peer, trust: Trust.Rejected }))
  }

  /** Notes that a peer was heard of just now; false when it is not known. */
  touch(peerId: string): boolean {
    return this.#change(peerId, (peer) => ({ ...peer, lastSeen: this.#now() }))
  }

  /** Notes what an exchange has moved; false when the peer is not known. */
  recordSync(peerId: string, sync: SyncRecord): boolean {
    if (!this.#peers.has(peerId)) return false
    this.#genes.keep(peerId, sync.genes ?? [])
    return this.#change(peerId, (peer) => ({
      ...peer,
      lastSeen: this.#now(),
      syncs: peer.syncs + 1,
      factsReceived: peer.factsReceived + sync.received,
      factsSent: peer.factsSent + sync.sent,
      ...(sync.read !== undefined && { read: sync.read }),
      ...(sync.given !== undefined && { given: sync.given }),
    }))
  }

  /** Gives up verified peers that were not heard of for too long and keeps their genes; answers who they are. */
  checkTimeouts(): PeerRecord[] {
    const now = this.#now()
    const fallen = this.trustedPeers().filter((peer) => now - peer.lastSeen > this.peerTimeoutMs)
    for (const peer of fallen) {
      this.#peers.set(peer.id, { ...peer, trust: Trust.Expired })
      const { id: peerId, node, genomeHash } = peer
      this.#genes.backUp({ peerId, node, genomeHash, expiredAt: now })
    }
    return fallen
  }

  /** The genes of a peer that has fallen; undefined when it has not. They stay when it comes back. */
  geneBackup(peerId: string): GeneBackup | undefined {
    return this.#genes.backup(peerId)
  }

  geneBackups(): GeneBackup[] {
    return this.#genes.backups()
  }

  snapshot(): RegistrySnapshot {
    return {
      version: 1,
      selfId: this.selfId,
      peers: this.knownPeers(),
      genes: this.#genes.living(),
      backups: this.geneBackups(),
    }
  }

  /** Has the storage keep it; resolves when it has. Without a storage there is nothing to do. */
  save(): Promise<void> {
    const storage = this.#storage
    if (storage === undefined) return Promise.resolve()
    if (this.#nextSave !== undefined) return this.#nextSave
    // One after the other, so that an older state never replaces a newer one.
    const saved = this.#saving.then(() => {
      this.#nextSave = undefined
      return storage.save(this.snapshot())
    })
    this.#nextSave = saved
    this.#saving = saved.catch(() => undefined)
    return saved
  }

  #change(peerId: string, change: (peer: PeerRecord) => PeerRecord): boolean {
    const peer = this.#peers.get(peerId)
    if (peer === undefined) return false
    this.#put(change(peer))
    return true
  }

  #put(peer: PeerRecord): void {
    this.#peers.delete(peer.id)
    this.#peers.set(peer.id, peer)
    if (this.#peers.size <= this.#maxPeers) return
    // Ids cost a peer nothing, so memory must not grow with them. Whom we rejected stays rejected.
    const silent = this.knownPeers()
    const victim = silent.find((other) => other.trust !== Trust.Rejected) ?? silent[0]
    if (victim === undefined) return
    this.#peers.delete(victim.id)
    this.#genes.forget(victim.id)
    ++this.#forgotten
  }
}
