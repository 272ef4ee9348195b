// Options and counts of an acknowledging receiver: their meaning, their defaults, and their checks.

import {
  callback,
  checkOptions,
  flag,
  milliseconds,
  millisecondsOrZero,
  oneOf,
  wholeNumber,
  wrongKind,
  type OptionTable,
} from '../../base/options.js'
import { checkTimeout, MAX_TIMER_MS } from '../../base/timing.js'
import { MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import type { SOCMessage } from '../../message/message.js'
import type { OnEvent } from '../../observe/lifecycle.js'
import type { SpoolLog } from '../../spool/spool-log.js'
import { fieldPointers, integerKind, type PayloadOptions } from '../../wire/line-reading.js'
import { MAX_HEARTBEAT_MS, MIN_HEARTBEAT_MS } from '../protocol/control.js'
import { countFrom, millisecondsWithin, spoolLog } from '../protocol/option-checks.js'
import { DeadLetters, type DeadLetter } from './dead-letters.js'
import type { DispatchOptions } from './dispatcher.js'
import { DeliveryLedger } from './ledger.js'
import type { ReceiverLinkOptions } from './link.js'

/** Options of `AcknowledgingReceiver`. */
export interface AcknowledgingReceiverOptions extends PayloadOptions {
  /** Remembers the senders' sessions. Share one between all receivers of a listener. Default: a new ledger. */
  readonly ledger?: DeliveryLedger
  /**
   * How to report a line that is not a message: `throw` rejects one `next()` with ERR_IPC_INVALID_MESSAGE or
   * ERR_IPC_MESSAGE_TOO_LARGE (at most 64 such errors wait), `skip` only counts it. Either way, the sender of a
   * numbered line learns that it was rejected. Default `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /** Longest line in bytes, which the sender learns. Default and maximum: {@link MAX_MESSAGE_BYTES}. */
  readonly maxMessageBytes?: number
  /** Invalid lines tolerated before the connection is closed. Default 1000. */
  readonly maxInvalid?: number
  /**
   * Whether requesting the next message accepts the previous one. Each loop (`for await`, `batches()`) has its own
   * messages in hand and one call at a time: a call that overlaps another one of its loop rejects with a TypeError. If
   * false, `acknowledge` accepts messages, in any order, and calls may overlap. Default true.
   */
  readonly autoAck?: boolean
  /** Maximum number of settled messages before an acknowledgement is sent. Default 1024. */
  readonly ackEveryMessages?: number
  /** Maximum milliseconds between settling a message and acknowledging it. Default 5. */
  readonly ackDelayMs?: number
  /**
   * Shortest heartbeat interval that a sender can request, in milliseconds, from 10. The sender learns it, and
   * considers this side silent after three of them at the earliest. Default 1000.
   */
  readonly minHeartbeatMs?: number
  /**
   * Milliseconds of silence, while this side is ready to read, after which the connection is closed. Default: three of
   * the sender's heartbeats, at least 1000; never for a sender that does not number its messages.
   */
  readonly idleTimeoutMs?: number
  /**
   * With `autoAck: false`: maximum number of messages in hand. No more are handed out until some are settled. Default
   * 65,536. Messages in hand also count towards `maxBytesPerUser` of the listener: raise it if you settle larger
   * batches than that.
   */
  readonly maxUnacknowledged?: number
  /** A message released this many times is rejected instead, with the reason `max-deliveries`. Default: never. */
  readonly maxDeliveries?: number
  /**
   * Returns the key of a message. Messages with the same key are handed out one at a time, in order, each after the one
   * before is settled. Messages without a key are not ordered. Default: no message has a key, so a released message
   * follows messages that were handed out meanwhile.
   */
  readonly orderBy?: (message: SOCMessage) => string | undefined
  /** Called with each message that is rejected, by the application or by `maxDeliveries`. */
  readonly onDeadLetter?: (letter: DeadLetter) => void
  /**
   * Stores rejected messages. A rejection is reported to the sender when the message is durable here. Must not be
   * shared with a sender.
   */
  readonly deadLetters?: SpoolLog
  /** Called with the events of this receiver (`paused`, `resumed`, `closed`, `lost`), in a microtask of its own. */
  readonly onEvent?: OnEvent
}

/**
 * Counts since the receiver was made. Always: received = accepted + rejected + inHand + waiting + duplicates +
 * superseded, and delivered = accepted + rejected + inHand + released, where rejected counts messages and not `refused`
 * lines.
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
  /** Times that a message was released. */
  readonly released: number
  /** Messages that the application has in hand now. */
  readonly inHand: number
  /** Messages read or released that wait to be handed out. */
  readonly waiting: number
  /** Messages skipped because an earlier connection of the session had carried them. */
  readonly duplicates: number
  /**
   * Messages discarded because another connection took over or this one was closed. Their sender sends them again if it
   * numbers messages; otherwise they are also `lost`.
   */
  readonly superseded: number
  /** Refused lines of a numbered flow; they are reported to their sender. */
  readonly refused: number
  /** Times that the sender stated that it gave up messages. */
  readonly gaps: number
  /**
   * Messages that do not come again. The sender gave them up before this process settled them, or this receiver
   * discarded them and their sender does not number messages.
   */
  readonly lost: number
  /** Acknowledgements written. */
  readonly acknowledgements: number
  /** Lines that were not messages. */
  readonly invalid: number
  /** Bytes read. */
  readonly bytes: number
  /** Reads that returned these bytes. */
  readonly batches: number
}

const TABLE: OptionTable<AcknowledgingReceiverOptions> = {
  ledger: (value, name) => {
    if (!DeliveryLedger.is(value))
      throw wrongKind(name, 'a DeliveryLedger of this copy of the package', value)
  },
  onInvalid: oneOf('throw', 'skip'),
  maxMessageBytes: wholeNumber(1, MAX_MESSAGE_BYTES),
  maxInvalid: countFrom(0),
  autoAck: flag,
  ackEveryMessages: countFrom(1),
  ackDelayMs: millisecondsOrZero,
  minHeartbeatMs: millisecondsWithin(MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS),
  idleTimeoutMs: milliseconds,
  maxUnacknowledged: countFrom(1),
  maxDeliveries: countFrom(1),
  orderBy: callback,
  onDeadLetter: callback,
  deadLetters: spoolLog,
  onEvent: callback,
  fields: fieldPointers,
  integers: integerKind,
}

/** @throws TypeError, RangeError for options that cannot be right */
export function checkReceiverOptions(
  name: string,
  options: AcknowledgingReceiverOptions | undefined,
): { dispatch: DispatchOptions; deadLetters: DeadLetters; link: ReceiverLinkOptions } {
  const checked = checkOptions('AcknowledgingReceiver', options, TABLE)
  return {
    dispatch: {
      name,
      autoAck: checked.autoAck ?? true,
      maxUnacknowledged: checked.maxUnacknowledged ?? 65_536,
      maxDeliveries: checked.maxDeliveries ?? Infinity,
      orderBy: checked.orderBy,
    },
    deadLetters: new DeadLetters(checked.onDeadLetter, checked.deadLetters),
    link: {
      ledger: checked.ledger ?? new DeliveryLedger(),
      onInvalid: checked.onInvalid ?? 'throw',
      maxMessageBytes: checked.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      maxInvalid: checked.maxInvalid ?? 1000,
      ...(checked.fields !== undefined && { fields: checked.fields }),
      ...(checked.integers !== undefined && { integers: checked.integers }),
      ackEveryMessages: checked.ackEveryMessages ?? 1024,
      ackDelayMs: Math.min(checked.ackDelayMs ?? 5, MAX_TIMER_MS),
      minHeartbeatMs: checked.minHeartbeatMs ?? 1000,
      idleTimeoutMs: checkTimeout(checked.idleTimeoutMs, Infinity),
      onEvent: checked.onEvent,
    },
  }
}
