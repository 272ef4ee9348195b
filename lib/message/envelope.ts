// The text around a payload on the wire: {"type":T,"id":I,"ts":N,"payload":P}, and how long a line may get.
// Must not know messages.

import { IpcError } from '../base/errors.js'

/** Longest message in bytes, as a line without its newline: what a Go `Receiver` takes. */
export const MAX_MESSAGE_BYTES = 1 << 20

/** A message as bytes to be written: text, or text around bytes that go out untouched. */
export type Frame = string | readonly [head: string, payload: Buffer, tail: string]

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

/** The rest of it. */
export function closeFrame(head: string, payload: string | Buffer | undefined): Frame {
  if (payload === undefined) return head + '}\n'
  return typeof payload === 'string'
    ? `${head},"payload":${payload}}\n`
    : [`${head},"payload":`, payload, '}\n']
}

/** A frame as bytes of its own. */
export function frameBytes(frame: Frame): Buffer {
  return Buffer.concat((typeof frame === 'string' ? [frame] : frame).map((part) => Buffer.from(part)))
}

/** Throws ERR_IPC_MESSAGE_TOO_LARGE for a line that no receiver would take. */
export function checkFrameSize(frame: Frame): void {
  // A UTF-16 unit takes at most three bytes, so most lines need no count.
  if (typeof frame === 'string' && frame.length * 3 <= MAX_MESSAGE_BYTES) return
  const bytes =
    typeof frame === 'string'
      ? Buffer.byteLength(frame)
      : Buffer.byteLength(frame[0]) + frame[1].length + frame[2].length
  if (bytes - 1 <= MAX_MESSAGE_BYTES) return
  throw new IpcError(
    'ERR_IPC_MESSAGE_TOO_LARGE',
    `the message is ${bytes - 1} bytes long; at most ${MAX_MESSAGE_BYTES} are allowed`,
    { reason: 'too-large' },
  )
}

/** The error for a raw payload that does not make a message. */
export function invalidPayload(): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', 'a raw payload is not one JSON value on one line', {
    reason: 'not-json',
  })
}
