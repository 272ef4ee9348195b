// The options of a sender and of one send: their meaning, defaults and checks.

import { callback, milliseconds, signal, wholeNumber, type OptionTable } from '../base/options.js'
import type { OnEvent } from '../observe/lifecycle.js'

/** Options of {@link Sender}. */
export interface SenderOptions {
  /** Milliseconds that one send may take. Default: {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number
  /**
   * Maximum number of sends that wait while the peer does not read. Further sends reject with ERR_IPC_BUFFER_FULL.
   * Default: 4096.
   */
  readonly maxPending?: number
  /**
   * Maximum bytes of the messages in waiting sends, counted as in `BufferedSenderOptions.maxBytes`. Further sends
   * reject with ERR_IPC_BUFFER_FULL. A single send may be larger if no other waits. Default: 8 MiB.
   */
  readonly maxPendingBytes?: number
  /**
   * Called with the lifecycle events of the sender: see {@link LifecycleEvent}. The events are also published on the
   * diagnostics channel `sentinel-ipc:lifecycle`.
   */
  readonly onEvent?: OnEvent
}

/** Options of one send. */
export interface SendOptions {
  /** Withdraws the send. If it has begun already, the message may still reach the peer. */
  readonly signal?: AbortSignal
}

const atLeastOne = wholeNumber(1, Number.MAX_SAFE_INTEGER)
export const SENDER_TABLE: OptionTable<SenderOptions> = {
  timeoutMs: milliseconds,
  maxPending: atLeastOne,
  maxPendingBytes: atLeastOne,
  onEvent: callback,
}

export const SEND_TABLE: OptionTable<SendOptions> = { signal }
