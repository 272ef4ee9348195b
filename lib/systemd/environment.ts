// Variables that a service manager sets for one process. Read strictly: an invalid value means that something other
// than systemd set it.

import { IpcError } from '../base/errors.js'
import { quoteText } from '../base/quote.js'

/** Returns a variable of the environment; undefined if it is absent or empty. */
export function variable(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

/**
 * Returns a variable as a whole number from 0; undefined if it is absent or empty.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM for anything else
 */
export function wholeVariable(name: string): number | undefined {
  const value = variable(name)
  if (value === undefined) return undefined
  const number = /^\d+$/.test(value) ? Number(value) : NaN
  if (!Number.isSafeInteger(number)) throw invalid(name, value, 'a whole number')
  return number
}

export function invalid(name: string, value: string, wanted: string): IpcError {
  return new IpcError(
    'ERR_IPC_SYSTEM',
    `${name}=${quoteText(value, 40)} in the environment must be ${wanted}: only the service manager should set it`,
    { reason: 'environment' },
  )
}
