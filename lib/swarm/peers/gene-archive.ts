// The genes that peers have sent, within bounds: those of the living, and backups of the fallen. Must not know how peers
// are met or when one has fallen.

import type { BackupGene, GeneBackup, PeerGenes } from './peer-record.js'

/** Genes kept for one peer, in numbers and in UTF-16 units. */
const MAX_GENES = 1000
const MAX_GENE_UNITS = 1 << 20
/** Units of all living peers, and of all backups: ids cost a peer nothing, and all of it has to fit one file. */
const MAX_ALL_UNITS = 1 << 24
const MAX_BACKUPS = 64

interface Genes {
  readonly byId: Map<string, BackupGene>
  units: number
  omitted: number
}

/** Keeps genes by peer. */
export class GeneArchive {
  readonly #living = new Map<string, Genes>()
  #livingUnits = 0
  /** The one that fell last stands last. */
  readonly #backups = new Map<string, GeneBackup>()
  #backupUnits = 0

  get backupCount(): number {
    return this.#backups.size
  }

  /** Keeps genes of a peer, as far as there is room; counts the others, and those that had no room elsewhere. */
  keep(peerId: string, genes: readonly BackupGene[], omitted = 0): void {
    if (genes.length === 0 && omitted === 0) return
    const kept = this.#genesOf(peerId)
    kept.omitted += omitted
    for (const { id, content } of genes) {
      if (kept.byId.has(id)) continue
      const units = id.length + content.length
      if (
        kept.byId.size >= MAX_GENES ||
        kept.units + units > MAX_GENE_UNITS ||
        this.#livingUnits + units > MAX_ALL_UNITS
      ) {
        ++kept.omitted
        continue
      }
      kept.byId.set(id, { id, content })
      kept.units += units
      this.#livingUnits += units
    }
  }

  /** Forgets a living peer. A backup stays. */
  forget(peerId: string): void {
    this.#livingUnits -= this.#living.get(peerId)?.units ?? 0
    this.#living.delete(peerId)
  }

  /** Makes the backup of a peer that has fallen. What a former one holds goes into it, as a peer sends a gene once only. */
  backUp(peer: Pick<GeneBackup, 'peerId' | 'node' | 'genomeHash' | 'expiredAt'>): void {
    const { peerId } = peer
    const before = this.#backups.get(peerId)
    if (before !== undefined) this.keep(peerId, before.genes, before.omitted)
    const genes = this.#living.get(peerId)
    this.forget(peerId)
    const { node, genomeHash, expiredAt } = peer
    this.restore({
      peerId,
      node,
      genomeHash,
      genes: [...(genes?.byId.values() ?? [])],
      omitted: genes?.omitted ?? 0,
      expiredAt,
    })
  }

  /** Puts a backup back; where there are too many, the oldest make room. */
  restore(backup: GeneBackup): void {
    this.#drop(backup.peerId)
    this.#backups.set(backup.peerId, backup)
    this.#backupUnits += unitsOf(backup)
    for (const oldest of this.#backups.keys()) {
      if (this.#backups.size <= MAX_BACKUPS && this.#backupUnits <= MAX_ALL_UNITS) break
      this.#drop(oldest)
    }
  }

  /** The backup of a peer; undefined when it never fell. It stays when the peer comes back. */
  backup(peerId: string): GeneBackup | undefined {
    return this.#backups.get(peerId)
  }

  backups(): GeneBackup[] {
    return [...this.#backups.values()]
  }

  living(): PeerGenes[] {
    return [...this.#living].map(([peerId, { byId, omitted }]) => ({
      peerId,
      genes: [...byId.values()],
      omitted,
    }))
  }

  #drop(peerId: string): void {
    const backup = this.#backups.get(peerId)
    if (backup === undefined) return
    this.#backups.delete(peerId)
    this.#backupUnits -= unitsOf(backup)
  }

  #genesOf(peerId: string): Genes {
    let genes = this.#living.get(peerId)
    if (genes === undefined) this.#living.set(peerId, (genes = { byId: new Map(), units: 0, omitted: 0 }))
    return genes
  }
}

function unitsOf({ genes }: GeneBackup): number {
  return genes.reduce((sum, { id, content }) => sum + id.length + content.length, 0)
}
