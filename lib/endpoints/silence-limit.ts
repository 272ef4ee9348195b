// Limits how long a peer may take: until its first message, between two reads, and to finish a line that it has begun.

import { Deadline } from '../wire/deadline.js'

/** The limit that was exceeded. */
export type Silence = 'no-first-message' | 'idle' | 'unfinished-message'

/** The limits in milliseconds; Infinity for none. */
export interface SilenceLimits {
  /** From the construction of the limit to the first message. */
  readonly firstMessageMs: number
  /** Between two reads. */
  readonly idleMs: number
  /** From the first byte of a line to its end. */
  readonly messageMs: number
}

/** Watches the silence of one peer. Time in which this process is stalled or does not read is not counted. */
export class SilenceLimit {
  readonly #limits: SilenceLimits
  readonly #onSilence: (why: Silence, afterMs: number) => void
  #first: Deadline | undefined
  #idle: Deadline | undefined
  #line: Deadline | undefined
  /** Whether the peer has begun a line and not ended it. */
  #inLine = false

  /** `onSilence` is called at most once. */
  constructor(limits: SilenceLimits, onSilence: (why: Silence, afterMs: number) => void) {
    this.#limits = limits
    this.#onSilence = onSilence
    if (limits.firstMessageMs !== Infinity) {
      this.#first = this.#deadline('no-first-message', limits.firstMessageMs)
    }
    this.resume()
  }

  /** Call when bytes have arrived. `lines`: whether they ended lines; `unfinished`: whether another line has begun. */
  heard(lines: boolean, unfinished: boolean): void {
    this.#idle?.extend()
    if (!unfinished) {
      this.#inLine = false
    } else if (lines || !this.#inLine) {
      this.#inLine = true
      this.#watchLine()
    }
  }

  /** Call when a message has arrived. */
  understood(): void {
    this.#first?.clear()
    this.#first = undefined
  }

  /** Stops the idle time: while this side does not read, the peer is not at fault. */
  pause(): void {
    this.#idle?.clear()
    this.#idle = undefined
    this.#line?.clear()
    this.#line = undefined
  }

  resume(): void {
    if (this.#limits.idleMs !== Infinity) this.#idle ??= this.#deadline('idle', this.#limits.idleMs)
    if (this.#inLine) this.#watchLine()
  }

  end(): void {
    this.pause()
    this.understood()
    this.#inLine = false
  }

  #watchLine(): void {
    const { messageMs } = this.#limits
    if (messageMs === Infinity) return
    if (this.#line === undefined) this.#line = this.#lineDeadline(messageMs)
    else this.#line.extend()
  }

  /** A timer that keeps running while lines end in time: most reads end within a line, and setting a timer is slow. */
  #lineDeadline(ms: number): Deadline {
    const deadline: Deadline = new Deadline(() => {
      this.#line = undefined
      if (this.#inLine) this.#passed('unfinished-message', ms)
    })
    deadline.set(ms)
    return deadline
  }

  #deadline(why: Silence, ms: number): Deadline {
    const deadline = new Deadline(() => {
      this.#passed(why, ms)
    })
    deadline.set(ms)
    return deadline
  }

  #passed(why: Silence, ms: number): void {
    this.end()
    this.#onSilence(why, ms)
  }
}
