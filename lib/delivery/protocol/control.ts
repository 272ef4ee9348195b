// What the two ends of acknowledged delivery say to each other besides messages: positions and acknowledgements, byte
// for byte as docs/delivery.md has them. What a peer says is checked strictly here; what it means is decided elsewhere.

import { randomHex } from '../../base/crypto.js'
import { IpcError } from '../../base/errors.js'
import { SOCMsgType } from '../../message/type.js'
import type { SOCMessage } from '../../message/message.js'
import { newSOCMessage } from '../../message/new-message.js'

/** The id that control messages have, and messages of the application must not. */
export const CONTROL_ID = 'sentinel-delivery'

/** Sender to receiver: which number the next message has. First on a connection, at jumps, and as heartbeat. */
export interface PositionClaim {
  /** 32 hexadecimal digits, random for each sender (or its spool). */
  readonly session: string
  /** Number of the next message; the first of a session is 1. */
  readonly next: number
  /** How often the sender says this when it has nothing else to say, and how often it wants to hear from the receiver. */
  readonly heartbeatMs: number
}

/** Receiver to sender: all through this number are done with. */
export interface Acknowledgement {
  readonly session: string
  readonly through: number
}

export const MIN_HEARTBEAT_MS = 10
export const MAX_HEARTBEAT_MS = 3_600_000
const SESSION = /^[0-9a-f]{32}$/

/** A session that nobody else has. */
export function newSession(): string {
  return randomHex(16)
}

export function isSession(text: unknown): text is string {
  return typeof text === 'string' && SESSION.test(text)
}

/** Whether a message is one that the two ends say to each other. Cheap for what is not. */
export function isControl(message: SOCMessage): boolean {
  const { type } = message
  return (type === SOCMsgType.Heartbeat || type === SOCMsgType.Ack) && message.id === CONTROL_ID
}

export function positionMessage({ session, next, heartbeatMs }: PositionClaim): SOCMessage {
  return control(SOCMsgType.Heartbeat, { session, next, heartbeat_ms: heartbeatMs })
}

export function acknowledgementMessage({ session, through }: Acknowledgement): SOCMessage {
  return control(SOCMsgType.Ack, { session, through })
}

function control(type: SOCMsgType, payload: object): SOCMessage {
  return newSOCMessage(type, payload, { id: CONTROL_ID })
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE, reason `bad-position` */
export function parsePosition(message: SOCMessage): PositionClaim {
  const { session, next, heartbeat_ms: heartbeatMs, ...rest } = fields(message)
  if (
    message.type !== SOCMsgType.Heartbeat ||
    Object.keys(rest).length > 0 ||
    !isSession(session) ||
    !isNumber(next, 1, Number.MAX_SAFE_INTEGER) ||
    !isNumber(heartbeatMs, MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS)
  ) {
    throw violation('bad-position', 'a position that is none')
  }
  return { session, next, heartbeatMs }
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE, reason `bad-ack` */
export function parseAcknowledgement(message: SOCMessage): Acknowledgement {
  const { session, through, ...rest } = fields(message)
  if (
    message.type !== SOCMsgType.Ack ||
    Object.keys(rest).length > 0 ||
    !isSession(session) ||
    !isNumber(through, 0, Number.MAX_SAFE_INTEGER)
  ) {
    throw violation('bad-ack', 'an acknowledgement that is none')
  }
  return { session, through }
}

/** The error for a peer that does not keep to the protocol. */
export function violation(reason: string, what: string): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', `the peer sent ${what}`, { reason })
}

function fields(message: SOCMessage): Record<string, unknown> {
  const { payload } = message
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload) ? { ...payload } : {}
}

function isNumber(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}
