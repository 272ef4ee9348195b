// Messages to be stored in a spool, as numbered lines: collected until the end of the tick, split into records of
// suitable size, and encoded once for both the spool and the wire.

import { NUMBER_BYTES } from '../../binding/abi.js'
import { invalidPayload } from '../../message/envelope.js'
import { countFrames, FrameText } from '../../wire/batch.js'
import { priorityOf } from '../../endpoints/message-queue.js'
import type { SOCMessage } from '../../message/message.js'
import { RECORD_BYTES } from '../../spool/messages.js'
import type { SpoolEntry } from '../../spool/spool-log.js'
import { returnSlab, takeSlab } from '../../wire/slabs.js'
import { numberLines } from '../protocol/lines.js'
import type { Completion } from './outcome.js'
import { needsCheck, refusalOf } from './refusal.js'

/** Memory of a record; longer ones get their own. */
const BUFFER_BYTES = 1 << 17
/** Number of buffers kept for the next records. */
const MAX_SPARE = 64

/** The messages of one record. */
interface Block {
  readonly buffer: Buffer
  end: number
  count: number
  readonly priorities: [number, number, number]
  readonly owners: [owner: Completion, messages: number][]
}

/** A record that is ready to be stored, and the sends that its messages belong to. */
export interface DraftRecord extends SpoolEntry {
  readonly owners: readonly (readonly [owner: Completion, messages: number])[]
}

/** A position in a draft, to return to. */
export interface DraftMark {
  readonly blocks: number
  readonly count: number
  readonly last:
    { readonly end: number; readonly count: number; readonly priorities: readonly number[] } | undefined
}

export class SpoolDraft {
  readonly #headerBytes: number
  readonly #overheadBytes: number
  readonly #text = new FrameText()
  #blocks: Block[] = []
  #spare: Buffer[] = []
  /** Memory that may be reused. */
  readonly #own = new WeakSet<ArrayBufferLike>()
  #count = 0

  /** @param headerBytes room that the spool needs in front of the lines of a record */
  constructor(headerBytes: number, overheadBytes: number) {
    this.#headerBytes = headerBytes
    this.#overheadBytes = overheadBytes
  }

  /** Messages in it. */
  get count(): number {
    return this.#count
  }

  /** The size with which its records will count. */
  get bytes(): number {
    let bytes = 0
    for (const { end } of this.#blocks) bytes += end - this.#headerBytes + this.#overheadBytes
    return bytes
  }

  /**
   * Adds messages; returns the position of the draft before. `next` is the number of the first line in the draft.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE when one of them cannot be sent; then nothing was added
   */
  add(messages: readonly SOCMessage[], next: number): DraftMark {
    const before = this.#mark()
    try {
      for (let from = 0; from < messages.length;) from = this.#layOut(messages, from, next)
    } catch (error) {
      this.#text.clear()
      this.rollBack(before)
      throw error
    }
    return before
  }

  /** Removes the messages added since a position. */
  rollBack({ blocks, count, last }: DraftMark): void {
    for (const { buffer } of this.#blocks.splice(blocks)) this.recycle(buffer)
    this.#count = count
    const block = this.#blocks.at(-1)
    if (block === undefined || last === undefined) return
    block.end = last.end
    block.count = last.count
    last.priorities.forEach((messages, rank) => (block.priorities[rank as 0] = messages))
  }

  /** Notes the send that the messages added since belong to. */
  assign(owner: Completion, since: DraftMark): void {
    const before = since.last?.count ?? 0
    for (let i = Math.max(0, since.blocks - 1); i < this.#blocks.length; ++i) {
      const block = this.#blocks[i] as Block
      const messages = i < since.blocks ? block.count - before : block.count
      if (messages > 0) block.owners.push([owner, messages])
    }
  }

  /** Removes and returns all records, to be stored. */
  take(): DraftRecord[] {
    const blocks = this.#blocks
    this.#blocks = []
    this.#count = 0
    return blocks.map(({ buffer, end, count, priorities, owners }) => {
      let value = buffer.subarray(0, end)
      if (end * 2 < buffer.length) {
        // A few bytes must not keep a large block alive until they are acknowledged.
        value = Buffer.allocUnsafeSlow(end)
        buffer.copy(value, 0, 0, end)
        this.recycle(buffer)
      }
      return { count, priorities, value, owners }
    })
  }

  /** Takes back the memory of a record that is no longer read. Call it once. Ignores memory from elsewhere. */
  recycle({ buffer }: Buffer): void {
    if (this.#own.has(buffer) && this.#spare.length < MAX_SPARE) this.#spare.push(Buffer.from(buffer))
  }

  /** Encodes messages from `from` on until a record is full. Returns the index of the next message. */
  #layOut(messages: readonly SOCMessage[], from: number, next: number): number {
    const text = this.#text
    const priorities: [number, number, number] = [0, 0, 0]
    let checked = true
    let units = 0
    let to = from
    while (to < messages.length && units < RECORD_BYTES) {
      const message = messages[to++] as SOCMessage
      units += text.add(message)
      checked &&= !needsCheck(message)
      ++priorities[priorityOf(message.type)]
    }
    const slab = takeSlab(text.complete())
    const bytes = text.encode(slab, 0)
    text.clear()
    const valid = checked || countFrames(slab.subarray(0, bytes)) === to - from
    if (valid) this.#append(slab, bytes, to - from, next + this.#count, priorities)
    returnSlab(slab)
    if (valid) return to
    for (const message of messages.slice(from, to)) {
      const error = needsCheck(message) ? refusalOf(message) : undefined
      if (error !== undefined) throw error
    }
    throw invalidPayload()
  }

  #append(slab: Buffer, bytes: number, count: number, first: number, priorities: readonly number[]): void {
    const bound = bytes + count * NUMBER_BYTES
    let block = this.#blocks.at(-1)
    if (
      block === undefined ||
      block.end - this.#headerBytes >= RECORD_BYTES ||
      block.buffer.length - block.end < bound
    ) {
      block = this.#newBlock(bound)
      this.#blocks.push(block)
    }
    block.end = numberLines(slab, bytes, block.buffer, block.end, first)
    block.count += count
    priorities.forEach((messages, rank) => (block.priorities[rank as 0] += messages))
    this.#count += count
  }

  #newBlock(bytes: number): Block {
    const size = this.#headerBytes + bytes
    let buffer = size > BUFFER_BYTES ? Buffer.allocUnsafeSlow(size) : this.#spare.pop()
    if (buffer === undefined) {
      buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
      this.#own.add(buffer.buffer)
    }
    return { buffer, end: this.#headerBytes, count: 0, priorities: [0, 0, 0], owners: [] }
  }

  #mark(): DraftMark {
    const last = this.#blocks.at(-1)
    return {
      blocks: this.#blocks.length,
      count: this.#count,
      last: last && { end: last.end, count: last.count, priorities: [...last.priorities] },
    }
  }
}
