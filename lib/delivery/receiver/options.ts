// Options and counts of an acknowledging receiver: their meaning and their defaults.

import type { SOCMessage } from '../../message/message.js'
import type { SpoolLog } from '../../spool/spool-log.js'
import type { DeadLetter } from './dead-letters.js'
import type { DeliveryLedger } from './ledger.js'

/** Options of `AcknowledgingReceiver`. */
export interface AcknowledgingReceiverOptions {
  /** What is known of the senders. Share one between all receivers of a listener. Default: one of its own. */
  readonly ledger?: DeliveryLedger
  /**
   * What the application hears of a line that is not a message: `throw` rejects one `next()` with ERR_IPC_INVALID_MESSAGE or
   * ERR_IPC_MESSAGE_TOO_LARGE (at most 64 such errors wait), `skip` only counts it. Either way, the sender of a numbered
   * line hears that it was rejected. Default `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /** Longest line in bytes, told to the sender. Default and most: {@link MAX_MESSAGE_BYTES}. */
  readonly maxMessageBytes?: number
  /** Invalid lines tolerated before the connection is closed. Default 1000. */
  readonly maxInvalid?: number
  /**
   * Asking for the next message accepts the one before: each loop (`for await`, `batches()`) has its own. False:
   * `acknowledge` accepts messages, in any order. Default true.
   */
  readonly autoAck?: boolean
  /** Acknowledge at the latest when so many messages are settled. Default 512. */
  readonly ackEveryMessages?: number
  /** Acknowledge at the latest so many milliseconds after a message is settled. Default 5. */
  readonly ackDelayMs?: number
  /**
   * Shortest heartbeat that a sender can ask for, in milliseconds, from 10. The sender hears of it, and waits for three of
   * them before it takes this side for silent. Default 1000.
   */
  readonly minHeartbeatMs?: number
  /**
   * Give the connection up when nothing came for so many milliseconds although this side was ready to read. Default:
   * three of the sender's heartbeats, at least 1000; never for a sender that does not number its messages.
   */
  readonly idleTimeoutMs?: number
  /** With `autoAck: false`: most messages in hand. No more are handed out until some are settled. Default 65,536. */
  readonly maxUnacknowledged?: number
  /** A message released for the so-many-th time is rejected instead, with the reason `max-deliveries`. Default: never. */
  readonly maxDeliveries?: number
  /**
   * Gives a message its key. Of the messages with the same key, one at a time is handed out, in order, and the next only
   * when it is settled; those without a key are free. Default: no message has one, so that a message that comes again
   * comes after those that were handed out meanwhile.
   */
  readonly orderBy?: (message: SOCMessage) => string | undefined
  /** Called with each message that is rejected, by the application or by `maxDeliveries`. */
  readonly onDeadLetter?: (letter: DeadLetter) => void
  /** Keeps rejected messages. The sender hears of a rejection only when it is in there. Not for a sender at the same time. */
  readonly deadLetters?: SpoolLog
}

/**
 * Counts since the receiver was made. Always: received = accepted + rejected + inHand + waiting + duplicates + superseded, and
 * delivered = accepted + rejected + inHand + released, where rejected counts messages and not `refused` lines.
 */
export interface AcknowledgingReceiverStats {
  /** Messages of the application that were read. */
  readonly received: number
  /** Times that a message was handed out. */
  readonly delivered: number
  /** Messages that the application has finished. */
  readonly accepted: number
  /** Messages that the application has rejected, or that reached `maxDeliveries`. */
  readonly rejected: number
  /** Times that a message was given back. */
  readonly released: number
  /** Messages that the application has now. */
  readonly inHand: number
  /** Messages read or given back that wait to be handed out. */
  readonly waiting: number
  /** Messages that an earlier connection of the session had brought, and that were passed over. */
  readonly duplicates: number
  /** Messages thrown away because another connection took over, or this one was closed; they come again. */
  readonly superseded: number
  /** Lines of a numbered flow that were refused; their sender hears of it. */
  readonly refused: number
  /** Times that the sender said that it gave up messages. */
  readonly gaps: number
  /** Messages that it gave up and this process had not settled. */
  readonly lost: number
  /** Acknowledgements written. */
  readonly acknowledgements: number
  /** Lines that were not messages. */
  readonly invalid: number
}
