// Gathers the frames of a batch and lays them out as bytes, with as few conversions and calls as possible, in memory that
// a whole thread shares.

import { checkFrameSize, MAX_MESSAGE_BYTES } from './envelope.js'
import { ENVELOPE_BYTES, LayoutWord, WHOLE_FRAME } from './frame-layout.js'
import {
  describeFrame,
  frameOf,
  readyFrameEnd,
  readyFrameStart,
  readyFrameText,
  type SOCMessage,
} from './message.js'
import { addon } from './native.js'

const SLAB_BYTES = 1 << 18
/** Frames that most batches stay below. */
const LAYOUT_FRAMES = 1024
/** Text of so few units is far from any limit, whatever it becomes in UTF-8. */
const SMALL_TEXT = (MAX_MESSAGE_BYTES - ENVELOPE_BYTES) / 3

/** Memory in which batches are laid out. One serves a whole thread, as a batch is written as soon as it is there. */
let spareSlab: Buffer | undefined

export function takeSlab(bytes: number): Buffer {
  if (bytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(bytes)
  const slab = spareSlab ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
  spareSlab = undefined
  return slab
}

export function returnSlab(slab: Buffer): void {
  if (slab.length === SLAB_BYTES) spareSlab = slab
}

let spareLayout: Int32Array | undefined

function takeLayout(): Int32Array {
  const layout = spareLayout ?? new Int32Array(LAYOUT_FRAMES * LayoutWord.count)
  spareLayout = undefined
  return layout
}

/** Frames that are laid out in one call. */
interface Part {
  readonly text: string
  readonly ascii: boolean
  readonly layout: Int32Array
  readonly frames: number
}

/** Frames one after the other, joined as far as they are text: one conversion serves many. */
export class FrameText {
  /** Parts that are complete, and bytes that go between them as they are. */
  #parts: (Part | Buffer)[] | undefined
  #text = ''
  /** All of the text came with messages that were found to be ASCII. */
  #ascii = true
  #layout: Int32Array | undefined
  #frames = 0
  /** A run of frames that stand one after the other in a text that they share; it comes after #text. */
  #run = ''
  #runStart = 0
  #runEnd = 0
  #bytesBound = 0

  /** Completes it; answers how much room it may need. */
  complete(): number {
    this.#endRun()
    return this.#bytesBound + 1
  }

  /**
   * Adds the frame of a message; answers about how large it is, in UTF-16 units and bytes.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; nothing was added
   */
  add(message: SOCMessage): number {
    const ready = readyFrameStart(message)
    if (ready >= 0) return this.#addReady(readyFrameText(message), ready, readyFrameEnd(message))
    const layout = this.#roomyLayout()
    const at = this.#frames * LayoutWord.count
    const payload = describeFrame(message, layout, at)
    if (payload === undefined) return this.#addWhole(message)
    if (payload.length > SMALL_TEXT) checkFrameSize(frameOf(message))
    if (this.#runEnd !== 0) {
      this.#endRun()
      return this.add(message)
    }
    this.#ascii = false
    this.#text += payload
    ++this.#frames
    this.#bytesBound += payload.length * 3 + ENVELOPE_BYTES
    return payload.length + ENVELOPE_BYTES
  }

  #addWhole(message: SOCMessage): number {
    const frame = frameOf(message)
    checkFrameSize(frame)
    this.#endRun()
    if (typeof frame === 'string') {
      this.#addText(frame, false)
      return frame.length
    }
    const [head, payload, tail] = frame
    this.#addText(head, false)
    this.#endPart()
    this.#parts?.push(payload)
    this.#bytesBound += payload.length
    this.#addText(tail, true)
    return head.length + payload.length + tail.length
  }

  /** Adds a frame that stands ready in a text. What is passed on as it came is so cut out once for many messages. */
  #addReady(text: string, start: number, end: number): number {
    if (text !== this.#run || start !== this.#runEnd) {
      this.#endRun()
      this.#run = text
      this.#runStart = start
    }
    this.#runEnd = end
    this.#bytesBound += end - start
    return end - start
  }

  #endRun(): void {
    if (this.#runEnd === 0) return
    const run = this.#run.slice(this.#runStart, this.#runEnd)
    this.#run = ''
    this.#runEnd = 0
    this.#bytesBound -= run.length
    this.#addText(run, true)
  }

  #addText(text: string, ascii: boolean): void {
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
    this.#ascii &&= ascii
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
    const layout = this.#layout
    this.#parts ??= []
    if (layout === undefined || this.#frames === 0) return
    this.#parts.push({
      text: this.#text,
      ascii: this.#ascii,
      layout: layout.slice(0, this.#frames * LayoutWord.count),
      frames: this.#frames,
    })
    this.#text = ''
    this.#ascii = true
    this.#frames = 0
  }

  /** Writes all of it at `begin`, where there must be as much room as {@link complete} said; answers where it ends. */
  encode(slab: Buffer, begin: number): number {
    let end = begin
    for (const part of this.#parts ?? []) {
      end = Buffer.isBuffer(part)
        ? end + part.copy(slab, end)
        : addon.layOutFrames(slab, end, part.text, part.ascii, part.layout, part.frames)
    }
    return this.#frames === 0
      ? end
      : addon.layOutFrames(slab, end, this.#text, this.#ascii, this.#layout as Int32Array, this.#frames)
  }

  clear(): void {
    if (this.#layout?.length === LAYOUT_FRAMES * LayoutWord.count) spareLayout = this.#layout
    this.#layout = undefined
    this.#parts = undefined
    this.#text = ''
    this.#ascii = true
    this.#frames = 0
    this.#run = ''
    this.#runEnd = 0
    this.#bytesBound = 0
  }
}
