// The messages that an endpoint writes: those of the application, and its own requests, replies and cancellations,
// whose bytes are counted until the kernel has them. Must not know what a reply is.

import type { Connection } from '../connection/connection.js'
import { Sender } from '../endpoints/sender.js'
import type { SendOptions } from '../endpoints/sender-options.js'
import { sizeBound, type SOCMessage } from '../message/message.js'
import { DEFAULT_MAX_PENDING_BYTES } from './endpoint-options.js'

/** Waiting sends are bounded by their bytes, so their number is not limited. */
const MAX_PENDING_SENDS = 1_000_000

export class Outbox {
  readonly #connection: Connection
  readonly #sender: Sender
  readonly #maxBytes: number
  readonly #onTaken: () => void
  #unsentBytes = 0
  /** A promise of the sender that has resolved. */
  #taken: Promise<void> | undefined

  /** @param onTaken called when a posted message has been taken, or has failed */
  constructor(connection: Connection, name: string, maxBytes: number, onTaken: () => void) {
    this.#connection = connection
    this.#maxBytes = maxBytes
    this.#onTaken = onTaken
    this.#sender = new Sender(connection, name, {
      maxPending: MAX_PENDING_SENDS,
      maxPendingBytes: Math.max(maxBytes, DEFAULT_MAX_PENDING_BYTES),
    })
  }

  /** Whether the connection is closed, so that nothing can be sent any more. */
  get closed(): boolean {
    return this.#connection.closed
  }

  /** Bytes of posted messages that the kernel has not taken. */
  get unsentBytes(): number {
    return this.#unsentBytes
  }

  /** Whether more waits than the bound allows, because the peer does not read. */
  get full(): boolean {
    return this.#unsentBytes > this.#maxBytes
  }

  /** Whether a message fits within the bound. A single message always fits. */
  fits(message: SOCMessage): boolean {
    return this.#unsentBytes === 0 || this.#unsentBytes + sizeBound(message) <= this.#maxBytes
  }

  /** Sends a message of the application, which awaits the promise itself. */
  send(message: SOCMessage, options?: SendOptions): Promise<void> {
    return this.#sender.send(message, options)
  }

  /**
   * Sends a message of the endpoint and counts it until the kernel has it. `counted` is false for a message that is
   * counted elsewhere.
   */
  post(message: SOCMessage, onFailure: (error: unknown) => void, counted = true): void {
    const sent = this.#sender.send(message)
    // The sender returns one promise for all sends that the kernel took at once. It is awaited only once.
    if (sent === this.#taken) return
    const bytes = counted ? sizeBound(message) : 0
    this.#unsentBytes += bytes
    sent.then(
      () => {
        this.#taken = sent
        this.#unsentBytes -= bytes
        this.#onTaken()
      },
      (error: unknown) => {
        this.#unsentBytes -= bytes
        this.#onTaken()
        onFailure(error)
      },
    )
  }

  /** Closes the connection once everything that was sent has been taken. */
  close(): Promise<void> {
    return this.#sender.close()
  }
}
