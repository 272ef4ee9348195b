// The one error class of the package and its closed set of codes.
// Must not import anything of ours: everything else imports this.

/** Every code that an {@link IpcError} can carry. Each has its heading in the README. */
export type IpcErrorCode =
  | 'ERR_IPC_CLOSED'
  | 'ERR_IPC_TIMEOUT'
  | 'ERR_IPC_ABORTED'
  | 'ERR_IPC_PEER_REJECTED'
  | 'ERR_IPC_PEER_UNKNOWN'
  | 'ERR_IPC_UNSAFE_PATH'
  | 'ERR_IPC_PATH_TOO_LONG'
  | 'ERR_IPC_ADDRESS_IN_USE'
  | 'ERR_IPC_NOT_LISTENING'
  | 'ERR_IPC_BUFFER_FULL'
  | 'ERR_IPC_MESSAGE_TOO_LARGE'
  | 'ERR_IPC_INVALID_MESSAGE'
  | 'ERR_IPC_SYSTEM'

/** What an {@link IpcError} may say besides its message. */
export interface IpcErrorDetails {
  /** What lies behind it: a system error with `errno` and `syscall`, an abort reason, another IpcError. */
  readonly cause?: unknown
  /** The rule that decided, as a short stable name: `duplicate-key`, `not-listed` … */
  readonly reason?: string
  /** Of an invalid line: bytes from its start to what is wrong. */
  readonly offset?: number
  /** Of an invalid line: its first bytes, escaped and cut short, safe to log. */
  readonly sample?: string
}

/**
 * What went wrong at run time. Misuse of the API is a `TypeError` or `RangeError` instead.
 */
export class IpcError extends Error {
  readonly code: IpcErrorCode
  // Declared only: a field of its own would be there, undefined, on every error.
  declare readonly reason?: string
  declare readonly offset?: number
  declare readonly sample?: string

  constructor(code: IpcErrorCode, message: string, details: IpcErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.reason !== undefined) this.reason = details.reason
    if (details.offset !== undefined) this.offset = details.offset
    if (details.sample !== undefined) this.sample = details.sample
  }

  static {
    // On the prototype, as the errors of the language have it.
    Object.defineProperty(this.prototype, 'name', { value: 'IpcError', configurable: true, writable: true })
  }
}

/** The error for a wait that its AbortSignal ended; the signal's reason becomes the cause. */
export function abortedError(signal: AbortSignal, what: string): IpcError {
  return new IpcError('ERR_IPC_ABORTED', `${what} was aborted`, { cause: signal.reason })
}

/** Whether an error is an IpcError of one of these codes. */
export function hasCode(error: unknown, ...codes: IpcErrorCode[]): error is IpcError {
  return error instanceof IpcError && codes.includes(error.code)
}

/** A promise that rejects. What was caught is an error by its caller's word. */
export function rejected(error: Error): Promise<never> {
  return Promise.reject(error)
}
