// The batch of one connection's writer: frames known to be valid, followed by unchecked frames. Both are laid out as
// bytes together, without the frames that turn out to be invalid. Must not know sockets.

import { countFrames, FrameText, type Run } from './batch.js'
import { takeSlab } from './slabs.js'
import type { IpcError } from '../base/errors.js'
import { frameBytes, invalidPayload } from '../message/envelope.js'
import { frameOf, isChecked, type SOCMessage } from '../message/message.js'

/** A batch of about this size goes out without waiting for more. */
const BATCH_BYTES = 1 << 16

/** Called with a message whose frame turned out to be invalid. The rest of the batch is written without it. */
export type OnRefused = (error: IpcError, message: SOCMessage) => void

/** The unchecked messages of [begin, end). */
interface UncheckedRun {
  readonly messages: readonly SOCMessage[]
  readonly begin: number
  readonly end: number
  readonly onRefused: OnRefused | undefined
}

/** The bytes of a batch, `[begin, end)`. */
export interface BatchBytes {
  readonly bytes: Buffer
  readonly begin: number
  readonly end: number
  /** The slab to return when nothing reads the bytes any more; undefined if they are not in a slab. */
  readonly slab: Buffer | undefined
  /** Reports the frames that were left out. Call it last, because it calls user code. */
  readonly reportRefused: () => void
}

const NOTHING_REFUSED = (): void => undefined

export class FrameBatch {
  /** Frames known to be valid. */
  readonly #checked = new FrameText()
  /** Everything from the first unchecked frame on. */
  readonly #unchecked = new FrameText()
  /** The messages of the unchecked frames. */
  #uncheckedRuns: UncheckedRun[] = []
  /** Approximate size in UTF-16 units and bytes. */
  #size = 0

  get empty(): boolean {
    return this.#size === 0
  }

  /** Whether the batch is large enough to be written. */
  get full(): boolean {
    return this.#size >= BATCH_BYTES
  }

  /** Whether some frames must be checked before they are written, and may be refused. */
  get checking(): boolean {
    return this.#uncheckedRuns.length > 0
  }

  /** @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; the batch is as it was */
  add(message: SOCMessage, onRefused: OnRefused | undefined): void {
    if (this.#uncheckedRuns.length === 0 && isChecked(message)) this.#size += this.#checked.add(message)
    else this.addRun([message], 0, onRefused)
  }

  /**
   * Adds messages from an index on, until the batch is full. Returns the index of the first one that was not added. The
   * array must not change until the batch is written.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; the messages before the one that is too large have been added
   */
  addRun(messages: readonly SOCMessage[], from: number, onRefused: OnRefused | undefined): number {
    let next = from
    const { length } = messages
    if (this.#uncheckedRuns.length === 0) {
      const checked = this.#checked
      while (next < length && this.#size < BATCH_BYTES && isChecked(messages[next] as SOCMessage)) {
        this.#size += checked.add(messages[next++] as SOCMessage)
      }
    }
    const begin = next
    const unchecked = this.#unchecked
    try {
      while (next < length && this.#size < BATCH_BYTES) {
        this.#size += unchecked.add(messages[next] as SOCMessage)
        ++next
      }
    } finally {
      if (next > begin) this.#uncheckedRuns.push({ messages, begin, end: next, onRefused })
    }
    return next
  }

  /** Adds lines that were checked before. They must not change before they are written. */
  addLines(lines: Buffer): void {
    if (this.checking) throw new TypeError('checked lines cannot follow unchecked messages in one batch')
    this.#size += this.#checked.addLines(lines)
  }

  /** Lays the batch out and empties it. */
  take(): BatchBytes {
    const { checking } = this
    const bytesBound = this.#checked.complete() + (checking ? this.#unchecked.complete() : 0)
    const run = checking ? undefined : this.#checked.soleRun
    const taken = run === undefined ? this.#layOut(bytesBound) : writeInPlace(run)
    this.clear()
    return taken
  }

  clear(): void {
    this.#checked.clear()
    this.#size = 0
    if (this.#uncheckedRuns.length === 0) return
    this.#unchecked.clear()
    this.#uncheckedRuns = []
  }

  #layOut(bytesBound: number): BatchBytes {
    const slab = takeSlab(bytesBound)
    const end = this.#checked.encode(slab, 0)
    if (!this.checking) return { bytes: slab, begin: 0, end, slab, reportRefused: NOTHING_REFUSED }
    const refusals: (() => void)[] = []
    const checkedEnd = this.#encodeUnchecked(slab, end, refusals)
    const reportRefused = (): void => {
      for (const report of refusals) report()
    }
    return { bytes: slab, begin: 0, end: checkedEnd, slab, reportRefused }
  }

  /** Writes the unchecked frames at `begin`, except any that is not exactly one valid message. Returns their end. */
  #encodeUnchecked(slab: Buffer, begin: number, refusals: (() => void)[]): number {
    const runs = this.#uncheckedRuns
    const end = this.#unchecked.encode(slab, begin)
    const count = runs.reduce((sum, run) => sum + run.end - run.begin, 0)
    if (countFrames(slab, begin, end) === count) return end

    let good = begin
    for (const { messages, begin: first, end: last, onRefused } of runs) {
      for (const message of messages.slice(first, last)) {
        const bytes = frameBytes(frameOf(message))
        const found = countFrames(bytes)
        if (found === 1) {
          good += bytes.copy(slab, good)
        } else if (onRefused !== undefined) {
          refusals.push(() => {
            onRefused(invalidPayload(-found), message)
          })
        }
      }
    }
    return good
  }
}

/** A batch that only forwards received bytes is written directly from the bytes of the read. */
function writeInPlace(run: Run): BatchBytes {
  return {
    bytes: run.bytes,
    begin: run.start,
    end: run.end,
    slab: undefined,
    reportRefused: NOTHING_REFUSED,
  }
}
