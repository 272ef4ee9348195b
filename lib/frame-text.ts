// Lays the frames of a batch out as bytes, with as few conversions as possible, in memory that a whole thread shares.

import type { Frame } from './message.js'

const SLAB_BYTES = 1 << 18

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

/** Frames one after the other, joined as far as they are text: one conversion serves many. */
export class FrameText {
  #chunks: (string | Buffer)[] = []
  #text = ''
  /** A run of frames that stand one after the other in a text that they share; it comes after #text. */
  #run = ''
  #runStart = 0
  #runEnd = 0

  add(frame: Frame): void {
    this.#endRun()
    if (typeof frame === 'string') {
      this.#text += frame
      return
    }
    this.#chunks.push(this.#text + frame[0], frame[1])
    this.#text = frame[2]
  }

  /** Adds a frame that stands ready in a text. What is passed on as it came is so cut out once for many messages. */
  addReady(text: string, start: number, end: number): void {
    if (text !== this.#run || start !== this.#runEnd) {
      this.#endRun()
      this.#run = text
      this.#runStart = start
    }
    this.#runEnd = end
  }

  #endRun(): void {
    if (this.#runEnd === 0) return
    this.#text += this.#run.slice(this.#runStart, this.#runEnd)
    this.#run = ''
    this.#runEnd = 0
  }

  /** Writes all of it at `begin`; answers where it ends. */
  encode(slab: Buffer, begin: number): number {
    this.#endRun()
    let end = begin
    for (const chunk of this.#chunks) {
      end += typeof chunk === 'string' ? slab.write(chunk, end, 'utf8') : chunk.copy(slab, end)
    }
    return this.#text === '' ? end : end + slab.write(this.#text, end, 'utf8')
  }

  clear(): void {
    if (this.#chunks.length > 0) this.#chunks = []
    this.#text = ''
    this.#run = ''
    this.#runEnd = 0
  }
}

/** How large a frame is in UTF-16 units and bytes of buffers. */
export function frameUnits(frame: Frame): number {
  return typeof frame === 'string' ? frame.length : frame[0].length + frame[1].length + frame[2].length
}

/** A frame as bytes of its own. */
export function frameBytes(frame: Frame): Buffer {
  return Buffer.concat((typeof frame === 'string' ? [frame] : frame).map((part) => Buffer.from(part)))
}
