// Converts between messages and the lines of a spool.

import { NUMBER_BYTES } from '../binding/abi.js'
import { addon } from '../binding/addon.js'
import { priorityOf } from '../endpoints/message-queue.js'
import { checkFrameSize, frameBytes, invalidPayload } from '../message/envelope.js'
import { messageOfLine } from '../message/line.js'
import { frameOf, type SOCMessage } from '../message/message.js'
import { SOCMsgType } from '../message/type.js'
import { countFrames } from '../wire/batch.js'
import { HEADER_BYTES } from './record.js'
import type { SpoolEntry, SpoolRecord } from './spool-log.js'

/** A message in a spool. */
export interface SpooledMessage {
  /** Number of the message within the session of the spool. */
  readonly number: number
  /** The message. */
  readonly message: SOCMessage
}

/** A record is full when its lines reach this many bytes. */
export const RECORD_BYTES = 1 << 16

/**
 * Returns messages as entries of suitable size, whose lines are numbered from `first` on.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE, ERR_IPC_MESSAGE_TOO_LARGE
 */
export function entriesOf(messages: readonly SOCMessage[], first: number): SpoolEntry[] {
  let next = first
  const entries: SpoolEntry[] = []
  let lines: Buffer[] = []
  let bytes = 0
  let priorities: [number, number, number] = [0, 0, 0]
  const complete = (): void => {
    if (lines.length === 0) return
    const plain = Buffer.concat(lines)
    if (countFrames(plain) !== lines.length) throw invalidPayload()
    const value = Buffer.allocUnsafe(HEADER_BYTES + plain.length + lines.length * NUMBER_BYTES)
    const end = addon.numberLines(plain, plain.length, value, HEADER_BYTES, next)
    entries.push({ count: lines.length, value: value.subarray(0, end), priorities })
    next += lines.length
    lines = []
    bytes = 0
    priorities = [0, 0, 0]
  }
  for (const message of messages) {
    const frame = frameOf(message)
    checkFrameSize(frame)
    const line = frameBytes(frame)
    lines.push(line)
    bytes += line.length
    ++priorities[priorityOf(message.type)]
    if (bytes >= RECORD_BYTES) complete()
  }
  complete()
  return entries
}

/** The messages of a record that are neither settled nor given up. */
export function* messagesOf({ first, count, lines }: SpoolRecord): Generator<SpooledMessage> {
  for (const [index, line] of lines.toString('utf8').split('\n').slice(0, count).entries()) {
    if (line !== '') yield { number: first + index, message: messageOfLine(line) }
  }
}

const INCIDENT = Buffer.from(`{"type":"${SOCMsgType.Incident}",`)
const HEARTBEAT = Buffer.from(`{"type":"${SOCMsgType.Heartbeat}",`)

/** The priority of the message of a line; 1 for an empty line. */
export function priorityOfLine(line: Buffer): number {
  if (begins(line, INCIDENT)) return priorityOf(SOCMsgType.Incident)
  return begins(line, HEARTBEAT) ? priorityOf(SOCMsgType.Heartbeat) : priorityOf(SOCMsgType.Event)
}

function begins(line: Buffer, head: Buffer): boolean {
  return line.length > head.length && line.subarray(0, head.length).equals(head)
}
