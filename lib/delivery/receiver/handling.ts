// Runs a handler for each message, and settles the message by how the handler ends.

import { hasCode } from '../../base/errors.js'
import { checkOptions, millisecondsOrZero, wholeNumber, type OptionTable } from '../../base/options.js'
import { reportUserError } from '../../base/user-code.js'
import type { SOCMessage } from '../../message/message.js'

/** Options of `AcknowledgingReceiver.handle`. */
export interface HandleOptions {
  /** Messages handled at once. Default 1. */
  readonly concurrency?: number
  /** Milliseconds before a message whose handler failed is handled again; doubled each time. Default 100. */
  readonly retryDelayMs?: number
  /** Longest such delay. Default 30,000. */
  readonly maxRetryDelayMs?: number
}

export interface HandledLoop {
  next(): Promise<IteratorResult<SOCMessage, undefined>>
  /** Whether a message is still in hand: closing the receiver releases it, perhaps before its handler has begun. */
  isInHand(message: SOCMessage): boolean
}

export interface Handling {
  readonly concurrency: number
  readonly retryDelayMs: number
  readonly maxRetryDelayMs: number
}

const TABLE: OptionTable<HandleOptions> = {
  concurrency: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  retryDelayMs: (value, name) => {
    millisecondsOrZero(value, name)
    if (value === Infinity)
      throw new RangeError(`${name} must be finite, so that the message is handed out again`)
  },
  maxRetryDelayMs: millisecondsOrZero,
}

/** @throws TypeError, RangeError for options that cannot be right */
export function checkHandling(options: HandleOptions | undefined): Handling {
  const {
    concurrency = 1,
    retryDelayMs = 100,
    maxRetryDelayMs = 30_000,
  } = checkOptions('handle', options, TABLE)
  return { concurrency, retryDelayMs, maxRetryDelayMs }
}

/** Handles the messages of one loop, one after the other, until the stream ends. */
export async function handleMessages(
  loop: HandledLoop,
  handler: (message: SOCMessage) => unknown,
  accept: (message: SOCMessage) => void,
  { retryDelayMs, maxRetryDelayMs }: Handling,
): Promise<void> {
  for (;;) {
    let message: SOCMessage
    try {
      const { value, done } = await loop.next()
      if (done === true) return
      message = value
    } catch (error) {
      // A refused line is counted, and its sender is told.
      if (
        hasCode(error, 'ERR_IPC_INVALID_MESSAGE', 'ERR_IPC_MESSAGE_TOO_LARGE') &&
        error.offset !== undefined
      )
        continue
      throw error
    }
    if (!loop.isInHand(message)) continue
    try {
      await handler(message)
      accept(message)
    } catch (error) {
      const delayMs = Math.min(
        retryDelayMs * 2 ** Math.min(message.deliveries - 1, 30),
        maxRetryDelayMs,
        Number.MAX_SAFE_INTEGER,
      )
      message.release({ delayMs })
      reportUserError('handler of AcknowledgingReceiver', error)
    }
  }
}
