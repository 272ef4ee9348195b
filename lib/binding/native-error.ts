// Converts errors of the addon to errors for users: system errors like those of Node's own modules, and IpcError.

import { getSystemErrorName } from 'node:util'

import { IpcError, isError, type IpcErrorCode } from '../base/errors.js'
import type { FailureKind } from './abi.js'

/** An error that the addon throws. */
interface NativeFailure extends Error {
  readonly kind: FailureKind
  readonly errno: number
  readonly syscall: string
}

const codeOfKind: Readonly<Partial<Record<FailureKind, IpcErrorCode>>> = {
  'unsafe-path': 'ERR_IPC_UNSAFE_PATH',
  'path-too-long': 'ERR_IPC_PATH_TOO_LONG',
  'address-in-use': 'ERR_IPC_ADDRESS_IN_USE',
  'not-listening': 'ERR_IPC_NOT_LISTENING',
  'peer-unknown': 'ERR_IPC_PEER_UNKNOWN',
}

function isNativeFailure(error: unknown): error is NativeFailure {
  return isError(error) && 'kind' in error && 'syscall' in error
}

/** A system error as Node's own modules make them: `code` is the name, `errno` negative. */
export function systemError(errno: number, syscall: string): Error {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall })
}

/** Converts an error of the addon to such a system error; returns anything else unchanged. */
export function toSystemError(error: unknown): Error {
  return isNativeFailure(error) && error.errno !== 0
    ? systemError(error.errno, error.syscall)
    : (error as Error)
}

/** Whether the addon failed only because it would have had to wait. */
export function wouldBlock(error: unknown): boolean {
  return isNativeFailure(error) && error.kind === 'would-block'
}

/** Whether the addon reported that this system does not support the operation. */
export function isUnsupported(error: unknown): boolean {
  return isNativeFailure(error) && error.kind === 'not-supported'
}

/** Converts an error of the addon to an IpcError; returns anything else unchanged. */
export function fromNative(error: unknown): unknown {
  if (!isNativeFailure(error)) return error
  const code = codeOfKind[error.kind] ?? 'ERR_IPC_SYSTEM'
  const cause = error.errno === 0 ? undefined : systemError(error.errno, error.syscall)
  const what = cause === undefined ? error.syscall : cause.message
  const message = error.message === '' ? what : `${error.message} (${what})`
  return new IpcError(code, message, { cause })
}
