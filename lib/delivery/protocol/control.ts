// The control messages of acknowledged delivery: statements of the sender and acknowledgements of the receiver, byte
// for byte as docs/delivery.md describes them. This file checks their shape strictly; their meaning is decided
// elsewhere.

import { randomHex } from '../../base/crypto.js'
import type { DeliveryViolation } from '../../base/error-reasons.js'
import { IpcError } from '../../base/errors.js'
import { SOCMsgType } from '../../message/type.js'
import type { SOCMessage } from '../../message/message.js'
import { newSOCMessage } from '../../message/new-message.js'

/** Version of the protocol that this package speaks. */
export const PROTOCOL_VERSION = 2

/** The id of control messages. Messages of an application must not have it. */
export const CONTROL_ID = 'sentinel-delivery'

/** Numbers from the first to the last, both included. */
export type NumberRange = readonly [first: number, last: number]

/** Sender to receiver: first on a connection, in front of every jump of the numbers, and as heartbeat. */
export interface Statement {
  /** 32 hexadecimal digits, random for each sender or its spool. */
  readonly session: string
  /** Number of the next line on this connection. The first of a session is 1. */
  readonly next: number
  /** No number below this one will be sent again on any connection. */
  readonly lowest: number
  /** Interval of the sender's heartbeats, and the interval at which it expects those of the receiver. */
  readonly heartbeatMs: number
  /** These numbers will not be sent on this connection: they are settled or were given up. */
  readonly gone: NumberRange | undefined
}

/** The limits of the receiver. Part of its first acknowledgement on a connection. */
export interface Greeting {
  /** Longest line in bytes, without its newline. */
  readonly maxMessageBytes: number
  /** Deepest nesting of a line, the envelope included. */
  readonly maxDepth: number
  /** Interval at which the receiver acknowledges when it has nothing new to report. */
  readonly heartbeatMs: number
}

/** Settled numbers. With a reason they were rejected, without one accepted. */
export type SettledRange = readonly [first: number, last: number, reason?: string]

/** Receiver to sender: every number through `through` is settled, and so are the ranges. */
export interface Acknowledgement {
  readonly session: string
  readonly through: number
  /** Accepted numbers beyond `through`, and rejected numbers anywhere. */
  readonly ranges: readonly SettledRange[]
  /** Undefined after the first acknowledgement of a connection. */
  readonly greeting: Greeting | undefined
}

export const MIN_HEARTBEAT_MS = 10
export const MAX_HEARTBEAT_MS = 3_600_000
/** Maximum number of ranges in one acknowledgement. */
export const MAX_RANGES = 64
/** Maximum length of a reason in UTF-16 units. A longer one is cut. */
export const MAX_REASON_LENGTH = 128
// As constants of this module: in the bundle for require(), an imported one costs a call each time that it is read.
const { Heartbeat: HEARTBEAT, Ack: ACK } = SOCMsgType
const SESSION = /^[0-9a-f]{32}$/
const MAX_NUMBER = Number.MAX_SAFE_INTEGER

/** Returns a new random session id. */
export function newSession(): string {
  return randomHex(16)
}

export function isSession(text: unknown): text is string {
  return typeof text === 'string' && SESSION.test(text)
}

/** Whether a message is a control message. Fast for messages of the application. */
export function isControl(message: SOCMessage): boolean {
  const { type } = message
  return (type === HEARTBEAT || type === ACK) && message.id === CONTROL_ID
}

export function statementMessage({ session, next, lowest, heartbeatMs, gone }: Statement): SOCMessage {
  return control(SOCMsgType.Heartbeat, {
    version: PROTOCOL_VERSION,
    session,
    next,
    lowest,
    heartbeat_ms: heartbeatMs,
    ...(gone !== undefined && { gone }),
  })
}

export function acknowledgementMessage({ session, through, ranges, greeting }: Acknowledgement): SOCMessage {
  return control(SOCMsgType.Ack, {
    session,
    through,
    ...(ranges.length > 0 && { ranges }),
    ...(greeting !== undefined && {
      takes: {
        version: PROTOCOL_VERSION,
        max_bytes: greeting.maxMessageBytes,
        max_depth: greeting.maxDepth,
        heartbeat_ms: greeting.heartbeatMs,
      },
    }),
  })
}

function control(type: SOCMsgType, payload: object): SOCMessage {
  return newSOCMessage(type, payload, { id: CONTROL_ID })
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE, reason `bad-statement`, or `version` for another version */
export function parseStatement(message: SOCMessage): Statement {
  const { version, session, next, lowest, heartbeat_ms: heartbeatMs, gone, ...rest } = fields(message.payload)
  if (message.type === SOCMsgType.Heartbeat && version !== PROTOCOL_VERSION) throw otherVersion(version)
  if (
    message.type !== SOCMsgType.Heartbeat ||
    Object.keys(rest).length > 0 ||
    !isSession(session) ||
    !isNumber(next, 1, MAX_NUMBER) ||
    !isNumber(lowest, 1, next) ||
    !isNumber(heartbeatMs, MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS)
  ) {
    throw violation('bad-statement', 'an invalid statement')
  }
  if (gone === undefined) return { session, next, lowest, heartbeatMs, gone: undefined }
  if (!Array.isArray(gone) || gone.length !== 2) throw violation('bad-statement', 'an invalid statement')
  const [first, last] = gone as unknown[]
  if (!isNumber(last, 1, next - 1) || !isNumber(first, 1, last)) {
    throw violation('bad-statement', 'an invalid statement')
  }
  return { session, next, lowest, heartbeatMs, gone: [first, last] }
}

/** @throws {IpcError} ERR_IPC_INVALID_MESSAGE, reason `bad-ack`, or `version` for another version */
export function parseAcknowledgement(message: SOCMessage): Acknowledgement {
  const { session, through, ranges = [], takes, ...rest } = fields(message.payload)
  if (
    message.type !== SOCMsgType.Ack ||
    Object.keys(rest).length > 0 ||
    !isSession(session) ||
    !isNumber(through, 0, MAX_NUMBER) ||
    !Array.isArray(ranges) ||
    ranges.length > MAX_RANGES ||
    !ranges.every(isRange)
  ) {
    throw violation('bad-ack', 'an invalid acknowledgement')
  }
  return { session, through, ranges, greeting: takes === undefined ? undefined : parseGreeting(takes) }
}

function parseGreeting(value: unknown): Greeting {
  const { version, max_bytes, max_depth, heartbeat_ms, ...rest } = fields(value)
  if (version !== PROTOCOL_VERSION) throw otherVersion(version)
  if (
    Object.keys(rest).length > 0 ||
    !isNumber(max_bytes, 1, MAX_NUMBER) ||
    !isNumber(max_depth, 1, MAX_NUMBER) ||
    !isNumber(heartbeat_ms, MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS)
  ) {
    throw violation('bad-ack', 'an invalid greeting')
  }
  return { maxMessageBytes: max_bytes, maxDepth: max_depth, heartbeatMs: heartbeat_ms }
}

/** Returns the error for a peer that violates the protocol. */
export function violation(reason: DeliveryViolation, what: string): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', `the peer sent ${what}`, { reason })
}

/**
 * Returns the error for a peer with another protocol version. `version` is the version that it sent; undefined before
 * version 2.
 */
export function otherVersion(version: unknown): IpcError {
  const theirs = typeof version === 'number' ? String(version) : version === undefined ? '1' : 'unknown'
  return new IpcError(
    'ERR_IPC_INVALID_MESSAGE',
    `the peer speaks version ${theirs} of acknowledged delivery, and this process version ${PROTOCOL_VERSION}: ` +
      'update the older of the two',
    { reason: 'version' },
  )
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

function isNumber(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}

function isRange(value: unknown): value is SettledRange {
  if (!Array.isArray(value) || value.length < 2 || value.length > 3) return false
  const [first, last, reason] = value as unknown[]
  if (!isNumber(last, 1, MAX_NUMBER) || !isNumber(first, 1, last)) return false
  return value.length === 2 || (typeof reason === 'string' && reason.length <= MAX_REASON_LENGTH)
}
