// The registry of the swarm: this node's own id, the peers it has met, how far it trusts them and how far it has read
// their stores. Must not know connections or the form of messages.

import { randomHex } from '../../base/crypto.js'
import { GeneArchive } from './gene-archive.js'
import {
  parseSnapshot,
  Trust,
  type BackupGene,
  type GeneBackup,
  type GivenFacts,
  type PeerRecord,
  type ReadPosition,
  type RegistrySnapshot,
} from './peer-record.js'
import { checkedRegistry, type PeerRegistryOptions, type RegistryStats } from './registry-options.js'
import { RegistrySaver } from './registry-saver.js'

/** A peer, as it describes itself in a handshake. */
export interface HandshakeInfo {
  /** Id of the peer. */
  readonly peerId: string
  /** Node name of the peer. */
  readonly node: string
  /** Hash of the genes of the peer. */
  readonly genomeHash: string
}

/** The decision on a handshake (Go: the result of `ProcessHandshake`). */
export interface HandshakeDecision {
  /** Whether both genomes are the same. */
  readonly match: boolean
  /** How far the peer is trusted from now on. */
  readonly trust: Trust
}

/** The facts that one exchange moved. */
export interface SyncRecord {
  /** Facts that came from the peer. */
  readonly received: number
  /** Facts that went to the peer. */
  readonly sent: number
  /** Genes among the facts that the peer sent. */
  readonly genes?: readonly BackupGene[]
  /** How far the peer's store was read. */
  readonly read?: ReadPosition
  /** The facts that a Go listener was given. */
  readonly given?: GivenFacts
}

/** Remembers the peers of the swarm (Go: `peer.Registry`). */
export class PeerRegistry {
  /** This node's id: `peer_` and 24 hex digits. */
  readonly selfId: string
  /** This node's name, as sent to peers. */
  readonly nodeName: string
  /** Milliseconds after which a silent peer expires. */
  readonly peerTimeoutMs: number
  readonly #maxPeers: number
  readonly #now: () => number
  readonly #monotonicNow: () => number
  /** In the order in which they were last heard from. */
  readonly #peers = new Map<string, PeerRecord>()
  /** When each peer was last heard from, by the monotonic clock. */
  readonly #heardAtMs = new Map<string, number>()
  readonly #genes = new GeneArchive()
  #forgotten = 0
  readonly #saver: RegistrySaver

  /**
   * @param nodeName 1 to 256 UTF-16 units
   * @throws TypeError, RangeError for a name or option out of its bounds
   */
  constructor(nodeName: string, options?: PeerRegistryOptions) {
    const { peerTimeoutMs, maxPeers, selfId, storage, now, monotonicNow } = checkedRegistry(nodeName, options)
    this.nodeName = nodeName
    this.peerTimeoutMs = peerTimeoutMs
    this.#maxPeers = maxPeers
    this.#now = now
    this.#monotonicNow = monotonicNow
    this.selfId = selfId ?? `peer_${randomHex(12)}`
    this.#saver = new RegistrySaver(storage, () => this.snapshot())
  }

  /**
   * Returns the registry as it was last saved, or a new one if the storage holds none.
   *
   * @throws TypeError if the storage returns something that is not a snapshot; any error of its `load`
   */
  static async open(nodeName: string, options: PeerRegistryOptions = {}): Promise<PeerRegistry> {
    const loaded = await checkedRegistry(nodeName, options).storage?.load()
    if (loaded === undefined) return new this(nodeName, options)
    const snapshot = parseSnapshot(loaded)
    const registry = new this(nodeName, { ...options, selfId: options.selfId ?? snapshot.selfId })
    const nowMs = registry.#now()
    for (const peer of snapshot.peers) {
      // Only the time of day survives a restart. If it was set back, a peer must not appear to have been heard from in
      // the future.
      registry.#put(peer, registry.#monotonicNow() - Math.max(0, nowMs - peer.lastSeen))
    }
    for (const { peerId, genes, omitted } of snapshot.genes) registry.#genes.keep(peerId, genes, omitted)
    for (const backup of snapshot.backups) registry.#genes.restore(backup)
    registry.#saver.loaded()
    return registry
  }

  /** Peers remembered, including expired and rejected ones. */
  get peerCount(): number {
    return this.#peers.size
  }

  /** Peers verified and not expired. */
  get trustedCount(): number {
    return this.trustedPeers().length
  }

  /** Counts of the registry, as of now. */
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

  /** Returns the peer with this id; undefined if it is not known. */
  get(peerId: string): PeerRecord | undefined {
    return this.#peers.get(peerId)
  }

  /** Returns all peers, the one heard from last at the end. */
  knownPeers(): PeerRecord[] {
    return [...this.#peers.values()]
  }

  /** Returns the peers that are verified and not expired, the one heard from last at the end. */
  trustedPeers(): PeerRecord[] {
    return this.knownPeers().filter((peer) => peer.trust === Trust.Verified)
  }

  /** Decides on a handshake (Go: `ProcessHandshake`). Changes nothing: see {@link completeHandshake}. */
  processHandshake(peer: HandshakeInfo, ownGenomeHash: string): HandshakeDecision {
    const match = peer.genomeHash === ownGenomeHash && this.get(peer.peerId)?.trust !== Trust.Rejected
    return { match, trust: match ? Trust.Verified : Trust.Rejected }
  }

  /**
   * Records a peer as verified (Go: `CompleteHandshake`). The transport calls this only after facts were exchanged,
   * never because of the handshake alone.
   *
   * @throws TypeError if the peer claims this node's own id
   */
  completeHandshake(peer: HandshakeInfo): PeerRecord {
    if (peer.peerId === this.selfId) throw new TypeError('a peer cannot have the id of this node')
    const nowMs = this.#now()
    const before = this.#peers.get(peer.peerId)
    const record: PeerRecord = {
      syncs: 0,
      factsReceived: 0,
      factsSent: 0,
      firstSeen: nowMs,
      ...before,
      id: peer.peerId,
      node: peer.node,
      genomeHash: peer.genomeHash,
      trust: Trust.Verified,
      lastSeen: nowMs,
    }
    this.#put(record)
    return record
  }

  /**
   * Rejects a peer: nothing is exchanged with it until {@link completeHandshake} is called for it. Returns false, and
   * changes nothing, if it is not known.
   */
  reject(peerId: string): boolean {
    const heardAtMs = this.#heardAtMs.get(peerId)
    return this.#change(peerId, (peer) => ({ ...peer, trust: Trust.Rejected }), heardAtMs)
  }

  /** Records that a peer was heard from just now. Returns false if it is not known. */
  touch(peerId: string): boolean {
    return this.#change(peerId, (peer) => ({ ...peer, lastSeen: this.#now() }))
  }

  /** Records the facts that an exchange moved. Returns false if the peer is not known. */
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

  /**
   * Expires the verified peers that were silent for longer than `peerTimeoutMs`, backs up their genes, and returns
   * these peers.
   */
  checkTimeouts(): PeerRecord[] {
    const nowMs = this.#monotonicNow()
    const fallen = this.trustedPeers().filter(
      ({ id }) => nowMs - (this.#heardAtMs.get(id) ?? nowMs) > this.peerTimeoutMs,
    )
    if (fallen.length > 0) this.#saver.changed()
    for (const peer of fallen) {
      this.#peers.set(peer.id, { ...peer, trust: Trust.Expired })
      const { id: peerId, node, genomeHash } = peer
      this.#genes.backUp({ peerId, node, genomeHash, expiredAt: this.#now() })
    }
    return fallen
  }

  /** Returns the backup of a peer's genes; undefined if it never expired. The backup stays when the peer comes back. */
  geneBackup(peerId: string): GeneBackup | undefined {
    return this.#genes.backup(peerId)
  }

  /** Returns the backups of all peers that expired, the latest at the end. */
  geneBackups(): GeneBackup[] {
    return this.#genes.backups()
  }

  /** Returns everything that the registry remembers, as plain JSON. */
  snapshot(): RegistrySnapshot {
    return {
      version: 1,
      selfId: this.selfId,
      peers: this.knownPeers(),
      genes: this.#genes.living(),
      backups: this.geneBackups(),
    }
  }

  /**
   * Saves the registry to its storage, if anything changed since the last save. Calls while a save is under way share
   * the next one. Without a storage this does nothing.
   *
   * @throws any error of the storage's `save`
   */
  save(): Promise<void> {
    return this.#saver.save()
  }

  #change(peerId: string, change: (peer: PeerRecord) => PeerRecord, heardAtMs?: number): boolean {
    const peer = this.#peers.get(peerId)
    if (peer === undefined) return false
    this.#put(change(peer), heardAtMs)
    return true
  }

  #put(peer: PeerRecord, heardAtMs = this.#monotonicNow()): void {
    this.#saver.changed()
    this.#peers.delete(peer.id)
    this.#peers.set(peer.id, peer)
    this.#heardAtMs.set(peer.id, heardAtMs)
    if (this.#peers.size <= this.#maxPeers) return
    // A peer can invent any number of ids, so memory must not grow with them. Rejected peers are forgotten last, so
    // that they stay rejected.
    const silent = this.knownPeers()
    const victim = silent.find((other) => other.trust !== Trust.Rejected) ?? silent[0]
    if (victim === undefined) return
    this.#peers.delete(victim.id)
    this.#heardAtMs.delete(victim.id)
    this.#genes.forget(victim.id)
    ++this.#forgotten
  }
}
