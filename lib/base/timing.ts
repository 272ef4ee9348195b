// Time-outs and waits that the whole package shares.

import { abortable } from './abort.js'
import { clearTimeout, setTimeout } from './globals.js'

/** Milliseconds that one `send` or `dial` may take (Go: `DefaultTimeout`). */
export const DEFAULT_TIMEOUT_MS = 5000

/** The longest delay that a timer of Node supports (setTimeout). */
export const MAX_TIMER_MS = 0x7fff_ffff

/**
 * Waits for `ms` milliseconds. `what` names the wait in the error.
 *
 * @throws {IpcError} ERR_IPC_ABORTED when the signal fires first
 */
export function pause(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  return abortable(signal, what, (resolve: (value: undefined) => void) => {
    const timer = setTimeout(resolve, ms, undefined)
    return () => {
      clearTimeout(timer)
    }
  })
}

const sleeping = new Int32Array(new SharedArrayBuffer(4))

/** Blocks this thread for `ms` milliseconds. For the end of a process, when the event loop no longer runs. */
export function sleepSync(ms: number): void {
  Atomics.wait(sleeping, 0, 0, ms)
}

/** Waits for `done`. Calls `onLate` after `timeoutMs`, which must make `done` settle. */
export async function waitAtMost(done: Promise<void>, timeoutMs: number, onLate: () => void): Promise<void> {
  const timer = setTimeout(onLate, timeoutMs)
  try {
    await done
  } finally {
    clearTimeout(timer)
  }
}

/** Returns whether `done` settles within `timeoutMs`, either way. Its rejection counts as handled. */
export async function settlesWithin(done: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false)
  })
  const settled = done.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Returns a time-out in milliseconds, or `fallback` if none is given. Infinity becomes the longest time of a timer.
 *
 * @throws RangeError if it is not a positive number
 */
export function checkTimeout(timeoutMs: number | undefined, fallback = DEFAULT_TIMEOUT_MS): number {
  if (timeoutMs === undefined) return fallback
  if (!(timeoutMs > 0)) {
    throw new RangeError(
      `a time-out must be a positive number of milliseconds, or Infinity, not ${String(timeoutMs)}`,
    )
  }
  return Math.min(timeoutMs, MAX_TIMER_MS)
}
