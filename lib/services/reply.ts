// Requests, replies and cancellations on the wire, as a peer in any language can write and read them:
//
//   {"type":"lookup","id":"req-1","ts":1700000000,"payload":{"ip":"10.0.0.1"}}
//   {"type":"soc_reply","id":"…","ts":1700000000,"payload":{"request":"req-1","value":{"host":"db"}}}
//   {"type":"soc_reply","id":"…","ts":1700000000,"payload":{"request":"req-1","error":{"code":"ENOENT","message":"…"}}}
//   {"type":"soc_cancel","id":"…","ts":1700000000,"payload":{"request":"req-1"}}

import type { RemoteErrorCode } from '../base/error-reasons.js'
import { describeError, IpcError, type RemoteError } from '../base/errors.js'
import { printable } from '../base/quote.js'
import { stringifyExact } from '../message/exact-integers.js'
import { composed, exactIntegersOf, type SOCMessage } from '../message/message.js'
import { MessageFlag } from '../message/parts.js'
import { newSOCMessage, RawJSON, rawJSON } from '../message/new-message.js'

/** The type of replies. */
export const REPLY_TYPE = 'soc_reply'
/** The type of the message that withdraws a request: its reply is no longer awaited. A peer may ignore it. */
export const CANCEL_TYPE = 'soc_cancel'
/** Prefix of the ids of requests, so that a request of an unknown type is not mistaken for a message. */
export const REQUEST_ID_PREFIX = 'req-'

/** Codes of the error replies that an endpoint makes itself. */
export const ReplyErrorCode = {
  /** No handler is registered for the type. */
  unknownType: 'ERR_IPC_UNKNOWN_REQUEST',
  /** A request with this id is being handled. */
  duplicateId: 'ERR_IPC_DUPLICATE_REQUEST',
  /** The running handlers or the unsent replies have reached their bound. */
  full: 'ERR_IPC_BUFFER_FULL',
  /** The endpoint is closing. */
  closed: 'ERR_IPC_CLOSED',
  /** The handler threw an error without a code. */
  failed: 'ERR_IPC_HANDLER_FAILED',
  /** The handler returned a value that JSON cannot express. */
  invalid: 'ERR_IPC_INVALID_MESSAGE',
} as const satisfies Readonly<Record<string, RemoteErrorCode>>

/** @throws TypeError for a type that a request cannot have */
export function checkRequestType(type: string): void {
  if (type === REPLY_TYPE || type === CANCEL_TYPE) {
    throw new TypeError(`${type} is reserved: requests need a type of their own`)
  }
  if (typeof type !== 'string' || type === '') throw new TypeError('a request needs a type that is not empty')
}

const MAX_CODE_LENGTH = 128
const MAX_MESSAGE_LENGTH = 1024

/** A received reply. */
export type Reply =
  | { readonly request: string; readonly error: RemoteError }
  | { readonly request: string; readonly message: SOCMessage }

/**
 * Makes the reply to a request.
 *
 * @throws TypeError for a value that JSON cannot express; any error of its `toJSON`
 */
export function valueReply(request: string, value: unknown): SOCMessage {
  if (value instanceof RawJSON) {
    const text = value.content.toString()
    return newSOCMessage(REPLY_TYPE, rawJSON(`{"request":${JSON.stringify(request)},"value":${text}}`))
  }
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new TypeError(`a handler returned a ${typeof value}, which JSON cannot express`)
  }
  return newSOCMessage(REPLY_TYPE, { request, value })
}

/** Makes a reply that carries an error. */
export function errorReply(request: string, code: string, message: string): SOCMessage {
  return newSOCMessage(REPLY_TYPE, { request, error: limited(code, message) })
}

/** Returns code and message of the value that a handler threw. Never throws, and never exposes a stack. */
export function remoteErrorOf(thrown: unknown): RemoteError {
  let code: unknown
  try {
    code = (thrown as { code?: unknown } | null | undefined)?.code
  } catch {
    // A getter that throws counts as an error without a code.
  }
  return limited(
    typeof code === 'string' && code !== '' ? code : ReplyErrorCode.failed,
    describeError(thrown),
  )
}

/** Makes the message that withdraws a request. */
export function cancellation(request: string): SOCMessage {
  return newSOCMessage(CANCEL_TYPE, { request })
}

/** Returns the id of the request that a cancellation withdraws; undefined if the payload is not a cancellation. */
export function cancelledRequest(message: SOCMessage): string | undefined {
  const request = (message.payload as { request?: unknown } | null | undefined)?.request
  return typeof request === 'string' ? request : undefined
}

const HEAD = '{"request":"'
const VALUE = ',"value":'

/** Reads a reply; returns undefined if the payload is not one. */
export function readReply(message: SOCMessage): Reply | undefined {
  return readUsualReply(message) ?? readAnyReply(message)
}

/**
 * Reads a reply in the layout that this package and Go write: the text of the value is cut out without parsing the
 * rest.
 */
function readUsualReply(message: SOCMessage): Reply | undefined {
  const text = message.rawPayload
  if (text?.startsWith(HEAD) !== true) return undefined
  const idEnd = text.indexOf('"', HEAD.length)
  const request = text.slice(HEAD.length, idEnd)
  if (!text.startsWith(VALUE, idEnd + 1) || request.includes('\\')) return undefined
  const reply = replyWith(message, request, text, idEnd + 1 + VALUE.length, text.length - 1)
  // If other keys follow the value, the text that was cut is not JSON.
  return parses(reply) ? { request, message: reply } : undefined
}

/** Whether the payload is valid JSON. The parsed value is cached. */
function parses(message: SOCMessage): boolean {
  try {
    return message.payload !== parses
  } catch {
    return false
  }
}

function readAnyReply(message: SOCMessage): Reply | undefined {
  const payload = message.payload as
    { request?: unknown; value?: unknown; error?: unknown } | null | undefined
  if (typeof payload !== 'object' || payload === null || typeof payload.request !== 'string') return undefined
  const { request, error } = payload
  if (error !== undefined) {
    const { code, message: text } = Object(error) as { code?: unknown; message?: unknown }
    const known = typeof code === 'string' && code !== '' ? code : ReplyErrorCode.failed
    return { request, error: limited(known, typeof text === 'string' ? text : '') }
  }
  const text = stringifyExact(payload.value)
  return { request, message: replyWith(message, request, text ?? '', 0, text?.length ?? 0) }
}

/** Makes the reply for the requester: with the id of the request, and the value as its payload. */
function replyWith(reply: SOCMessage, request: string, text: string, begin: number, end: number): SOCMessage {
  const { type, timestamp, peer } = reply
  return composed(
    { type, id: request, peer },
    0,
    timestamp,
    text.slice(begin, end),
    flagsOf(text) | exactIntegersOf(reply),
  )
}

/** Marks payloads whose names are plain, so that parsing need not check: two searches for rare characters are faster. */
function flagsOf(text: string): number {
  const plain = !text.includes('__proto__') && !text.includes('\\')
  return plain ? MessageFlag.checked | MessageFlag.plainNames : MessageFlag.checked
}

function limited(code: string, message: string): RemoteError {
  return { code: code.slice(0, MAX_CODE_LENGTH), message: message.slice(0, MAX_MESSAGE_LENGTH) }
}

/** Returns the error that a request rejects with when the reply carries an error. */
export function remoteFailure(name: string, type: string, remote: RemoteError): IpcError {
  return new IpcError(
    'ERR_IPC_REMOTE',
    `${name}: the peer replied to ${printable(type)} with ${printable(remote.code)}: ${printable(remote.message)}`,
    { remote },
  )
}
