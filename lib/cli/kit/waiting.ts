// Waits of the commands: for a signal, and for work that must not outlast one.

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
 * The result of some work, or ERR_IPC_ABORTED as soon as the signal fires. The work itself goes on: end what it waits for.
 *
 * @throws {IpcError} ERR_IPC_ABORTED; what the work rejects with
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
