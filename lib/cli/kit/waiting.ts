// Waits of the commands: for a signal, and for work that must not continue after it.

import { offAbort, onAbort } from '../../base/abort.js'
import { abortedError } from '../../base/errors.js'

/** Resolves when the signal fires. */
export function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else onAbort(signal, resolve)
  })
}

/**
 * Returns the result of some work, or rejects with ERR_IPC_ABORTED when the signal fires. The work itself continues:
 * the caller must end what it waits for.
 *
 * @throws {IpcError} ERR_IPC_ABORTED; any error of the work
 */
export async function unlessFired<Result>(
  signal: AbortSignal,
  what: string,
  work: Promise<Result>,
): Promise<Result> {
  work.catch(() => undefined)
  let onFired: (() => void) | undefined
  const stopped = new Promise<never>((_, reject) => {
    onFired = () => {
      reject(abortedError(signal, what))
    }
    if (signal.aborted) onFired()
    else onAbort(signal, onFired)
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    if (onFired !== undefined) offAbort(signal, onFired)
  }
}
