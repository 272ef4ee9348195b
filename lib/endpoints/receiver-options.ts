// The options and counts of a receiver: their meaning, defaults and checks.

import {
  anything,
  callback,
  checkOptions,
  limit,
  milliseconds,
  oneOf,
  signal,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { checkTimeout } from '../base/timing.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import type { OnEvent } from '../observe/lifecycle.js'
import { toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import {
  fieldPointers,
  integerKind,
  lineReading,
  type LineReading,
  type PayloadOptions,
} from '../wire/line-reading.js'
import type { SilenceLimits } from './silence-limit.js'

/** Options of {@link Receiver}. */
export interface ReceiverOptions extends PayloadOptions {
  /**
   * What to do with a line that is not a message. `throw` rejects one `next()` with ERR_IPC_INVALID_MESSAGE or
   * ERR_IPC_MESSAGE_TOO_LARGE and goes on with the next line; `skip` only counts it. Default: `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /** Longest line in bytes, without its newline. Default and maximum: {@link MAX_MESSAGE_BYTES}. */
  readonly maxMessageBytes?: number
  /** Invalid lines tolerated before the connection is closed; `Infinity` for any number. Default: 1000. */
  readonly maxInvalid?: number
  /**
   * Milliseconds without a byte, while this side reads, after which the connection is closed and `next` rejects with
   * ERR_IPC_TIMEOUT (reason `idle`). Default: unlimited.
   */
  readonly idleTimeoutMs?: number
  /**
   * Milliseconds from the construction of the receiver to its first message, with the same effect (reason
   * `no-first-message`). Default: unlimited.
   */
  readonly firstMessageTimeoutMs?: number
  /**
   * Milliseconds from the first byte of a line to its end, while this side reads, after which the connection is closed
   * and `next` rejects with ERR_IPC_TIMEOUT (reason `unfinished-message`). Occasional bytes do not extend it, so a slow
   * peer cannot hold a connection open with an unfinished line. `Infinity` for no limit. Default: 30,000.
   */
  readonly messageTimeoutMs?: number
  /**
   * Polls for messages before the thread goes to sleep: shortest latency, at the cost of a processor. `false`: never
   * polls. Default: the setting of the connection or its listener, which by default polls for up to 50 µs while that
   * pays off.
   */
  readonly busyPoll?: BusyPollOptions | false
  /**
   * Called with the lifecycle events of the receiver: see {@link LifecycleEvent}. The events are also published on the
   * diagnostics channel `sentinel-ipc:lifecycle`.
   */
  readonly onEvent?: OnEvent
}

/** Options of one wait for a message. */
export interface ReceiveOptions {
  /** Withdraws the wait. No message is lost: the next wait gets it. */
  readonly signal?: AbortSignal
}

/** Counts since the receiver was made. */
export interface ReceiverStats {
  /** Messages read, including those not yet requested. */
  readonly received: number
  /** Lines that were not messages. */
  readonly invalid: number
  /** Bytes read. */
  readonly bytes: number
  /** Reads that returned these bytes. */
  readonly batches: number
  /** 1 if the stream began with a UTF-8 byte order mark, which was skipped; otherwise 0. */
  readonly byteOrderMarks: number
}

const TABLE: OptionTable<ReceiverOptions> = {
  onInvalid: oneOf('throw', 'skip'),
  maxMessageBytes: wholeNumber(1, MAX_MESSAGE_BYTES),
  maxInvalid: limit(0),
  idleTimeoutMs: milliseconds,
  firstMessageTimeoutMs: milliseconds,
  messageTimeoutMs: milliseconds,
  busyPoll: anything, // toPollRequest checks it
  onEvent: callback,
  fields: fieldPointers,
  integers: integerKind,
}

export const RECEIVE_TABLE: OptionTable<ReceiveOptions> = { signal }

/** Enough for a peer with a bug; a hostile peer is disconnected before it costs much. */
const DEFAULT_MAX_INVALID = 1000
const DEFAULT_MESSAGE_TIMEOUT_MS = 30_000

/** The checked options of a receiver. */
export interface ReceiverPlan {
  readonly skipInvalid: boolean
  readonly maxMessageBytes: number
  readonly maxInvalid: number
  readonly limits: SilenceLimits
  readonly reading: LineReading
  /** Undefined: the setting of the connection. */
  readonly busyPoll: PollRequest | undefined
  readonly onEvent: OnEvent | undefined
}

/** One object for all receivers without options, because there may be thousands. */
const DEFAULT_PLAN: ReceiverPlan = planFrom({})

/** @throws TypeError, RangeError for options that are not allowed */
export function receiverPlanOf(options: ReceiverOptions | undefined): ReceiverPlan {
  return options === undefined ? DEFAULT_PLAN : planFrom(checkOptions('Receiver', options, TABLE))
}

function planFrom(options: ReceiverOptions): ReceiverPlan {
  return {
    skipInvalid: options.onInvalid === 'skip',
    maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    maxInvalid: options.maxInvalid ?? DEFAULT_MAX_INVALID,
    limits: {
      firstMessageMs: checkTimeout(options.firstMessageTimeoutMs, Infinity),
      idleMs: checkTimeout(options.idleTimeoutMs, Infinity),
      messageMs: checkTimeout(options.messageTimeoutMs, DEFAULT_MESSAGE_TIMEOUT_MS),
    },
    reading: lineReading('Receiver', options),
    busyPoll: options.busyPoll === undefined ? undefined : toPollRequest(options.busyPoll),
    onEvent: options.onEvent,
  }
}
