// The memory of reads whose messages are kept: in a queue, in hand, or by a running handler. A message keeps the whole
// read that it came in alive, so a peer that sends one small message in each read makes this process hold much more.
// Each read therefore counts once, in full, until the last of its messages is released.

import { keptBytes, sizeBound, type SOCMessage } from './message.js'

/** The memory of the reads that are held, shared by them. */
interface Total {
  bytes: number
}

/** A read, and how many of its messages, or runs of them, are kept. */
export class HeldRead {
  #bytes: number
  readonly #total: Total
  #holders = 0

  constructor(bytes: number, total: Total) {
    this.#bytes = bytes
    this.#total = total
  }

  /** Bytes by which holding one more message of this read would raise the total. */
  get cost(): number {
    return this.#holders === 0 ? this.#bytes : 0
  }

  /** Adds memory that became known only after {@link HeldReads.begin}. */
  grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#holders > 0) this.#total.bytes += bytes
  }

  hold(): void {
    if (this.#holders++ === 0) this.#total.bytes += this.#bytes
  }

  release(): void {
    if (--this.#holders === 0) this.#total.bytes -= this.#bytes
  }
}

/** The reads that one keeper of messages holds. */
export class HeldReads {
  readonly #total: Total = { bytes: 0 }

  /** Memory of the reads that are held now, roughly. */
  get bytes(): number {
    return this.#total.bytes
  }

  /** Makes a read that counts for this much memory while anything holds it. */
  begin(bytes: number): HeldRead {
    return new HeldRead(bytes, this.#total)
  }
}

/** Memory that a run of messages keeps alive, roughly. */
export function memoryOf(run: readonly SOCMessage[]): number {
  let lines = 0
  for (const message of run) lines += sizeBound(message)
  const [first] = run
  const last = run.at(-1)
  return Math.max(lines, first === undefined ? 0 : keptBytes(first), last === undefined ? 0 : keptBytes(last))
}
