// The unsettled messages of an acknowledged sender: accepts messages, writes them to the current link, counts their
// outcomes, and wakes callers that wait for room or for the end.

import { MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import { IpcError, rejected } from '../../base/errors.js'
import { queueMicrotask } from '../../base/globals.js'
import { Soon } from '../../base/soon.js'
import { callUser } from '../../base/user-code.js'
import { Waiters } from '../../base/waiters.js'
import type { SOCMessage } from '../../message/message.js'
import { violation, type Acknowledgement, type Greeting } from '../protocol/control.js'
import { MemoryStore } from './memory-store.js'
import type {
  AcknowledgedSenderOptions,
  AcknowledgedSenderStats,
  CheckedOptions,
  DeliveryRejection,
} from './options.js'
import { ACKNOWLEDGED, WRITTEN, type DropReason, type Outcome, type SendResult } from './outcome.js'
import { checkMessage, lineLimit } from './refusal.js'
import type { Run } from './run.js'
import { SendWindow } from './send-window.js'
import { SpoolStore } from './spool-store.js'
import type { Store, StoreEvents } from './store.js'

/** A connection to write runs to. */
export interface WritableLink {
  /** Whether it accepts runs now. */
  readonly writable: boolean
  /** Number of the next line on it. */
  readonly next: number
  /** Writes the unsettled lines of a run. Returns false, and writes nothing, if it has to wait first. */
  write(run: Run): boolean
  /** Flushes what was written to the kernel. */
  flush(): void
}

export interface BacklogEvents {
  /** Called when the receiver has rejected messages. */
  onRejected(rejection: DeliveryRejection): void
  /** Called when messages can no longer be stored or read. */
  onFailed(error: IpcError): void
}

export class Backlog {
  readonly #store: Store
  readonly #window: SendWindow
  readonly #onDrop: AcknowledgedSenderOptions['onDrop']
  readonly #events: BacklogEvents
  readonly #recovered: number
  readonly #dropped: Record<DropReason, number> = {
    full: 0,
    invalid: 0,
    expired: 0,
    storage: 0,
    undeliverable: 0,
    timeout: 0,
  }
  readonly #settled = { acknowledged: 0, written: 0, rejected: 0 }
  /** Errors for which messages were given up, and their causes. */
  readonly #blamed = new WeakSet<object>()
  #accepted: number
  /** The highest number that a receiver may know of. */
  #highest: number
  /** The longest line that the last receiver accepted. */
  #maxLineBytes = MAX_MESSAGE_BYTES
  #link: WritableLink | undefined
  readonly #ready = new Soon(() => {
    this.pump()
    // Messages that have reached the spool no longer take room here.
    this.#onProgress()
  })
  readonly #idle = new Waiters()
  readonly #wantRoom = new Waiters()

  constructor(name: string, { spool, onDrop, ...limits }: CheckedOptions, events: BacklogEvents) {
    this.#onDrop = onDrop
    this.#events = events
    this.#recovered = this.#accepted = spool?.messages ?? 0
    this.#highest = spool === undefined ? 0 : spool.next - 1
    this.#window = new SendWindow(spool?.settledThrough ?? 0)
    const storeEvents = this.#storeEvents()
    this.#store =
      spool === undefined
        ? new MemoryStore(name, limits, storeEvents)
        : new SpoolStore(name, spool, limits, storeEvents)
  }

  get session(): string {
    return this.#store.session
  }

  /** No number below this one is sent again by this process. */
  get lowest(): number {
    return this.#window.lowest
  }

  /** No number below this one is sent again, even if this process is killed. */
  get lowestEver(): number {
    return Math.min(this.#window.lowest, this.#store.recordedThrough + 1)
  }

  /** Accepted messages that are neither settled nor given up. */
  get pending(): number {
    return this.#store.pending
  }

  /** Whether at most half of the room is in use. */
  get roomy(): boolean {
    return this.#store.roomy
  }

  get counts(): Omit<AcknowledgedSenderStats, 'connections'> {
    return {
      accepted: this.#accepted,
      recovered: this.#recovered,
      ...this.#settled,
      pending: this.#store.pending,
      dropped: Object.values(this.#dropped).reduce((sum, count) => sum + count, 0),
      droppedBy: { ...this.#dropped },
    }
  }

  /** Accepts messages. Resolves and rejects like the sender's `sendBatch`. */
  accept(messages: readonly SOCMessage[]): Promise<SendResult> {
    let bytes = 0
    try {
      for (const message of messages) bytes += checkMessage(message, this.#maxLineBytes)
    } catch (error) {
      return rejected(error as Error)
    }
    return this.#store.accept(messages, bytes)
  }

  /** Resolves when it is {@link roomy}; rejects when it accepts no more messages. */
  room(): Promise<void> {
    return this.roomy ? Promise.resolve() : this.#wantRoom.wait()
  }

  /** Resolves when nothing is pending; rejects when everything is given up. */
  done(): Promise<void> {
    return this.pending === 0 ? Promise.resolve() : this.#idle.wait()
  }

  /** Writes to this link from now on, beginning with the oldest message. */
  attach(link: WritableLink): void {
    this.#link = link
    this.#window.rewind()
  }

  detach(link: WritableLink): void {
    if (this.#link === link) this.#link = undefined
  }

  /** Writes waiting runs, as far as the link accepts them. */
  pump(): void {
    const link = this.#link
    if (link === undefined) return
    const window = this.#window
    while (link.writable) {
      const run = window.current
      if (run === undefined) {
        const taken = this.#store.take()
        if (taken === undefined) break
        window.add(taken, this.#release)
      } else if (link.write(run)) {
        window.advance()
      } else break
    }
    this.#highest = Math.max(this.#highest, link.next - 1)
    link.flush()
  }

  /** Call when the receiver on the current link has stated its limits. */
  onGreeting({ maxMessageBytes }: Greeting): void {
    this.#maxLineBytes = lineLimit(maxMessageBytes)
  }

  /**
   * Settles the messages of an acknowledgement. Returns how many were not settled before.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE for an acknowledgement that no honest receiver sends
   */
  acknowledge({ session, through, ranges }: Acknowledgement): number {
    if (session !== this.session) throw violation('other-session', 'an acknowledgement of another session')
    const highest = ranges.reduce((most, [, last]) => Math.max(most, last), through)
    if (highest > this.#highest) {
      throw violation('beyond', `an acknowledgement of number ${highest}, which was never sent`)
    }
    let settled = 0
    // Rejections first: `through` covers them too, without their outcome.
    for (const [first, last, reason] of ranges) {
      if (reason !== undefined) settled += this.#settle(first, last, { status: 'rejected', reason })
    }
    if (through >= this.lowest) settled += this.#settle(this.lowest, through, ACKNOWLEDGED)
    for (const [first, last, reason] of ranges) {
      if (reason === undefined) settled += this.#settle(first, last, ACKNOWLEDGED)
    }
    this.#onProgress()
    return settled
  }

  /**
   * Settles every message through this number as written: the kernel has them, for a peer that does not acknowledge.
   */
  settleWritten(through: number): void {
    if (through < this.lowest) return
    this.#settle(this.lowest, through, WRITTEN)
    this.#onProgress()
  }

  /** Rejects callers that wait for room, because no more messages are accepted. */
  stopTaking(error: IpcError): void {
    this.#wantRoom.fail(error)
  }

  /** Gives up everything that is not in a spool. */
  abandon(error: IpcError, reason: DropReason): void {
    this.#store.abandon(error, reason, this.#window.clear())
    this.#idle.fail(error)
    this.#wantRoom.fail(error)
  }

  /** Whether messages were given up for this error. */
  hasGivenUpFor(error: IpcError): boolean {
    return this.#blamed.has(error)
  }

  /** Resolves when all accepted messages are as durable as they will get. */
  flush(): Promise<void> {
    return this.#store.flush()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #settle(first: number, last: number, outcome: Outcome): number {
    this.#window.settle(first, last, (run, begin, end) => {
      this.#store.release(run, begin, end, outcome)
    })
    const count = this.#store.settle(first, last, outcome.reason)
    this.#settled[outcome.status] += count
    if (count > 0 && outcome.status === 'rejected') {
      this.#events.onRejected({ count, reason: outcome.reason ?? '' })
    }
    return count
  }

  readonly #release = (run: Run, begin: number, end: number): void => {
    this.#store.release(run, begin, end, ACKNOWLEDGED)
  }

  #onProgress(): void {
    if (this.#store.pending === 0) this.#idle.wake()
    if (this.#store.roomy) this.#wantRoom.wake()
  }

  #storeEvents(): StoreEvents {
    return {
      onReady: () => {
        this.#ready.ask()
      },
      onAccepted: (messages) => {
        this.#accepted += messages
      },
      onDropped: (count, reason, error, messages) => {
        this.#dropped[reason] += count
        this.#blamed.add(error)
        if (typeof error.cause === 'object' && error.cause !== null) this.#blamed.add(error.cause)
        if (this.#onDrop !== undefined) callUser('onDrop', this.#onDrop, { count, reason, error, messages })
        queueMicrotask(() => {
          this.#onProgress()
        })
      },
      onFailed: (error) => {
        this.#events.onFailed(error)
      },
    }
  }
}
