// Limits how long a peer may take: until its first message, between two reads, and to finish a line that it has begun.
// Decides which silence is the peer's fault.

import type { ConnectionInput } from '../connection/connection-input.js'
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

const DESCRIPTION: Record<Silence, string> = {
  'no-first-message': 'sent no message within',
  idle: 'sent nothing for',
  'unfinished-message': 'did not finish a message within',
}

/** Watches the silence of one peer. Time in which this process is stalled or does not read is not counted. */
export class SilenceLimit {
  readonly #limits: SilenceLimits
  readonly #input: Pick<ConnectionInput<unknown>, 'stoppedFor'>
  readonly #onSilence: (why: Silence, description: string) => void
  #first: Deadline | undefined
  #idle: Deadline | undefined
  #line: Deadline | undefined
  /** Whether the peer has begun a line and not ended it. */
  #inLine = false

  /**
   * @param input tells whether the account of the peer's user stops the reading
   * @param onSilence called at most once, with what the peer did or failed to do
   */
  constructor(
    limits: SilenceLimits,
    input: Pick<ConnectionInput<unknown>, 'stoppedFor'>,
    onSilence: (why: Silence, description: string) => void,
  ) {
    this.#limits = limits
    this.#input = input
    this.#onSilence = onSilence
    this.#watchFirst()
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

  /** Stops the time between reads and the time of a line: while this side does not read, the peer is not at fault. */
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

  #watchFirst(): void {
    const { firstMessageMs } = this.#limits
    if (firstMessageMs !== Infinity) this.#first = this.#deadline('no-first-message', firstMessageMs)
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
    const awaitsFirst = this.#first !== undefined
    this.end()
    if (this.#isExcused(why)) {
      this.#inLine = why === 'unfinished-message'
      if (awaitsFirst) this.#watchFirst()
      this.resume()
    } else {
      this.#onSilence(why, `${DESCRIPTION[why]} ${ms} ms`)
    }
  }

  /**
   * Whether the silence is not the peer's fault, because the account of its user stops the reading. The peer's own
   * unfinished line is no excuse.
   */
  #isExcused(why: Silence): boolean {
    const { stoppedFor } = this.#input
    return stoppedFor === 'application' || (stoppedFor === 'peer' && why !== 'unfinished-message')
  }
}
