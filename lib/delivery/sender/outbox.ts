// The numbers of one sender session: what is in flight, what was acknowledged, what may be. Outlives the connections.
// Must not know them.

import { violation, type Acknowledgement } from '../protocol/control.js'
import { InFlight } from './in-flight.js'
import type { Source } from './source.js'

export class Outbox {
  readonly source: Source
  readonly inFlight = new InFlight()
  /** All through here was acknowledged by a peer. */
  #acknowledged: number
  /** The highest number that a peer may know of. */
  #highest: number
  /** Number of the next message that goes into flight, unless its source has a higher one. */
  #next: number
  /** Messages done with, by what they got. */
  acknowledgedMessages = 0
  writtenMessages = 0

  constructor(source: Source) {
    this.source = source
    this.#acknowledged = source.acknowledgedBefore
    this.#highest = Math.max(source.highestBefore, source.acknowledgedBefore)
    this.#next = this.#acknowledged + 1
  }

  get session(): string {
    return this.source.session
  }

  /** Number of the oldest message that is not done with; where a new connection begins. */
  get first(): number {
    return this.inFlight.first ?? Math.max(this.source.oldest ?? this.#next, this.#acknowledged + 1)
  }

  /** Puts the next messages into flight. False: there are none. */
  takeMore(): boolean {
    const run = this.source.take(this.#next)
    if (run === undefined) return false
    this.#next = run.first + run.count
    this.inFlight.add(run)
    return true
  }

  /** A peer was told of numbers through this one. */
  noteWritten(through: number): void {
    if (through > this.#highest) this.#highest = through
  }

  /** @throws {IpcError} ERR_IPC_INVALID_MESSAGE for what an honest peer would never say */
  acknowledge({ session, through }: Acknowledgement): void {
    if (session !== this.session) throw violation('other-session', 'an acknowledgement of another session')
    if (through < this.#acknowledged) throw violation('backwards', 'an acknowledgement before an earlier one')
    if (through > this.#highest) throw violation('beyond', 'an acknowledgement of what was never sent')
    if (through === this.#acknowledged) return
    this.#acknowledged = through
    this.acknowledgedMessages += this.#release(through, 'acknowledged')
  }

  /** The kernel has all through here, and nobody will acknowledge it. */
  settleWritten(through: number): void {
    this.writtenMessages += this.#release(through, 'written')
  }

  #release(through: number, status: 'acknowledged' | 'written'): number {
    this.inFlight.releaseThrough(through, (run, begin, end) => {
      this.source.release(run, begin, end, status)
    })
    return this.source.settle(through)
  }
}
