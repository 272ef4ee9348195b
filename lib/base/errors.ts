// The error class of the package, its closed set of codes, and checks of errors that hold across copies of the package
// and across realms (vm contexts, jest).

import { isNativeError } from 'node:util/types'

import type { IpcErrorReason, RemoteErrorCode } from './error-reasons.js'

/** Every code that an {@link IpcError} can carry. Each has its heading in docs/api.md. */
export type IpcErrorCode =
  | 'ERR_IPC_CLOSED'
  | 'ERR_IPC_TIMEOUT'
  | 'ERR_IPC_ABORTED'
  | 'ERR_IPC_PEER_REJECTED'
  | 'ERR_IPC_PEER_UNKNOWN'
  | 'ERR_IPC_UNSAFE_PATH'
  | 'ERR_IPC_PATH_TOO_LONG'
  | 'ERR_IPC_ACCESS_DENIED'
  | 'ERR_IPC_ADDRESS_IN_USE'
  | 'ERR_IPC_NOT_LISTENING'
  | 'ERR_IPC_BUFFER_FULL'
  | 'ERR_IPC_MESSAGE_TOO_LARGE'
  | 'ERR_IPC_INVALID_MESSAGE'
  | 'ERR_IPC_REMOTE'
  | 'ERR_IPC_SYSTEM'

/** Details of an {@link IpcError} besides its message. */
export interface IpcErrorDetails {
  /** The error behind this one: a system error with `errno` and `syscall`, the reason of an abort, another IpcError. */
  readonly cause?: unknown
  /** The rule that decided, as a short stable name: `duplicate-key`, `not-listed` … */
  readonly reason?: IpcErrorReason
  /** Of an invalid line: the byte offset of the fault from the start of the line. */
  readonly offset?: number
  /** The first bytes of an invalid line, escaped and cut short, safe to log. */
  readonly sample?: string
  /** The error that the peer replied with. Its text is the peer's: escape it before you show it. */
  readonly remote?: RemoteError
}

/** An error that the peer sent in a reply. It has no stack. */
export interface RemoteError {
  /** The `code` of the peer's error, at most 128 characters. */
  readonly code: RemoteErrorCode
  /** Its message, at most 1,024 characters. */
  readonly message: string
}

/** Marks every IpcError, also those of another copy of the package or of another realm. */
const BRAND = Symbol.for('sentinel-ipc.IpcError')

/**
 * A failure at run time. Misuse of the API is a `TypeError` or `RangeError` instead. `instanceof IpcError` also holds
 * for errors of another copy of this package, and of a copy in another realm.
 */
export class IpcError extends Error {
  /** What went wrong. See {@link IpcErrorCode}. */
  readonly code: IpcErrorCode
  // Declared only: a class field would add an own property with the value undefined to every error.
  /** The rule that decided, as a short stable name. Absent where the code alone identifies the failure. */
  declare readonly reason?: IpcErrorReason
  /** Of an invalid line: the byte offset of the fault from the start of the line. */
  declare readonly offset?: number
  /** Of an invalid line: its first bytes, escaped and cut short. */
  declare readonly sample?: string
  /** The error that the peer replied with. */
  declare readonly remote?: RemoteError

  constructor(code: IpcErrorCode, message: string, details: IpcErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.reason !== undefined) this.reason = details.reason
    if (details.offset !== undefined) this.offset = details.offset
    if (details.sample !== undefined) this.sample = details.sample
    if (details.remote !== undefined) this.remote = details.remote
  }
}

// Outside of the class body: the bundler renames a class that refers to itself in its body, and users would see that
// name. On the prototype, as with the built-in errors.
Object.defineProperties(IpcError.prototype, {
  name: { value: 'IpcError', configurable: true, writable: true },
  [BRAND]: { value: true },
})
Object.defineProperty(IpcError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // A subclass inherits this function, and keeps the check by prototype.
    return this === IpcError
      ? isIpcError(value)
      : Function.prototype[Symbol.hasInstance].call(this as () => void, value)
  },
})

/** Whether a value is an IpcError of this copy of the package or any other, of this realm or any other. */
export function isIpcError(value: unknown): value is IpcError {
  return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true
}

/**
 * Whether a value is an Error of any realm, or a DOMException. `instanceof Error` is false for errors of Node itself
 * and of the addon where the package runs in a vm context.
 */
export function isError(value: unknown): value is Error {
  if (isNativeError(value)) return true
  // A DOMException, as AbortSignals have for a reason.
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Error>).message === 'string' &&
    typeof (value as Partial<Error>).name === 'string' &&
    'stack' in value
  )
}

/** Returns a thrown value as an Error. A value that is not an Error becomes the message of a new one. */
export function toError(value: unknown): Error {
  return isError(value) ? value : new Error(describeError(value), { cause: value })
}

/** Returns the message of an error, or another thrown value as text. Never throws. */
export function describeError(value: unknown): string {
  try {
    // `message` is text by habit only: some error classes assign an object, and then cutting it as text would throw.
    const text: unknown = isError(value) ? value.message : value
    return String(text)
  } catch {
    return 'a value that cannot become text'
  }
}

/** Returns the error for a wait that its AbortSignal ended. The signal's reason becomes the cause. */
export function abortedError(signal: AbortSignal, what: string): IpcError {
  return new IpcError('ERR_IPC_ABORTED', `${what} was aborted`, { cause: signal.reason })
}

/** Whether an error is an IpcError with one of these codes. */
export function hasCode(error: unknown, ...codes: IpcErrorCode[]): error is IpcError {
  return isIpcError(error) && codes.includes(error.code)
}

/**
 * Returns a promise that rejects with this error. Typed, for callers that know that the value they caught is an Error.
 */
export function rejected(error: Error): Promise<never> {
  return Promise.reject(error)
}
