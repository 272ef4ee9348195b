// What a peer does wrong, as an IpcError with a stable reason.

import { IpcError } from '../../base/errors.js'

/** The error for a message that breaks the rules of the exchange. */
export function invalid(reason: string, message: string): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', message, { reason })
}

/** A text that a peer wrote, for errors and alerts: quoted, escaped, cut short. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64)).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
