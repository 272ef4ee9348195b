// Options, events and counts of an acknowledged sender: their meaning, their defaults, and their checks.

import { DIAL_TABLE, diallerOf, type DialOptions } from '../../connection/dial.js'
import type { RejectionReason } from '../../base/error-reasons.js'
import type { IpcError } from '../../base/errors.js'
import {
  callback,
  checkOptions,
  milliseconds,
  oneOf,
  wholeNumber,
  type OptionTable,
} from '../../base/options.js'
import type { OnFull } from '../../endpoints/message-queue.js'
import type { SOCMessage } from '../../message/message.js'
import type { LifecycleEvent } from '../../observe/lifecycle.js'
import { checkTimeout } from '../../base/timing.js'
import type { SpoolLog } from '../../spool/spool-log.js'
import { MAX_HEARTBEAT_MS, MIN_HEARTBEAT_MS } from '../protocol/control.js'
import { spoolLog } from '../protocol/option-checks.js'
import type { DropCounts, DropReason } from './outcome.js'
import type { RedialOptions } from './redialler.js'

/**
 * Events of an acknowledged sender, for logs and alarms: {@link LifecycleEvent}s with the role `acknowledged-sender`.
 * - `connected`: a peer was reached. If `acknowledging` is false, it does not acknowledge, and gets each message at
 * most once.
 * - `lost`: the connection ended; `error` is the reason, if there is one.
 * - `retrying`: no peer was reached, or it hung up (`error.reason` `hung-up`), or it does not acknowledge
 *   (`not-acknowledging`), or it fell silent (`silent-peer`).
 * - `degraded`: the peer does not acknowledge, and `onSilentPeer` is `written`.
 * - `rejected`: the receiver has rejected messages. Their `send` resolves with `rejected` too, unless they were
 * spooled.
 * - `failed`: the sender has stopped permanently: see `onSilentPeer` and `giveUpAfterMs`; or its spool is no longer
 * usable.
 * - `closed`: the sender was closed.
 */
export type DeliveryEvent = LifecycleEvent

/** Messages that the receiver has refused for good. */
export interface DeliveryRejection {
  /** How many messages were rejected. */
  readonly count: number
  /** As in {@link SendResult}. */
  readonly reason: RejectionReason
}

/** Options of {@link AcknowledgedSender}. The address and the policy are the same options as for `dial`. */
export interface AcknowledgedSenderOptions extends Omit<DialOptions, 'signal' | 'onEvent'> {
  /** Maximum number of pending messages without a spool, or of messages in memory with one. Default 16,384. */
  readonly maxMessages?: number
  /** Maximum size of these messages, in UTF-16 units of text plus bytes of buffers. Default 16 MiB. */
  readonly maxBytes?: number
  /** What to do with a message when there is no room, here or in the spool. Default `reject`. See {@link OnFull}. */
  readonly onFull?: OnFull
  /** Keeps messages until they are settled, beyond the life of this process. Default: none, memory only. */
  readonly spool?: SpoolLog
  /**
   * What to do with a peer that does not acknowledge, such as a Go receiver:
   * - `retry`: disconnect and try again, because it may be an acknowledging receiver that hangs. No message is sent to
   * it, and each attempt is a `retrying` event.
   * - `written`: send anyway, at most once; results and counts are `written`.
   * - `fail`: give up all messages, except those in a spool, and fail. After any peer has acknowledged, the sender
   * always retries. Default `retry`.
   */
  readonly onSilentPeer?: 'retry' | 'written' | 'fail'
  /** Milliseconds to wait for the peer's first acknowledgement. Default 2000. */
  readonly answerTimeoutMs?: number
  /** Milliseconds between heartbeats when there is nothing to send, from 10 to 3,600,000. Default 5000. */
  readonly heartbeatMs?: number
  /**
   * Milliseconds of silence after which the connection is closed, but at least three of the peer's own heartbeats.
   * Default: three heartbeats.
   */
  readonly peerTimeoutMs?: number
  /**
   * Longest first wait between attempts to connect, in milliseconds. It doubles with each attempt, and is randomized
   * between half and all of it. Default 50.
   */
  readonly minBackoffMs?: number
  /** Upper limit of that wait, in milliseconds. Default 5000. */
  readonly maxBackoffMs?: number
  /** Milliseconds without an acknowledging peer after which the sender fails. Default: never. */
  readonly giveUpAfterMs?: number
  /** Called with accepted messages that are given up. Messages that are only on disk are counted but not passed. */
  readonly onDrop?: (drop: DeliveryDrop) => void
  /** Called with each event of the sender. Also on the diagnostics channel `sentinel-ipc:lifecycle`. */
  readonly onEvent?: (event: DeliveryEvent) => void
}

/** Messages that were given up. */
export interface DeliveryDrop {
  /** How many messages were given up. */
  readonly count: number
  /** Why they were given up. */
  readonly reason: DropReason
  /** The error behind it. */
  readonly error: IpcError
  /** The messages, if they are in memory. Messages already encoded are parsed again from their lines. */
  readonly messages: readonly SOCMessage[]
}

/** Counts since the sender was made: accepted = acknowledged + rejected + written + pending + dropped. */
export interface AcknowledgedSenderStats {
  /** Messages accepted, including those that an earlier process left in the spool. */
  readonly accepted: number
  /** The accepted messages that came from an earlier process. */
  readonly recovered: number
  /** Messages that the receiving application has finished. */
  readonly acknowledged: number
  /** Messages that the receiver has refused for good. */
  readonly rejected: number
  /** Messages that the kernel took for a peer that does not acknowledge. */
  readonly written: number
  /** Messages that are neither settled nor given up. */
  readonly pending: number
  /** Messages given up: the sum of {@link droppedBy}. */
  readonly dropped: number
  /** Dropped messages, by reason. */
  readonly droppedBy: DropCounts
  /** Connections whose peer acknowledged, or that carried messages without acknowledgements. */
  readonly connections: number
}

/** The state of a sender. `connecting` lasts until the peer has acknowledged. */
export type AcknowledgedSenderState = 'connecting' | 'acknowledging' | 'unacknowledged' | 'failed' | 'closed'

export interface CheckedOptions {
  readonly redial: RedialOptions
  readonly maxMessages: number
  readonly maxBytes: number
  readonly onFull: OnFull
  readonly spool: SpoolLog | undefined
  readonly onSilentPeer: 'retry' | 'written' | 'fail'
  readonly onDrop: AcknowledgedSenderOptions['onDrop']
  readonly onEvent: AcknowledgedSenderOptions['onEvent']
  readonly link: {
    readonly answerTimeoutMs: number
    readonly heartbeatMs: number
    readonly peerTimeoutMs: number
  }
}

const TABLE: OptionTable<AcknowledgedSenderOptions> = {
  directory: DIAL_TABLE.directory,
  path: DIAL_TABLE.path,
  sharedDirectory: DIAL_TABLE.sharedDirectory,
  policy: DIAL_TABLE.policy,
  timeoutMs: DIAL_TABLE.timeoutMs,
  busyPoll: DIAL_TABLE.busyPoll,
  maxMessages: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  maxBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  onFull: oneOf('reject', 'drop-oldest', 'drop-newest', 'shed'),
  spool: spoolLog,
  onSilentPeer: oneOf('retry', 'written', 'fail'),
  answerTimeoutMs: milliseconds,
  heartbeatMs: wholeNumber(MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS),
  peerTimeoutMs: milliseconds,
  minBackoffMs: milliseconds,
  maxBackoffMs: milliseconds,
  giveUpAfterMs: milliseconds,
  onDrop: callback,
  onEvent: callback,
}

/** @throws TypeError, RangeError, {@link IpcError} ERR_IPC_PATH_TOO_LONG for what can never work */
export function checkSenderOptions(
  name: string,
  options: AcknowledgedSenderOptions | undefined,
): CheckedOptions {
  const checked = checkOptions('AcknowledgedSender', options, TABLE)
  const { directory, path, policy, timeoutMs, busyPoll, heartbeatMs = 5000 } = checked
  return {
    redial: {
      dial: diallerOf('AcknowledgedSender', name, {
        ...(directory !== undefined && { directory }),
        ...(path !== undefined && { path }),
        ...(policy !== undefined && { policy }),
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(busyPoll !== undefined && { busyPoll }),
      }),
      minBackoffMs: checkTimeout(checked.minBackoffMs, 50),
      maxBackoffMs: checkTimeout(checked.maxBackoffMs, 5000),
      giveUpAfterMs: checkTimeout(checked.giveUpAfterMs, Infinity),
    },
    maxMessages: checked.maxMessages ?? 16_384,
    maxBytes: checked.maxBytes ?? 16 << 20,
    onFull: checked.onFull ?? 'reject',
    spool: checked.spool,
    onSilentPeer: checked.onSilentPeer ?? 'retry',
    onDrop: checked.onDrop,
    onEvent: checked.onEvent,
    link: {
      heartbeatMs,
      answerTimeoutMs: checkTimeout(checked.answerTimeoutMs, 2000),
      peerTimeoutMs: checkTimeout(checked.peerTimeoutMs, 3 * heartbeatMs),
    },
  }
}
