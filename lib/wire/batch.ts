// Gathers the frames of a batch and lays them out as bytes, with as few conversions and calls as possible, in memory
// that the whole thread shares. Also checks frames before they are written.

import { checkFrameSize, MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { ENVELOPE_BYTES, LayoutWord, WHOLE_FRAME } from '../binding/abi.js'
import {
  describeFrame,
  frameOf,
  readyFrameBytes,
  readyFrameEnd,
  readyFrameStart,
  type SOCMessage,
} from '../message/message.js'
import { addon } from '../binding/addon.js'

/** Most batches have fewer frames. */
const LAYOUT_FRAMES = 1024
/** A text of at most this many UTF-16 units cannot exceed the limit in UTF-8. */
const SMALL_TEXT = (MAX_MESSAGE_BYTES - ENVELOPE_BYTES) / 3

const spareLayouts: Int32Array[] = []
const MAX_SPARE_LAYOUTS = 8

function takeLayout(): Int32Array {
  return spareLayouts.pop() ?? new Int32Array(LAYOUT_FRAMES * LayoutWord.count)
}

function returnLayout(layout: Int32Array): void {
  if (layout.length === LAYOUT_FRAMES * LayoutWord.count && spareLayouts.length < MAX_SPARE_LAYOUTS)
    spareLayouts.push(layout)
}

const NO_PARTS: Part[] = []

/** Frames that are laid out in one call. */
interface Laid {
  readonly text: string
  readonly layout: Int32Array
  readonly frames: number
}

/** A part of a batch. A text is written unchanged. */
type Part = Laid | Run | string

/** Bytes that are written as they are. */
export interface Run {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** Whether the bytes never change, so that they need not be copied. */
  readonly kept: boolean
}

/** Consecutive frames. Frames that are text are joined, so that one conversion serves many. */
export class FrameText {
  /** Complete parts. */
  #parts: Part[] = NO_PARTS
  /** The part being built: either a text and the layout of its frames, or a run of adjacent frames. */
  #text = ''
  #layout: Int32Array | undefined
  #frames = 0
  #run: Buffer | undefined
  #runStart = 0
  #runEnd = 0
  #bytesBound = 0

  /** Completes the batch. Returns an upper bound of its size in bytes. */
  complete(): number {
    this.#endPart()
    return this.#bytesBound + 1
  }

  /** The complete batch, if it is a single run of bytes that can be written in place. */
  get soleRun(): Run | undefined {
    const [only] = this.#parts
    return this.#parts.length === 1 && typeof only === 'object' && 'bytes' in only && only.kept
      ? only
      : undefined
  }

  /**
   * Adds the frame of a message. Returns its approximate size in UTF-16 units and bytes.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; nothing was added
   */
  add(message: SOCMessage): number {
    const ready = readyFrameStart(message)
    if (ready >= 0) return this.#addReady(readyFrameBytes(message), ready, readyFrameEnd(message))
    const layout = this.#roomyLayout()
    const payload = describeFrame(message, layout, this.#frames * LayoutWord.count)
    if (payload === undefined) return this.#addWhole(message)
    if (payload.length > SMALL_TEXT) checkFrameSize(frameOf(message))
    if (this.#run !== undefined) {
      this.#endPart()
      return this.add(message)
    }
    this.#text += payload
    ++this.#frames
    this.#bytesBound += payload.length * 3 + ENVELOPE_BYTES
    return payload.length + ENVELOPE_BYTES
  }

  /** Adds finished lines, which must not change before they are written. Returns their size in bytes. */
  addLines(lines: Buffer): number {
    this.#endPart()
    if (this.#parts === NO_PARTS) this.#parts = []
    this.#parts.push({ bytes: lines, start: 0, end: lines.length, kept: true })
    this.#bytesBound += lines.length
    return lines.length
  }

  /** Adds a finished frame from the bytes of a read. Adjacent frames become one run, which is copied at once. */
  #addReady(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#run || start !== this.#runEnd) {
      this.#endPart()
      this.#run = bytes
      this.#runStart = start
    }
    this.#runEnd = end
    this.#bytesBound += end - start
    return end - start
  }

  #addWhole(message: SOCMessage): number {
    const frame = frameOf(message)
    checkFrameSize(frame)
    if (this.#run !== undefined) this.#endPart()
    if (typeof frame === 'string') {
      this.#addText(frame)
      return frame.length
    }
    const [head, payload, tail] = frame
    this.#addText(head)
    this.#endPart()
    this.#parts.push({ bytes: payload, start: 0, end: payload.length, kept: false })
    this.#bytesBound += payload.length
    this.#addText(tail)
    return head.length + payload.length + tail.length
  }

  #addText(text: string): void {
    const layout = this.#roomyLayout()
    const last = (this.#frames - 1) * LayoutWord.count
    if (last >= 0 && layout[last + LayoutWord.type] === WHOLE_FRAME) {
      layout[last + LayoutWord.units] = (layout[last + LayoutWord.units] as number) + text.length
    } else {
      layout[last + LayoutWord.count + LayoutWord.units] = text.length
      layout[last + LayoutWord.count + LayoutWord.type] = WHOLE_FRAME
      ++this.#frames
      this.#bytesBound += ENVELOPE_BYTES
    }
    this.#text += text
    this.#bytesBound += text.length * 3
  }

  #roomyLayout(): Int32Array {
    const layout = (this.#layout ??= takeLayout())
    if ((this.#frames + 1) * LayoutWord.count <= layout.length) return layout
    const larger = new Int32Array(layout.length * 2)
    larger.set(layout)
    return (this.#layout = larger)
  }

  #endPart(): void {
    if (this.#run === undefined && this.#frames === 0) return
    if (this.#parts === NO_PARTS) this.#parts = []
    if (this.#run !== undefined) {
      this.#parts.push({ bytes: this.#run, start: this.#runStart, end: this.#runEnd, kept: true })
      this.#run = undefined
      return
    }
    const layout = this.#layout as Int32Array
    if (this.#frames === 1 && layout[LayoutWord.type] === WHOLE_FRAME) {
      // The text between two payloads of bytes, as when received messages are forwarded: the next text reuses the
      // layout.
      this.#parts.push(this.#text)
    } else {
      this.#parts.push({ text: this.#text, layout, frames: this.#frames })
      this.#layout = undefined
    }
    this.#text = ''
    this.#frames = 0
  }

  /** Writes the batch at `begin`, where there must be as much room as {@link complete} returned. Returns the end. */
  encode(slab: Buffer, begin: number): number {
    let end = begin
    for (const part of this.#parts) {
      if (typeof part === 'string') {
        end += slab.write(part, end)
      } else if ('bytes' in part) {
        end += part.bytes.copy(slab, end, part.start, part.end)
      } else {
        end = addon.layOutFrames(slab, end, part.text, part.layout, part.frames)
        returnLayout(part.layout)
      }
    }
    return end
  }

  clear(): void {
    this.#parts = NO_PARTS
    if (this.#layout !== undefined) returnLayout(this.#layout)
    this.#layout = undefined
    this.#text = ''
    this.#frames = 0
    this.#run = undefined
    this.#bytesBound = 0
  }
}

/**
 * Returns the number of messages in `[begin, end)` of these lines; or, if a line is not a valid message, the negative
 * state of the first such line, an index of {@link INVALID_REASONS}.
 */
export function countFrames(lines: Uint8Array, begin = 0, end = lines.length): number {
  return addon.checkFrames(lines, begin, end, MAX_MESSAGE_BYTES)
}
