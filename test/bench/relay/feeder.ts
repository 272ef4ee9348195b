// Both ends of the relay: writes event lines to it without making them anew, and counts what comes out behind it. The
// same for all contestants, and fast enough to limit none of them.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { loadEventLines, shortLines, type EventLines } from '../input/events.js'
import { socketPath } from '../input/line.js'

/** As much at once as makes sense: what the kernel does not take, libuv writes without coming back to JavaScript. */
const WRITE_BYTES = 1 << 20
const READ_BYTES = 1 << 18
const NEWLINE = 10

/** Makes two connections to the relay, the first one to write to and the second one to read from. */
export async function feeder(context: RoleContext): Promise<Figures> {
  const input = context.text('input') === 'short' ? shortLines() : loadEventLines()
  const path = socketPath(context.directory)
  const inlet = connect({ path })
  await once(inlet, 'connect')
  return new Promise((resolve, reject) => {
    const drain = new Drain(context, input, resolve, reject)
    const outlet = connect({
      path,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (size, buffer) => drain.take(buffer as Buffer, size),
      },
    })
    outlet.on('connect', () => {
      feed(inlet, input.bytes)
    })
  })
}

function feed(inlet: Socket, bytes: Buffer): void {
  let at = 0
  const fill = (): void => {
    let more = true
    while (more) {
      more = inlet.write(bytes.subarray(at, at + WRITE_BYTES))
      at += WRITE_BYTES
      if (at >= bytes.length) at = 0
    }
  }
  inlet.on('drain', fill)
  fill()
}

/** Counts what comes out, and compares it with what went in. */
class Drain {
  readonly #meter: Meter
  readonly #bytes: Buffer
  readonly #bytesPerLine: number
  readonly #mustBeSame: boolean
  readonly #resolve: (figures: Figures) => void
  readonly #reject: (error: Error) => void
  #at = 0
  #measuredBytes = 0
  #since = 0

  constructor(
    context: RoleContext,
    { bytes, lines }: EventLines,
    resolve: (figures: Figures) => void,
    reject: (error: Error) => void,
  ) {
    this.#meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
    this.#bytes = bytes
    this.#bytesPerLine = bytes.length / lines
    this.#mustBeSame = context.number('untouched') === 1
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Returns whether it takes more. */
  take(buffer: Buffer, size: number): boolean {
    const chunk = buffer.subarray(0, size)
    const { warmingUp } = this.#meter
    if (warmingUp && this.#mustBeSame && !this.#compare(chunk)) {
      this.#reject(new Error('the relay has changed what it passed on'))
      return false
    }
    // If nothing changed, the bytes alone give the number of lines: the feeder must not become the bottleneck.
    const over = this.#meter.add(this.#mustBeSame ? size / this.#bytesPerLine : countLines(chunk))
    const now = performance.now()
    if (warmingUp) this.#since = now
    else this.#measuredBytes += size
    if (!over) return true
    this.#resolve({
      messagesPerSecond: this.#meter.rate,
      mebibytesPerSecond: (this.#measuredBytes / 2 ** 20 / (now - this.#since)) * 1000,
    })
    return false
  }

  /** Whether this chunk goes on where the last one ended, in the endless repetition of the events. */
  #compare(chunk: Buffer): boolean {
    for (let done = 0; done < chunk.length;) {
      const size = Math.min(chunk.length - done, this.#bytes.length - this.#at)
      if (chunk.compare(this.#bytes, this.#at, this.#at + size, done, done + size) !== 0) return false
      done += size
      this.#at = (this.#at + size) % this.#bytes.length
    }
    return true
  }
}

function countLines(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) ++lines
  return lines
}
