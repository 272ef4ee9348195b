// Lays messages out as the lines that go over the wire, finds those that are none, and keeps the lines in memory that is used
// again. Must not know numbers or connections.

import { frameBytes } from '../../message/envelope.js'
import { countFrames, FrameText } from '../../wire/batch.js'
import { frameOf, isChecked, sizeBound, type SOCMessage } from '../../message/message.js'
import { returnSlab, takeSlab } from '../../wire/slabs.js'

/** Lines are written when they come to about this much. */
const RUN_BYTES = 1 << 16
/** Lines that come to this or less share memory with others. */
const TINY_BYTES = 1 << 12

/** Messages laid out, and whose they are. */
export interface Drafted<Owner> {
  readonly lines: Buffer
  readonly count: number
  /** What the messages count for in bounds. */
  readonly bytes: number
  /** Owners of the messages, in order; the messages of each end before the index in `ends`. */
  readonly owners: readonly Owner[]
  readonly ends: readonly number[]
  /** Messages whose raw payload is not JSON, which are not among the lines. */
  readonly refused: readonly { readonly message: SOCMessage; readonly owner: Owner }[]
  /** The memory of the lines, to be given back. */
  readonly slab: Buffer | undefined
}

export class LineDraft<Owner> {
  readonly #text = new FrameText()
  #messages: SOCMessage[] = []
  #owners: Owner[] = []
  #ends: number[] = []
  #units = 0
  #bytes = 0
  #checked = true

  /** Messages in it. */
  get count(): number {
    return this.#messages.length
  }

  /** Adds a message, which must not be too large; answers whether there is room for more. */
  add(message: SOCMessage, owner: Owner): boolean {
    this.#units += this.#text.add(message)
    this.#bytes += sizeBound(message)
    this.#checked &&= isChecked(message)
    const count = this.#messages.push(message)
    const last = this.#owners.length - 1
    if (last >= 0 && this.#owners[last] === owner) {
      this.#ends[last] = count
    } else {
      this.#owners.push(owner)
      this.#ends.push(count)
    }
    return this.#units < RUN_BYTES
  }

  /** Lays out what was added. */
  finish(): Drafted<Owner> {
    const slab = takeSlab(this.#text.complete())
    const size = this.#text.encode(slab, 0)
    this.#text.clear()
    if (!this.#checked && countFrames(slab.subarray(0, size)) !== this.#messages.length) {
      returnSlab(slab)
      return this.#finishWithoutInvalid()
    }
    const drafted = {
      ...keptIn(slab, size),
      count: this.#messages.length,
      bytes: this.#bytes,
      owners: this.#owners,
      ends: this.#ends,
      refused: [],
    }
    this.#clear()
    return drafted
  }

  #finishWithoutInvalid(): Drafted<Owner> {
    const messages = this.#messages
    const owners = this.#owners
    const ends = this.#ends
    this.#clear()
    const refused: { message: SOCMessage; owner: Owner }[] = []
    let at = 0
    messages.forEach((message, i) => {
      if (i === ends[at]) ++at
      const owner = owners[at] as Owner
      if (isChecked(message) || countFrames(frameBytes(frameOf(message))) === 1) this.add(message, owner)
      else refused.push({ message, owner })
    })
    this.#checked = true
    return { ...this.finish(), refused }
  }

  #clear(): void {
    this.#messages = []
    this.#owners = []
    this.#ends = []
    this.#units = 0
    this.#bytes = 0
    this.#checked = true
  }
}

/** The lines where they can stay: a little must not hold much memory until it is acknowledged. */
function keptIn(slab: Buffer, size: number): { lines: Buffer; slab: Buffer | undefined } {
  if (size <= TINY_BYTES) {
    const lines = Buffer.from(slab.subarray(0, size))
    returnSlab(slab)
    return { lines, slab: undefined }
  }
  const better = takeSlab(size)
  if (better.length >= slab.length) {
    returnSlab(better)
    return { lines: slab.subarray(0, size), slab }
  }
  slab.copy(better, 0, 0, size)
  returnSlab(slab)
  return { lines: better.subarray(0, size), slab: better }
}
