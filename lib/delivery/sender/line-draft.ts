// Encodes messages as the numbered lines of the wire, finds invalid messages, and keeps the lines in reused memory.

import { NUMBER_BYTES } from '../../binding/abi.js'
import type { IpcError } from '../../base/errors.js'
import { countFrames, FrameText } from '../../wire/batch.js'
import { sizeBound, type SOCMessage } from '../../message/message.js'
import { returnSlab, takeSlab } from '../../wire/slabs.js'
import { numberLines } from '../protocol/lines.js'
import { needsCheck, refusalOf } from './refusal.js'

// As a constant of this module: in the bundle for require(), an imported one costs a call each time that it is read.
const boundOf = sizeBound
/** Lines are written when they reach about this many bytes: with their numbers they fit a slab of 64 KiB. */
const RUN_BYTES = 60_000
/** Lines of at most this many bytes share memory with others. */
const TINY_BYTES = 1 << 12

/** A message that cannot be sent. */
export interface Refused<Owner> {
  readonly message: SOCMessage
  readonly owner: Owner
  readonly error: IpcError
}

/** Messages laid out, and their owners. */
export interface Drafted<Owner> {
  /** Number of the first line. */
  readonly first: number
  readonly lines: Buffer
  readonly count: number
  /** The size with which the messages count towards the bounds. */
  readonly bytes: number
  /** Owners of the messages, in order; the messages of each end before the index in `ends`. */
  readonly owners: readonly Owner[]
  readonly ends: readonly number[]
  /** Messages that are not among the lines. */
  readonly refused: readonly Refused<Owner>[]
  /** The slab of the lines, to be returned later. */
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

  /** Number of messages in the draft. */
  get count(): number {
    return this.#messages.length
  }

  /** Whether it is time to lay the draft out. */
  get full(): boolean {
    return this.#units >= RUN_BYTES
  }

  /** Adds a message, which must not be too large; returns whether there is room for more. */
  add(message: SOCMessage, owner: Owner): boolean {
    this.#append(message)
    this.#noteOwner(owner)
    return !this.full
  }

  /**
   * Adds messages of one owner from an index on, until the draft is full. None of them may be too large. Returns the
   * index of the first one that was not added.
   */
  addRun(messages: readonly SOCMessage[], from: number, owner: Owner): number {
    const { length } = messages
    let next = from
    while (next < length && !this.full) this.#append(messages[next++] as SOCMessage)
    this.#noteOwner(owner)
    return next
  }

  #append(message: SOCMessage): void {
    this.#units += this.#text.add(message)
    this.#bytes += boundOf(message)
    this.#checked &&= !needsCheck(message)
    this.#messages.push(message)
  }

  /** Notes the owner of the messages that were added since the last call. */
  #noteOwner(owner: Owner): void {
    const last = this.#owners.length - 1
    if (last >= 0 && this.#owners[last] === owner) {
      this.#ends[last] = this.#messages.length
    } else {
      this.#owners.push(owner)
      this.#ends.push(this.#messages.length)
    }
  }

  /** Lays out the added messages, with the numbers from `first` on. */
  finish(first: number): Drafted<Owner> {
    return this.#finish(first, [])
  }

  #finish(first: number, refused: readonly Refused<Owner>[]): Drafted<Owner> {
    const draft = takeSlab(this.#text.complete())
    const size = this.#text.encode(draft, 0)
    this.#text.clear()
    const count = this.#messages.length
    if (!this.#checked && countFrames(draft, 0, size) !== count) {
      returnSlab(draft)
      return this.#finishWithoutRefused(first)
    }
    // Memory of suitable size, so that a few lines do not hold much of it until they are settled.
    const bound = size + count * NUMBER_BYTES
    const slab = bound <= TINY_BYTES ? undefined : takeSlab(bound)
    const target = slab ?? Buffer.allocUnsafe(bound)
    const lines = target.subarray(0, numberLines(draft, size, target, 0, first))
    returnSlab(draft)
    // Written out: with a spread, V8 takes a microsecond for each property that follows it.
    const drafted: Drafted<Owner> = {
      first,
      lines,
      count,
      bytes: this.#bytes,
      owners: this.#owners,
      ends: this.#ends,
      refused,
      slab,
    }
    this.#clear()
    return drafted
  }

  #finishWithoutRefused(first: number): Drafted<Owner> {
    const messages = this.#messages
    const owners = this.#owners
    const ends = this.#ends
    this.#clear()
    const refused: Refused<Owner>[] = []
    let at = 0
    messages.forEach((message, i) => {
      if (i === ends[at]) ++at
      const owner = owners[at] as Owner
      const error = needsCheck(message) ? refusalOf(message) : undefined
      if (error === undefined) this.add(message, owner)
      else refused.push({ message, owner, error })
    })
    this.#checked = true
    return this.#finish(first, refused)
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
