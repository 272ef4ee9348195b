// Options and counts of an acknowledging receiver: what they mean and their defaults.

import type { ReceiverOptions } from '../../endpoints/receiver.js'
import type { DeliveryLedger } from './ledger.js'

/** Options of `AcknowledgingReceiver`. */
export interface AcknowledgingReceiverOptions extends Pick<
  ReceiverOptions,
  'onInvalid' | 'maxMessageBytes' | 'maxInvalid'
> {
  /** What is known of the senders. Share one between all receivers of a listener. Default: one of its own. */
  readonly ledger?: DeliveryLedger
  /**
   * Asking for the next message says that the one before is done with. False: `acknowledge` says it, in any order. Default
   * true.
   */
  readonly autoAck?: boolean
  /** Acknowledge at the latest when so many messages are done with. Default 512. */
  readonly ackEveryMessages?: number
  /** Acknowledge at the latest so many milliseconds after a message is done with. Default 5. */
  readonly ackDelayMs?: number
  /**
   * Give the connection up when nothing came for so many milliseconds although this side was ready to read. Default:
   * three times the sender's heartbeat, at least 1000; never for a sender that does not number its messages.
   */
  readonly idleTimeoutMs?: number
  /** With `autoAck: false`: messages in hand that are not acknowledged. No more are handed out then. Default 65,536. */
  readonly maxUnacknowledged?: number
}

/** Counts since the receiver was made: received = delivered + duplicates + superseded + waiting to be asked for. */
export interface AcknowledgingReceiverStats {
  /** Messages of the application that were read. */
  readonly received: number
  /** Messages handed out. */
  readonly delivered: number
  /** Messages that an earlier connection of the session had delivered, and that were passed over. */
  readonly duplicates: number
  /** Messages read and thrown away because another connection took over, or this was closed; they come again. */
  readonly superseded: number
  /** Times that numbers were missing: the sender gave up messages between two. */
  readonly gaps: number
  /** Messages missing there. */
  readonly lost: number
  /** Acknowledgements written. */
  readonly acknowledgements: number
  /** Lines that were no messages. */
  readonly invalid: number
}
