// The counts of one receiver, and its bounds: when enough messages wait to be handed out, reading stops.

/** Reading stops when this many messages or bytes wait to be handed out, and resumes at half of that. */
const MAX_WAITING = 1024
const MAX_WAITING_BYTES = 1 << 18

/** The counts that handing out and settling change. `AcknowledgingReceiverStats` documents them. */
export type Counts = Pick<
  Tally,
  | 'received'
  | 'delivered'
  | 'accepted'
  | 'rejected'
  | 'released'
  | 'inHand'
  | 'waiting'
  | 'duplicates'
  | 'superseded'
>

export class Tally {
  received = 0
  delivered = 0
  accepted = 0
  rejected = 0
  released = 0
  inHand = 0
  waiting = 0
  duplicates = 0
  superseded = 0
  /** Superseded messages that do not come again, because their sender does not number messages. */
  lost = 0
  #waitingBytes = 0
  #wasFull = false

  get counts(): Counts {
    const { received, delivered, accepted, rejected, released, inHand, waiting, duplicates, superseded } =
      this
    return { received, delivered, accepted, rejected, released, inHand, waiting, duplicates, superseded }
  }

  /** Counts messages that are discarded here. `comeAgain`: whether their sender sends them again. */
  supersede(messages: number, comeAgain: boolean): void {
    this.superseded += messages
    if (!comeAgain) this.lost += messages
  }

  /** Counts what waits to be handed out. An error counts as 0 messages, but takes bytes. */
  addWaiting(messages: number, bytes: number): void {
    this.waiting += messages
    this.#waitingBytes += bytes
  }

  removeWaiting(messages: number, bytes: number): void {
    this.waiting -= messages
    this.#waitingBytes -= bytes
  }

  /** Whether reading stopped at the bound when {@link isFull} was last called. */
  get wasFull(): boolean {
    return this.#wasFull
  }

  /**
   * Returns whether so much waits that reading must stop: from the bound on, until at most half of it is left. A receiver
   * that no longer reads is never full.
   */
  isFull(reads: boolean): boolean {
    const full = this.#wasFull
      ? this.waiting > MAX_WAITING / 2 || this.#waitingBytes > MAX_WAITING_BYTES / 2
      : this.waiting >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES
    return (this.#wasFull = full && reads)
  }
}
