// Encodes and decodes the values of a fact store on disk: facts, and places of facts. They are packed tightly, many to
// a block of memory, because a sync makes hundreds of thousands of them. Must not know LMDB.

import { unitsOf, type Fact, type FactLevel } from '../swarm/index.js'

/** A fact as it is stored, without its level, which is the table that contains it. */
export type StoredFact = Omit<Fact, 'level'>

/** The place of a fact: its table and its key there. */
export interface Place {
  readonly level: FactLevel
  readonly position: number
}

/** Turns values into bytes and back, in the form of LMDB's option `encoder`. */
export interface Codec<T> {
  encode(value: T): Buffer
  decode(bytes: Buffer): T
}

const BLOCK_BYTES = 1 << 16

/** Hands out pieces of blocks. A piece is never handed out again: LMDB reads it later, in a thread of its own. */
class Blocks {
  #block: Buffer = Buffer.alloc(0)
  #used = 0

  /** Returns a piece of at most `maxBytes`; `fill` writes it from `begin` on and returns where it ends. */
  piece(maxBytes: number, fill: (block: Buffer, begin: number) => number): Buffer {
    if (maxBytes > this.#block.length - this.#used) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, maxBytes))
      this.#used = 0
    }
    const begin = this.#used
    this.#used = fill(this.#block, begin)
    return this.#block.subarray(begin, this.#used)
  }
}

const IS_GENE = 1
const HAS_DOMAIN = 2
const HAS_MODULE = 4
const HAS_UPDATE = 8

/**
 * Flags; the lengths of id, domain, module and source in UTF-16 units; two times in Unix milliseconds. The texts
 * follow.
 */
const HEADER_BYTES = 1 + 4 * 2 + 2 * 8

/** Encodes a fact as a header and its texts, one after the other. */
export class FactCodec implements Codec<StoredFact> {
  readonly #blocks = new Blocks()

  encode(fact: StoredFact): Buffer {
    const { id, content, domain, module, isGene, source, createdAt, updatedAt } = fact
    return this.#blocks.piece(HEADER_BYTES + unitsOf(fact) * 3, (block, begin) => {
      block[begin] =
        (isGene ? IS_GENE : 0) |
        (domain === undefined ? 0 : HAS_DOMAIN) |
        (module === undefined ? 0 : HAS_MODULE) |
        (updatedAt === undefined ? 0 : HAS_UPDATE)
      block.writeUInt16LE(id.length, begin + 1)
      block.writeUInt16LE(domain?.length ?? 0, begin + 3)
      block.writeUInt16LE(module?.length ?? 0, begin + 5)
      block.writeUInt16LE(source.length, begin + 7)
      block.writeDoubleLE(createdAt.getTime(), begin + 9)
      block.writeDoubleLE(updatedAt?.getTime() ?? 0, begin + 17)
      const texts = id + (domain ?? '') + (module ?? '') + source + content
      return begin + HEADER_BYTES + block.write(texts, begin + HEADER_BYTES)
    })
  }

  decode(bytes: Buffer): StoredFact {
    const flags = bytes[0] ?? 0
    const texts = bytes.toString('utf8', HEADER_BYTES, bytes.length)
    const idEnd = bytes.readUInt16LE(1)
    const domainEnd = idEnd + bytes.readUInt16LE(3)
    const moduleEnd = domainEnd + bytes.readUInt16LE(5)
    const sourceEnd = moduleEnd + bytes.readUInt16LE(7)
    return {
      id: texts.slice(0, idEnd),
      content: texts.slice(sourceEnd),
      ...((flags & HAS_DOMAIN) !== 0 && { domain: texts.slice(idEnd, domainEnd) }),
      ...((flags & HAS_MODULE) !== 0 && { module: texts.slice(domainEnd, moduleEnd) }),
      isGene: (flags & IS_GENE) !== 0,
      source: texts.slice(moduleEnd, sourceEnd),
      createdAt: new Date(bytes.readDoubleLE(9)),
      ...((flags & HAS_UPDATE) !== 0 && { updatedAt: new Date(bytes.readDoubleLE(17)) }),
    }
  }
}

const PLACE_BYTES = 1 + 8

/** Encodes a place as its level and its position. */
export class PlaceCodec implements Codec<Place> {
  readonly #blocks = new Blocks()

  encode({ level, position }: Place): Buffer {
    return this.#blocks.piece(PLACE_BYTES, (block, begin) => {
      block[begin] = level
      return block.writeDoubleLE(position, begin + 1)
    })
  }

  decode(bytes: Buffer): Place {
    return { level: (bytes[0] ?? 0) as FactLevel, position: bytes.readDoubleLE(1) }
  }
}
