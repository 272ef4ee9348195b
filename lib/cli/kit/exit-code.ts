// The exit codes of the command, and the errors that carry one. docs/cli.md lists them.

import { describeError, isError, isIpcError, type IpcErrorCode } from '../../base/errors.js'
import { printable } from '../../base/quote.js'

/** The exit codes of the command. */
export const ExitCode = {
  ok: 0,
  /** The operation failed, or found a fault. */
  failed: 1,
  /** The arguments are wrong. */
  usage: 2,
  /** There is no listener. */
  notListening: 3,
  /** Permissions, a policy or an unsafe path prevent it. */
  refused: 4,
  /** The peer did not respond in time. */
  timeout: 5,
  /** SIGINT, SIGTERM or SIGHUP ended an operation before it was done. */
  interrupted: 130,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** An error for the user of the command: one line that says what happened and what to do. */
export class CommandError extends Error {
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

/** Returns the error for wrong arguments. The text names the argument and its allowed values. */
export function usageError(message: string): CommandError {
  return new CommandError(ExitCode.usage, message)
}

const CODES: Readonly<Partial<Record<IpcErrorCode, ExitCode>>> = {
  ERR_IPC_NOT_LISTENING: ExitCode.notListening,
  ERR_IPC_PEER_REJECTED: ExitCode.refused,
  ERR_IPC_PEER_UNKNOWN: ExitCode.refused,
  ERR_IPC_ACCESS_DENIED: ExitCode.refused,
  ERR_IPC_UNSAFE_PATH: ExitCode.refused,
  ERR_IPC_TIMEOUT: ExitCode.timeout,
  ERR_IPC_ABORTED: ExitCode.interrupted,
  ERR_IPC_PATH_TOO_LONG: ExitCode.usage,
}

/** Returns the exit code for an error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  if (isIpcError(error)) return CODES[error.code] ?? ExitCode.failed
  // The library throws these for invalid arguments.
  const name = isError(error) ? error.name : ''
  return name === 'TypeError' || name === 'RangeError' ? ExitCode.usage : ExitCode.failed
}

/** Hints to add to errors of the library, which does not know the options of the command. */
const HINTS: Readonly<Partial<Record<IpcErrorCode, string>>> = {
  ERR_IPC_CLOSED: "it has ended, or refuses this user; 'sentinel-ipc doctor' with its name tells which",
  ERR_IPC_NOT_LISTENING: "start the listener, or run 'sentinel-ipc doctor' to see what stands at the address",
  ERR_IPC_PEER_REJECTED: 'name the peer with --allow-user, --allow-group or --allow-unit',
  ERR_IPC_UNSAFE_PATH: "run 'sentinel-ipc doctor' to see each directory on the way",
  ERR_IPC_ADDRESS_IN_USE: "run 'sentinel-ipc doctor' to see who listens there",
}

/** Describes an error in one line: what happened, the code, and what to do. */
export function errorLine(error: unknown): string {
  const text = oneLine(describeError(error))
  if (!isIpcError(error)) return text
  const hint = HINTS[error.code] ?? hintOf(error.cause)
  return `${withCause(text, error.cause)} [${error.code}]${hint === undefined ? '' : `; ${hint}`}`
}

/** What to do about an error of the system. */
function hintOf(cause: unknown): string | undefined {
  if (!isError(cause)) return undefined
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'create that directory (mkdir -p -m 700), or give another one with --directory'
    case 'ENOTDIR':
      return 'give a directory'
    default:
      return undefined
  }
}

/** Adds the system error behind an error, unless the text contains its code already. */
function withCause(text: string, cause: unknown): string {
  if (!isError(cause)) return text
  const { code } = cause as NodeJS.ErrnoException
  if (code === undefined || code.startsWith('ERR_') || text.includes(code)) return text
  return `${text} (${oneLine(describeError(cause))})`
}

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, ' '))
}
