// The text around a payload on the wire, {"type":T,"id":I,"ts":N,"payload":P} with extra keys behind `ts`, and the
// longest line. Must not know messages.

import { IpcError } from '../base/errors.js'
import { INVALID_REASONS, TOO_LARGE_STATE } from '../binding/abi.js'

/**
 * Longest message in bytes, as a line without its newline. The Go `Receiver` accepts nothing longer: its scanner's
 * buffer of 1 MiB has to hold the newline too.
 */
export const MAX_MESSAGE_BYTES = (1 << 20) - 1

/** A message to be written: text, or text around bytes that are written untouched. */
export type Frame = string | readonly [head: string, payload: Buffer, tail: string]

/** The text in front of the payload. */
export const PAYLOAD_KEY = ',"payload":'

let lastType = ''
let lastHead = ''

/** The frame up to its payload. */
export function openFrame(type: string, id: string, timestamp: number): string {
  if (type !== lastType) {
    lastType = type
    lastHead = `{"type":${JSON.stringify(type)}`
  }
  return (id === '' ? lastHead : `${lastHead},"id":${JSON.stringify(id)}`) + `,"ts":${timestamp}`
}

/** The whole frame, with its payload. */
export function closeFrame(head: string, payload: string | Buffer | undefined): Frame {
  if (payload === undefined) return head + '}\n'
  return typeof payload === 'string'
    ? `${head}${PAYLOAD_KEY}${payload}}\n`
    : [head + PAYLOAD_KEY, payload, '}\n']
}

/** The bytes of a frame. */
export function frameBytes(frame: Frame): Buffer {
  return Buffer.concat((typeof frame === 'string' ? [frame] : frame).map((part) => Buffer.from(part)))
}

/** The size of a frame without its newline, as limits count it. */
export function lineBytes(frame: Frame): number {
  const bytes =
    typeof frame === 'string'
      ? Buffer.byteLength(frame)
      : Buffer.byteLength(frame[0]) + frame[1].length + frame[2].length
  return bytes - 1
}

/** @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE for a line that a receiver would refuse */
export function checkFrameSize(frame: Frame): void {
  // A UTF-16 unit takes at most three bytes, so most lines need no count.
  if (typeof frame === 'string' && frame.length * 3 <= MAX_MESSAGE_BYTES) return
  const bytes = lineBytes(frame)
  if (bytes <= MAX_MESSAGE_BYTES) return
  throw new IpcError(
    'ERR_IPC_MESSAGE_TOO_LARGE',
    `the message is ${bytes} bytes long as a line; the limit is ${MAX_MESSAGE_BYTES}`,
    { reason: 'too-large' },
  )
}

/** The error for a message that a receiver would refuse in this state; see {@link INVALID_REASONS}. */
export function invalidPayload(state = 1): IpcError {
  const [reason, sentence] = INVALID_REASONS[state] ?? ['not-json', NOT_ONE_VALUE]
  return new IpcError(
    state === TOO_LARGE_STATE ? 'ERR_IPC_MESSAGE_TOO_LARGE' : 'ERR_IPC_INVALID_MESSAGE',
    `the payload does not make a message: ${reason === 'not-json' ? NOT_ONE_VALUE : sentence}`,
    { reason },
  )
}

const NOT_ONE_VALUE = 'it is not one JSON value on one line'
