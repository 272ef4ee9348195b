// Gathers messages of local senders into batches of one type each. The messages of one session leave in their order, whatever
// their types; those of different sessions may pass each other, which keeps batches large where many senders mix types.

import type { AcknowledgingReceiver } from '../delivery/receiver/acknowledging-receiver.js'
import type { SOCMessage } from '../message/message.js'
import { FrameText } from '../wire/batch.js'
import type { GatheredBatch, Origin, Stretch, Taken } from './batches.js'

/** Most stretches of a batch: its headers list them, and JetStream takes headers of 64 KiB. */
export const MAX_STRETCHES = 128

export interface GatherLimits {
  readonly maxBatchBytes: number
  readonly maxBatchMessages: number
}

class Draft {
  readonly index: number
  readonly type: string
  readonly text = new FrameText()
  readonly stretches: Stretch[] = []
  readonly taken: Taken[] = []
  count = 0
  units = 0

  constructor(index: number, type: string) {
    this.index = index
    this.type = type
  }

  finish(): GatheredBatch {
    const buffer = Buffer.allocUnsafeSlow(this.text.complete())
    const end = this.text.encode(buffer, 0)
    this.text.clear()
    const { type, stretches, count, taken } = this
    // A batch may wait for long: do not keep the room that was reserved and not used.
    const lines = end * 2 < buffer.length ? Buffer.from(buffer.subarray(0, end)) : buffer.subarray(0, end)
    return { type, stretches, count, lines, taken }
  }
}

export class Gatherer {
  readonly #limits: () => GatherLimits
  #drafts: Draft[] = []
  /** The draft of each type that messages can still be added to. */
  readonly #open = new Map<string, Draft>()
  #nextIndex = 0
  /** Approximate size of what is gathered, in bytes. */
  #units = 0

  constructor(limits: () => GatherLimits) {
    this.#limits = limits
  }

  get units(): number {
    return this.#units
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
      do {
        const units = draft.text.add(messages[at++] as SOCMessage)
        draft.units += units
        this.#units += units
        ++draft.count
      } while (
        at < messages.length &&
        draft.count < limits.maxBatchMessages &&
        draft.units < limits.maxBatchBytes &&
        (messages[at] as SOCMessage).type === type
      )
      const stretch = draft.stretches.at(-1)
      if (stretch?.origin === origin && stretch.first + stretch.count === first + begin)
        stretch.count += at - begin
      else draft.stretches.push({ origin, first: first + begin, count: at - begin })
      draft.taken.push({ receiver, messages: messages.slice(begin, at) })
      origin.draft = draft.index
      if (draft.count >= limits.maxBatchMessages || draft.units >= limits.maxBatchBytes)
        this.#open.delete(type)
    }
  }

  /** The oldest batch; undefined if nothing is gathered. */
  take(): GatheredBatch | undefined {
    const draft = this.#drafts.shift()
    if (draft === undefined) return undefined
    this.#units -= draft.units
    if (this.#open.get(draft.type) === draft) this.#open.delete(draft.type)
    return draft.finish()
  }

  #draftFor(type: string, origin: Origin, number: number): Draft {
    const open = this.#open.get(type)
    if (open !== undefined && open.index >= origin.draft) {
      const last = open.stretches.at(-1)
      const extends_ = last?.origin === origin && last.first + last.count === number
      if (extends_ || open.stretches.length < MAX_STRETCHES) return open
    }
    const draft = new Draft(this.#nextIndex++, type)
    this.#drafts.push(draft)
    this.#open.set(type, draft)
    return draft
  }
}
