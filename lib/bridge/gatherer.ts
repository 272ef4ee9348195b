// Gathers messages of local senders into batches of one type each. The messages of one session leave in their order,
// whatever their types; messages of different sessions may overtake each other, which keeps batches large where many
// senders mix types.

import { indexAtLeast } from '../base/sorted.js'
import type { AcknowledgingReceiver } from '../delivery/receiver/acknowledging-receiver.js'
import { sizeBound, type SOCMessage } from '../message/message.js'
import { FrameText } from '../wire/batch.js'
import { headerBytesOf, type GatheredBatch, type Origin, type Stretch, type Taken } from './batches.js'

/**
 * Maximum number of stretches in a batch, and maximum bytes of the headers that list them: JetStream accepts headers of
 * up to 64 KiB.
 */
const MAX_STRETCHES = 128
const MAX_HEADER_BYTES = 1 << 15

export interface GatherLimits {
  readonly maxBatchBytes: number
  readonly maxBatchMessages: number
}

/** Shared by all drafts: one batch is encoded at a time. */
const text = new FrameText()
/** Batches of at most this many bytes share memory. */
const SMALL_BYTES = 2048

class Draft {
  readonly index: number
  readonly type: string
  readonly stretches: Stretch[] = []
  readonly taken: Taken[] = []
  count = 0
  /** Bytes of the messages. */
  bytes = 0
  /** Bytes of the headers that list the stretches. */
  headerBytes = 0

  constructor(index: number, type: string) {
    this.index = index
    this.type = type
  }

  /** Whether a message of this session continues the last stretch, or another stretch still fits. */
  takes(origin: Origin, number: number): boolean {
    const { stretches, headerBytes } = this
    if (continues(stretches.at(-1), origin, number)) return true
    return stretches.length < MAX_STRETCHES && headerBytes + headerBytesOf(origin) <= MAX_HEADER_BYTES
  }

  /**
   * Returns the stretch for the message with this number: the last one if the message continues it, otherwise a new
   * one.
   */
  stretchFor(origin: Origin, number: number): Stretch {
    const last = this.stretches.at(-1)
    if (continues(last, origin, number)) return last
    const stretch = { origin, first: number, count: 0 }
    this.stretches.push(stretch)
    this.headerBytes += headerBytesOf(origin)
    return stretch
  }

  finish(): GatheredBatch {
    const { type, stretches, count, taken } = this
    for (const { messages } of taken) for (const message of messages) text.add(message)
    const bound = text.complete()
    const buffer = bound <= SMALL_BYTES ? Buffer.allocUnsafe(bound) : Buffer.allocUnsafeSlow(bound)
    const end = text.encode(buffer, 0)
    text.clear()
    // A batch may wait for long, so it must not keep reserved memory that it does not use.
    const lines = end * 2 < bound ? Buffer.from(buffer.subarray(0, end)) : buffer.subarray(0, end)
    return { type, stretches, count, lines, taken }
  }
}

export class Gatherer {
  readonly #limits: () => GatherLimits
  #drafts: Draft[] = []
  /** By type: the drafts that have room, oldest first. */
  readonly #open = new Map<string, Draft[]>()
  #nextIndex = 0
  /** Approximate bytes of the gathered messages. */
  #bytes = 0

  constructor(limits: () => GatherLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#drafts.length === 0
  }

  /** Adds consecutive messages of a session, of which the first has the number `first`. */
  add(origin: Origin, receiver: AcknowledgingReceiver, messages: readonly SOCMessage[], first: number): void {
    const limits = this.#limits()
    for (let at = 0; at < messages.length;) {
      const { type } = messages[at] as SOCMessage
      const draft = this.#draftFor(type, origin, first + at)
      const begin = at
      const stretch = draft.stretchFor(origin, first + begin)
      const roomBytes = limits.maxBatchBytes - draft.headerBytes
      do {
        const bytes = sizeBound(messages[at++] as SOCMessage)
        draft.bytes += bytes
        this.#bytes += bytes
        ++draft.count
      } while (
        at < messages.length &&
        draft.count < limits.maxBatchMessages &&
        draft.bytes < roomBytes &&
        (messages[at] as SOCMessage).type === type
      )
      stretch.count += at - begin
      draft.taken.push({ receiver, messages: messages.slice(begin, at) })
      origin.draft = draft.index
      if (draft.count >= limits.maxBatchMessages || draft.bytes >= roomBytes) this.#shut(draft)
    }
  }

  /** Takes the oldest batch; undefined if nothing is gathered. */
  take(): GatheredBatch | undefined {
    const draft = this.#drafts.shift()
    if (draft === undefined) return undefined
    this.#bytes -= draft.bytes
    this.#shut(draft)
    return draft.finish()
  }

  /** Returns the oldest draft with room that does not come before an earlier message of the session. */
  #draftFor(type: string, origin: Origin, number: number): Draft {
    let open = this.#open.get(type)
    if (open === undefined) this.#open.set(type, (open = []))
    const found = open[indexAtLeast(open, origin.draft, indexOf)]
    if (found !== undefined) {
      if (found.takes(origin, number)) return found
      this.#shut(found)
      return this.#draftFor(type, origin, number)
    }
    const draft = new Draft(this.#nextIndex++, type)
    this.#drafts.push(draft)
    open.push(draft)
    return draft
  }

  /** Closes a draft for further messages. */
  #shut(draft: Draft): void {
    const open = this.#open.get(draft.type)
    const at = open?.indexOf(draft) ?? -1
    if (open === undefined || at < 0) return
    open.splice(at, 1)
    if (open.length === 0) this.#open.delete(draft.type)
  }
}

function indexOf({ index }: Draft): number {
  return index
}

/** Whether the message with this number continues a stretch. */
function continues(stretch: Stretch | undefined, origin: Origin, number: number): stretch is Stretch {
  return stretch?.origin === origin && stretch.first + stretch.count === number
}
