// Timers, microtasks and the monotonic clock, taken once when the package loads. A test runner that replaces the
// globals later (jest, sinon, vitest, node:test) moves the time of the code under test and leaves I/O alone. Everything
// in lib/ uses these; the lint rule no-restricted-globals keeps the bare globals out.

import * as timers from 'node:timers'

// From Node's module rather than from the global object, which a runner may have replaced before it loads us.
export const setTimeout = timers.setTimeout
export const clearTimeout = timers.clearTimeout
export const setInterval = timers.setInterval
export const clearInterval = timers.clearInterval
export const setImmediate = timers.setImmediate

export const queueMicrotask = globalThis.queueMicrotask
export const nextTick = process.nextTick.bind(process)
export const AbortController = globalThis.AbortController
export type AbortController = globalThis.AbortController

const { performance } = globalThis
const readClock = performance.now.bind(performance)

/** Milliseconds on a clock that cannot be set. For durations and deadlines; it has no relation to the date. */
export function monotonicMs(): number {
  return readClock()
}
