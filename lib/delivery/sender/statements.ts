// The statements of a sender about its numbers on one connection: in front of every jump, after the last line of a
// burst, and as a heartbeat. Must not know acknowledgements.

import { clearInterval, clearTimeout, monotonicMs, setInterval, setTimeout } from '../../base/globals.js'
import type { FrameWriter } from '../../wire/frame-writer.js'
import { statementMessage, type NumberRange } from '../protocol/control.js'

/** The source of the numbers that a connection states. */
export interface StatedFlow {
  readonly session: string
  /** No number below this one is sent again by this process. */
  readonly lowest: number
  /** No number below this one is sent again, even if this process is killed. */
  readonly lowestEver: number
}

/** After the last line of a burst, its number is stated, so that a line which the receiver refused shows as missing. */
const TAIL_STATEMENT_MS = 100

export class Statements {
  readonly #writer: FrameWriter
  readonly #flow: StatedFlow
  readonly #heartbeatMs: number
  /** Whether a statement can be written now. */
  readonly #isWritable: () => boolean
  /** Number of the next line on the wire. */
  #next: number
  /** `next` of the last statement. */
  #stated = 0
  /** Every number through this one is settled, as the receiver has acknowledged. */
  #settledThrough = 0
  /** Whether the receiver has reported rejections, which it keeps until it learns that they have arrived. */
  #heardRejections = false
  /** Whether frames were written since the last heartbeat. */
  #spoke = true
  #heartbeat: NodeJS.Timeout | undefined
  #tailTimer: NodeJS.Timeout | undefined
  readonly #onTail = (): void => {
    this.#tailTimer = undefined
    const isTail = this.#next !== this.#stated && this.#settledThrough < this.#next - 1
    if (isTail || this.#heardRejections) this.sayNow()
  }

  constructor(writer: FrameWriter, flow: StatedFlow, heartbeatMs: number, isWritable: () => boolean) {
    this.#writer = writer
    this.#flow = flow
    this.#heartbeatMs = heartbeatMs
    this.#isWritable = isWritable
    this.#next = flow.lowest
  }

  /** Number of the next line. */
  get next(): number {
    return this.#next
  }

  /** Appends the statement that a connection begins with. */
  begin(): void {
    this.#append(undefined)
  }

  /**
   * Call before the lines from `first` through `last` are written. States the jump if numbers before them are left out.
   */
  onLines(first: number, last: number): void {
    if (first !== this.#next) {
      const gone: NumberRange = [this.#next, first - 1]
      this.#next = first
      this.#append(gone)
    }
    this.#next = last + 1
  }

  /** Call when the kernel has been given lines. */
  onFlushed(): void {
    this.#spoke = true
    this.#saySoon()
  }

  /** Call when the receiver has acknowledged. */
  onAcknowledgement(through: number, hasRejections: boolean): void {
    this.#settledThrough = through
    if (!hasRejections) return
    this.#heardRejections = true
    this.#saySoon()
  }

  /** Starts to state the numbers after each burst, and at the promised interval. */
  start(): void {
    let spokeAt = monotonicMs()
    this.#heartbeat = setInterval(() => {
      const now = monotonicMs()
      if (this.#spoke) {
        this.#spoke = false
        spokeAt = now
      } else if (now - spokeAt >= this.#heartbeatMs / 2 && this.sayNow()) {
        spokeAt = now
      }
    }, this.#heartbeatMs / 2)
  }

  stop(): void {
    clearTimeout(this.#tailTimer)
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }

  /** States the numbers now. Returns whether that was possible. */
  sayNow(): boolean {
    if (!this.#isWritable()) return false
    this.#append(undefined)
    this.#writer.flush()
    return true
  }

  #saySoon(): void {
    if (this.#heartbeat !== undefined) this.#tailTimer ??= setTimeout(this.#onTail, TAIL_STATEMENT_MS)
  }

  #append(gone: NumberRange | undefined): void {
    const { session, lowestEver } = this.#flow
    const next = this.#next
    this.#writer.append(
      statementMessage({
        session,
        next,
        lowest: Math.min(lowestEver, next),
        heartbeatMs: this.#heartbeatMs,
        gone,
      }),
    )
    this.#stated = next
    this.#heardRejections = false
  }
}
