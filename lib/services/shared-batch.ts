// Messages encoded once as lines, for any number of subscribers: the batch being built, and its lines.

import { invalidPayload, frameBytes } from '../message/envelope.js'
import { frameOf, isChecked, type SOCMessage } from '../message/message.js'
import { FrameText } from '../wire/batch.js'
import { countFrames } from '../wire/batch.js'
import { returnSlab, takeSlab } from '../wire/slabs.js'

/** A batch of about this size goes out without waiting for more. */
const BATCH_BYTES = 1 << 16
const NEWLINE = 10

/** The types that a subscriber wants. Equal sets of types have equal keys. */
export interface TypeFilter {
  readonly key: string
  readonly types: ReadonlySet<string>
}

/** Whole lines that never change. */
export class Lines {
  readonly bytes: Buffer
  /** Number of lines. */
  readonly count: number
  #ends: Int32Array | undefined

  constructor(bytes: Buffer, count: number, ends?: Int32Array) {
    this.bytes = bytes
    this.count = count
    this.#ends = ends
  }

  /** Offset of the end of each line, after its newline. Computed on first access: few subscribers need it. */
  get ends(): Int32Array {
    return (this.#ends ??= this.#findEnds())
  }

  /** The bytes of the lines [from, to). */
  slice(from: number, to: number): Buffer {
    if (from === 0 && to === this.count) return this.bytes
    return this.bytes.subarray(from === 0 ? 0 : this.ends[from - 1], this.ends[to - 1])
  }

  #findEnds(): Int32Array {
    const ends = new Int32Array(this.count)
    for (let i = 0, end = 0; i < this.count; ++i) {
      end = this.bytes.indexOf(NEWLINE, end) + 1
      ends[i] = end
    }
    return ends
  }
}

/**
 * The lines of one batch. Their memory is recycled: use `lines` only until {@link SharedBatch.release}, and `kept` to
 * keep them longer.
 */
export class SharedBatch {
  readonly lines: Lines
  readonly #slab: Buffer
  readonly #types: readonly string[]
  #kept: Lines | undefined
  #selections: Map<string, Lines | undefined> | undefined
  #held = false

  constructor(slab: Buffer, end: number, types: readonly string[]) {
    this.#slab = slab
    this.#types = types
    this.lines = new Lines(slab.subarray(0, end), types.length)
  }

  /** A copy of the lines, made once for all subscribers that keep them. */
  get kept(): Lines {
    return (this.#kept ??= new Lines(Buffer.from(this.lines.bytes), this.lines.count))
  }

  /** The lines of these types, copied once for all subscribers with this filter; undefined if there are none. */
  select(filter: TypeFilter): Lines | undefined {
    const selections = (this.#selections ??= new Map<string, Lines | undefined>())
    if (!selections.has(filter.key)) selections.set(filter.key, this.#select(filter.types))
    return selections.get(filter.key)
  }

  /** Notes that a socket still reads the lines, so that their memory is not reused. */
  hold(): void {
    this.#held = true
  }

  /** Releases the memory. Call when the lines have been offered to all subscribers. */
  release(): void {
    if (!this.#held) returnSlab(this.#slab)
  }

  #select(wanted: ReadonlySet<string>): Lines | undefined {
    const { bytes, ends } = this.lines
    const parts: Buffer[] = []
    let count = 0
    for (let i = 0; i < this.#types.length;) {
      const from = i
      while (i < this.#types.length && wanted.has(this.#types[i] as string)) ++i
      if (i > from) parts.push(bytes.subarray(from === 0 ? 0 : ends[from - 1], ends[i - 1]))
      count += i - from
      while (i < this.#types.length && !wanted.has(this.#types[i] as string)) ++i
    }
    return count === 0 ? undefined : new Lines(Buffer.concat(parts), count)
  }
}

/** The batch being built. */
export class BatchDraft {
  readonly #text = new FrameText()
  #types: string[] = []
  #size = 0

  get empty(): boolean {
    return this.#types.length === 0
  }

  /** Whether the batch is large enough to be sent. */
  get full(): boolean {
    return this.#size >= BATCH_BYTES
  }

  /** @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE; the batch is as it was */
  add(message: SOCMessage): void {
    if (isChecked(message)) {
      this.#size += this.#text.add(message)
    } else {
      const bytes = frameBytes(frameOf(message))
      if (countFrames(bytes) !== 1) throw invalidPayload()
      this.#size += this.#text.addLines(bytes)
    }
    this.#types.push(message.type)
  }

  /** Encodes the batch, and begins a new one. */
  take(): SharedBatch {
    const slab = takeSlab(this.#text.complete())
    const batch = new SharedBatch(slab, this.#text.encode(slab, 0), this.#types)
    this.#text.clear()
    this.#types = []
    this.#size = 0
    return batch
  }
}
