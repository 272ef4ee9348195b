// What a `send` is told in the end: one receipt for all messages of one call.

import type { IpcError } from '../../base/errors.js'

/**
 * What became of sent messages.
 * - `acknowledged`: the receiving application is done with them.
 * - `spooled`: they are in the spool, as safe as its durability says, and will be sent until they are acknowledged.
 * - `written`: the kernel has them, for a peer that does not acknowledge. At most once.
 */
export type SendStatus = 'acknowledged' | 'spooled' | 'written'

/** What {@link AcknowledgedSender.send} resolves with. */
export interface SendResult {
  /** What all messages of the call have got: the weakest of what each of them got. */
  readonly status: SendStatus
}

/** Why messages that were taken have been given up. */
export type DropReason =
  /** There was no room, and `onFull` said so. */
  | 'full'
  /** Their raw payload was not JSON. */
  | 'invalid'
  /** They were in the spool for longer than its `maxAgeMs`. */
  | 'expired'
  /** The spool could not keep them, or their place in it was damaged. */
  | 'storage'
  /** The peer does not acknowledge, and `onSilentPeer` is `fail`; or no peer was found for `giveUpAfterMs`. */
  | 'undeliverable'
  /** `close` ran out of time. */
  | 'timeout'

/** Messages given up, by reason. */
export type DropCounts = Readonly<Record<DropReason, number>>

export class Receipt {
  readonly promise: Promise<SendResult>
  #resolve!: (result: SendResult) => void
  #reject!: (error: IpcError) => void
  #left: number
  #status: SendStatus = 'acknowledged'
  #error: IpcError | undefined

  constructor(messages: number) {
    this.#left = messages
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits gets it; nobody may be waiting, and drops are counted and reported besides.
    this.promise.catch(() => undefined)
  }

  settle(status: SendStatus, messages = 1): void {
    if (status !== 'acknowledged') this.#status = status
    this.#count(messages)
  }

  drop(error: IpcError, messages = 1): void {
    this.#error ??= error
    this.#count(messages)
  }

  #count(messages: number): void {
    this.#left -= messages
    if (this.#left > 0) return
    if (this.#error === undefined) this.#resolve({ status: this.#status })
    else this.#reject(this.#error)
  }
}
