// Messages that were given numbers and are not acknowledged, in order, and how far the present connection has written
// them. Must not know connections.

import type { SOCMessage } from '../message.js'

interface Place {
  /** Number of the first message. */
  first: number
  /** Messages before this index are released. */
  begin: number
  /** The present connection was told where this run begins, so that a change before it does not matter. */
  anchored: boolean
}

/** Messages with numbers that follow each other. */
export interface MessageRun extends Place {
  readonly messages: SOCMessage[]
}

/** The same as the lines that go over the wire, which were checked before. */
export interface LineRun extends Place {
  readonly count: number
  readonly lines: Buffer
}

export type Run = MessageRun | LineRun

export function messageRun(first: number, messages: SOCMessage[]): MessageRun {
  return { first, messages, begin: 0, anchored: false }
}

export function lineRun(first: number, count: number, lines: Buffer): LineRun {
  return { first, count, lines, begin: 0, anchored: false }
}

/** Messages in a run, with those that are released. */
export function lengthOf(run: Run): number {
  return 'messages' in run ? run.messages.length : run.count
}

export class InFlight {
  #runs: Run[] = []
  #cursor = 0
  #at = 0

  /** Number of the oldest message. */
  get first(): number | undefined {
    const [run] = this.#runs
    return run === undefined ? undefined : run.first + run.begin
  }

  /** Index in {@link current} of the message to be written next. */
  get at(): number {
    return this.#at
  }

  add(run: Run): void {
    if (this.#cursor === this.#runs.length) this.#at = run.begin
    this.#runs.push(run)
  }

  /** A new connection begins with the oldest message. */
  rewind(): void {
    for (const run of this.#runs) run.anchored = false
    this.#cursor = 0
    this.#at = this.#runs[0]?.begin ?? 0
  }

  /** The run to be written next. */
  current(): Run | undefined {
    for (;;) {
      const run = this.#runs[this.#cursor]
      if (run === undefined || this.#at < lengthOf(run)) return run
      ++this.#cursor
      this.#at = this.#runs[this.#cursor]?.begin ?? 0
    }
  }

  /** Messages of {@link current} were written. */
  advance(messages: number): void {
    this.#at += messages
  }

  /** Lets go of all messages through a number; tells of each run which. */
  releaseThrough(through: number, onReleased: (run: Run, begin: number, end: number) => void): void {
    while (this.#runs.length > 0) {
      const run = this.#runs[0] as Run
      const length = lengthOf(run)
      const end = Math.min(through - run.first + 1, length)
      if (end > run.begin) {
        const { begin } = run
        run.begin = end
        onReleased(run, begin, end)
      }
      if (run.begin < length) break
      this.#runs.shift()
      if (this.#cursor > 0) --this.#cursor
      else this.#at = this.#runs[0]?.begin ?? 0
    }
    const [run] = this.#runs
    if (run !== undefined && this.#cursor === 0) this.#at = Math.max(this.#at, run.begin)
  }

  /**
   * Takes a message out that turned out not to be one and was not written. Those after it have been written with numbers
   * one lower, up to where the connection was told a number again. Answers whether that goes on to the very end.
   */
  remove(run: MessageRun, index: number): boolean {
    run.messages.splice(index, 1)
    const place = this.#runs.indexOf(run)
    if (place === this.#cursor && index < this.#at) --this.#at
    for (const later of this.#runs.slice(place + 1)) {
      if (later.anchored) return false
      --later.first
    }
    return true
  }
}
