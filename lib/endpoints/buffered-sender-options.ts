// Options and counts of a buffered sender: their meaning, defaults and checks.

import type { IpcError } from '../base/errors.js'
import { callback, milliseconds, oneOf, signal, wholeNumber, type OptionTable } from '../base/options.js'
import type { SOCMessage } from '../message/message.js'
import type { OnEvent } from '../observe/lifecycle.js'
import type { OnFull } from './message-queue.js'

/** Options of {@link BufferedSender}. */
export interface BufferedSenderOptions {
  /** Maximum number of pending messages. Default: {@link BUFFER_SIZE}. */
  readonly capacity?: number
  /** Maximum size of the pending messages, in UTF-16 units of text plus bytes of buffers. Default: 8 MiB. */
  readonly maxBytes?: number
  /** What to do with a message when the buffer is full. Default `reject`: `send` throws. See {@link OnFull}. */
  readonly onFull?: OnFull
  /**
   * Called with accepted messages that could not be written, and the error. Runs in a microtask of its own, after the
   * counts have changed; an error that it throws is published on the diagnostics channel `sentinel-ipc:user-error`.
   * Default: the messages are only counted.
   */
  readonly onDrop?: (messages: readonly SOCMessage[], error: IpcError) => void
  /**
   * Called with the lifecycle events of the sender: see {@link LifecycleEvent}. The events are also published on the
   * diagnostics channel `sentinel-ipc:lifecycle`.
   */
  readonly onEvent?: OnEvent
}

/** Accepted messages that were dropped, by reason. */
export interface BufferedSenderDrops {
  /** The buffer was full, and `onFull` dropped them. */
  readonly full: number
  /** Their raw payload was not JSON. */
  readonly invalid: number
  /** The connection was lost. */
  readonly closed: number
  /** `close` ran out of time. */
  readonly timeout: number
}

/** Counts since the sender was created: accepted = written + pending + dropped. */
export interface BufferedSenderStats {
  /** Messages that `send` accepted. */
  readonly accepted: number
  /** Messages handed to the kernel. */
  readonly written: number
  /** Accepted messages that the kernel does not have completely. */
  readonly pending: number
  /** Accepted messages that were dropped: the sum of {@link droppedBy}. */
  readonly dropped: number
  /** Dropped messages, by reason. */
  readonly droppedBy: BufferedSenderDrops
}

/** Options of {@link BufferedSender.close}. */
export interface BufferedSenderCloseOptions {
  /**
   * Milliseconds to wait until pending messages are written. Messages still pending after that are dropped, counted and
   * reported. Default: {@link DEFAULT_TIMEOUT_MS}.
   */
  readonly timeoutMs?: number
}

/** Options of {@link BufferedSender.flush} and {@link BufferedSender.drained}. */
export interface BufferedSenderWaitOptions {
  /** Withdraws the wait. Has no effect on the messages. */
  readonly signal?: AbortSignal
}

const atLeastOne = wholeNumber(1, Number.MAX_SAFE_INTEGER)

export const BUFFERED_SENDER_TABLE: OptionTable<BufferedSenderOptions> = {
  capacity: atLeastOne,
  maxBytes: atLeastOne,
  onFull: oneOf('reject', 'drop-oldest', 'drop-newest', 'shed'),
  onDrop: callback,
  onEvent: callback,
}

export const WAIT_TABLE: OptionTable<BufferedSenderWaitOptions> = { signal }

export const CLOSE_TABLE: OptionTable<BufferedSenderCloseOptions> = { timeoutMs: milliseconds }
