// Time-outs and waits, the same everywhere.

import { setTimeout as sleep } from 'node:timers/promises'

import { abortedError } from './errors.js'

/** Milliseconds that one `send` or `dial` may take (Go: `DefaultTimeout`). */
export const DEFAULT_TIMEOUT_MS = 5000

/** Waits, unless the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined, what: string): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? undefined : { signal })
  } catch (error) {
    if (signal?.aborted === true) throw abortedError(signal, what)
    throw error
  }
}

/** Waits for what is under way; when it takes too long, `onLate` is to end it. */
export async function waitAtMost(done: Promise<void>, timeoutMs: number, onLate: () => void): Promise<void> {
  const timer = setTimeout(onLate, timeoutMs)
  try {
    await done
  } finally {
    clearTimeout(timer)
  }
}

/** A time-out in milliseconds, or the default. */
export function checkTimeout(timeoutMs: number | undefined, fallback = DEFAULT_TIMEOUT_MS): number {
  if (timeoutMs === undefined) return fallback
  if (!(timeoutMs > 0))
    throw new RangeError('a time-out must be a positive number of milliseconds, or Infinity')
  return Math.min(timeoutMs, 0x7fff_ffff)
}
