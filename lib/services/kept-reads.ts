// The memory of a peer's messages that a running handler or a queue keeps. A message keeps the whole read that it
// arrived in alive, so a peer that sends one small request per read makes this process hold the rest of each read too.
// Each read is charged once, for as long as one of its messages is kept.

import { keptBytes, sizeBound, type SOCMessage } from '../message/message.js'

/** A read of which at least one message was kept. */
export interface KeptRead {
  readonly bytes: number
  holders: number
}

/** Returns the approximate memory that a run of messages keeps alive. */
export function memoryOf(run: readonly SOCMessage[]): number {
  let lines = 0
  for (const message of run) lines += sizeBound(message)
  const [first] = run
  const last = run.at(-1)
  return Math.max(lines, first === undefined ? 0 : keptBytes(first), last === undefined ? 0 : keptBytes(last))
}

export class KeptReads {
  #bytes = 0
  #runBytes = 0
  #current: KeptRead | undefined

  /** Approximate memory of the reads that are held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Begins another run: the messages held from now on belong to it, and it keeps this much memory alive. */
  begin(runBytes: number): void {
    this.#runBytes = runBytes
    this.#current = undefined
  }

  /** Bytes that holding one more message of the current run would add. */
  get cost(): number {
    return this.#current !== undefined && this.#current.holders > 0 ? 0 : this.#runBytes
  }

  /** Holds a message of the current run, until {@link release}. */
  hold(): KeptRead {
    const read = (this.#current ??= { bytes: this.#runBytes, holders: 0 })
    if (read.holders++ === 0) this.#bytes += read.bytes
    return read
  }

  release(read: KeptRead): void {
    if (--read.holders === 0) this.#bytes -= read.bytes
  }
}
