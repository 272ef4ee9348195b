// Decides whether a message can be sent at all, as early as possible: at `send`, by the limits of the last receiver.

import { MAX_MESSAGE_BYTES, frameBytes, invalidPayload, lineBytes } from '../../message/envelope.js'
import { IpcError } from '../../base/errors.js'
import { frameOf, isChecked, sizeBound, SOCMessage } from '../../message/message.js'
import { isJson } from '../../message/payload.js'
import { countFrames } from '../../wire/batch.js'
import { isControl } from '../protocol/control.js'
import { NUMBER_BYTES } from '../../binding/abi.js'

// As constants of this module: in the bundle for require(), an imported one costs a call each time that it is read.
const Message = SOCMessage
const wasChecked = isChecked
const boundOf = sizeBound

/**
 * Returns an upper bound of its size; throws if it can never be sent to a receiver that accepts lines of `maxBytes`.
 */
export function checkMessage(message: SOCMessage, maxBytes: number): number {
  if (!(message instanceof Message)) throw new TypeError('a message must be a SOCMessage')
  if (isControl(message)) {
    throw new IpcError(
      'ERR_IPC_INVALID_MESSAGE',
      `type ${message.type} with id ${message.id} is reserved for acknowledged delivery: choose another id`,
      { reason: 'reserved-id' },
    )
  }
  const bytes = boundOf(message)
  if (bytes * 3 + NUMBER_BYTES > maxBytes) checkSize(message, maxBytes)
  return bytes
}

/** Returns the longest line for a receiver whose stated limit is `maxMessageBytes`. */
export function lineLimit(maxMessageBytes: number): number {
  return Math.min(maxMessageBytes, MAX_MESSAGE_BYTES)
}

/**
 * Whether only a check of the finished line can determine that it is valid, because it has raw JSON or may be nested
 * too deeply.
 */
export function needsCheck(message: SOCMessage): boolean {
  return !wasChecked(message)
}

/** Returns why a message's line is refused; undefined for a valid one. */
export function refusalOf(message: SOCMessage): IpcError | undefined {
  if (countFrames(frameBytes(frameOf(message))) === 1) return undefined
  const { rawPayload = '' } = message
  if (!isJson(rawPayload) || rawPayload.includes('\n')) return invalidPayload()
  return new IpcError('ERR_IPC_INVALID_MESSAGE', 'the payload is nested more than 255 levels deep', {
    reason: 'too-deep',
  })
}

function checkSize(message: SOCMessage, maxBytes: number): void {
  const bytes = lineBytes(frameOf(message))
  if (bytes + NUMBER_BYTES <= maxBytes) return
  throw new IpcError(
    'ERR_IPC_MESSAGE_TOO_LARGE',
    `the message is ${bytes} bytes long; with its number, the receiver takes at most ${maxBytes - NUMBER_BYTES}`,
    { reason: 'too-large' },
  )
}
