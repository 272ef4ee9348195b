// The outcomes of a message, and the promise of a call of `send`: one for all messages of the call.

import type { RejectionReason } from '../../base/error-reasons.js'
import type { IpcError } from '../../base/errors.js'

/**
 * Outcomes of sent messages, from the strongest to the weakest.
 * - `acknowledged`: the receiving application has finished them.
 * - `spooled`: the spool has them, with its durability, and they will be sent until they are settled.
 * - `written`: the kernel has them, for a peer that does not acknowledge. At most once.
 * - `rejected`: the receiver has rejected at least one of them; see `reason`.
 */
export type SendStatus = 'acknowledged' | 'spooled' | 'written' | 'rejected'

/** The result of {@link AcknowledgedSender.send}. */
export interface SendResult {
  /** The weakest outcome among the messages of the call. */
  readonly status: SendStatus
  /**
   * With `rejected`: the reason of the first rejection. `too-large`, `too-deep`, `not-json` … for a line that the
   * receiver refuses, `max-deliveries`, or the reason that the receiving application gave.
   */
  readonly reason?: RejectionReason
  /** With `rejected`: the number of rejected messages. */
  readonly rejected?: number
}

/** The outcome of messages that were not given up. */
export interface Outcome {
  readonly status: 'acknowledged' | 'written' | 'rejected'
  readonly reason?: RejectionReason
}

export const ACKNOWLEDGED: Outcome = { status: 'acknowledged' }
export const WRITTEN: Outcome = { status: 'written' }

/** Why accepted messages were given up. With `undeliverable` and `timeout`, messages already sent may have arrived. */
export type DropReason =
  /** There was no room, and `onFull` dropped them. */
  | 'full'
  /** They are invalid, for example a raw payload that is not JSON, or one that is nested too deeply. */
  | 'invalid'
  /** They were in the spool for longer than its `maxAgeMs`. */
  | 'expired'
  /** The spool could not store them, or their record was damaged. */
  | 'storage'
  /** The peer does not acknowledge, and `onSilentPeer` is `fail`; or no peer was found for `giveUpAfterMs`. */
  | 'undeliverable'
  /** `close` ran out of time. */
  | 'timeout'

/** Messages given up, by reason. */
export type DropCounts = Readonly<Record<DropReason, number>>

/** The promise of one `send` or `sendBatch`. */
export class Completion {
  readonly promise: Promise<SendResult>
  #resolve!: (result: SendResult) => void
  #reject!: (error: IpcError) => void
  #left: number
  #status: SendStatus = 'acknowledged'
  #reason: RejectionReason | undefined
  #rejected = 0
  #error: IpcError | undefined

  constructor(messages: number) {
    this.#left = messages
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The caller need not await it: drops are also counted and reported.
    this.promise.catch(() => undefined)
  }

  /** Counts messages of the call with this outcome. */
  settle(status: SendStatus, messages: number, reason?: RejectionReason): void {
    if (status === 'rejected') {
      this.#rejected += messages
      this.#reason ??= reason
      this.#status = status
    } else if (status !== 'acknowledged' && this.#status !== 'rejected') {
      this.#status = status
    }
    this.#count(messages)
  }

  /** Counts messages of the call that were given up. */
  drop(error: IpcError, messages = 1): void {
    this.#error ??= error
    this.#count(messages)
  }

  #count(messages: number): void {
    this.#left -= messages
    if (this.#left > 0) return
    if (this.#error !== undefined) this.#reject(this.#error)
    else if (this.#status !== 'rejected') this.#resolve({ status: this.#status })
    else {
      this.#resolve({
        status: 'rejected',
        rejected: this.#rejected,
        ...(this.#reason !== undefined && { reason: this.#reason }),
      })
    }
  }
}
