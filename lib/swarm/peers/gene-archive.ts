// The genes that peers have sent, within bounds: genes of living peers, and backups of the genes of expired ones. Must
// not know how peers are met or when one expires.

import type { BackupGene, GeneBackup, PeerGenes } from './peer-record.js'

/** Genes kept for one peer: their number, and their size in UTF-16 units. */
const MAX_GENES = 1000
const MAX_GENE_UNITS = 1 << 20
/**
 * Units of all living peers, and separately of all backups: a peer can invent any number of ids, and everything must
 * fit one file.
 */
const MAX_ALL_UNITS = 1 << 24
/** Units charged for a gene besides its texts: about the memory of its objects. */
const GENE_OVERHEAD_UNITS = 64
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
  /** In the order in which the peers expired. */
  readonly #backups = new Map<string, GeneBackup>()
  #backupUnits = 0

  get backupCount(): number {
    return this.#backups.size
  }

  /**
   * Keeps genes of a peer as far as there is room, and counts the rest. `omitted` adds genes that were left out
   * earlier.
   */
  keep(peerId: string, genes: readonly BackupGene[], omitted = 0): void {
    if (genes.length === 0 && omitted === 0) return
    const kept = this.#genesOf(peerId)
    kept.omitted += omitted
    for (const { id, content } of genes) {
      if (kept.byId.has(id)) continue
      const units = sizeOf({ id, content })
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

  /**
   * Makes the backup of a peer that expired. The backup includes an earlier one, because a peer sends each gene only
   * once.
   */
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

  /** Adds a backup. If there are too many, the oldest are dropped. */
  restore(backup: GeneBackup): void {
    this.#drop(backup.peerId)
    this.#backups.set(backup.peerId, backup)
    this.#backupUnits += unitsOf(backup)
    for (const oldest of this.#backups.keys()) {
      if (this.#backups.size <= MAX_BACKUPS && this.#backupUnits <= MAX_ALL_UNITS) break
      this.#drop(oldest)
    }
  }

  /** Returns the backup of a peer; undefined if it never expired. */
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
  return genes.reduce((sum, gene) => sum + sizeOf(gene), 0)
}

function sizeOf({ id, content }: BackupGene): number {
  return id.length + content.length + GENE_OVERHEAD_UNITS
}
