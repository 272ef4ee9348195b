// Calls user code: callbacks of options, handlers, listeners.
//
// User code runs in a microtask of its own, after the library's own state has changed, so that neither a throw nor a
// call back into the library can break an invariant. An exception, or the reason of a rejected promise that it
// returned, is published on the diagnostics channel `sentinel-ipc:user-error`. Where nothing subscribes to it, it
// becomes a warning of the process (`process.on('warning')`, type SentinelIpcWarning), at most one per callback name
// and second.

import { channel } from 'node:diagnostics_channel'

import { describeError } from './errors.js'
import { monotonicMs, queueMicrotask } from './globals.js'

/** On `sentinel-ipc:user-error`: a callback threw, or its promise rejected. */
export interface UserErrorEvent {
  /** The callback, as the option or method is called: `onDrop`, `handler of serve`. */
  readonly callback: string
  /** What the callback threw, or what its promise rejected with. */
  readonly error: unknown
}

const WARN_EVERY_MS = 1000

const userError = channel('sentinel-ipc:user-error')
/** By callback name: when it was last warned about, and how many warnings have been left out since. */
const warned = new Map<string, { readonly atMs: number; omitted: number }>()

/**
 * Calls user code in a microtask of its own, in the order of these calls. `name` identifies the callback in reports.
 */
export function callUser<Values extends unknown[]>(
  name: string,
  callback: (...values: Values) => unknown,
  ...values: Values
): void {
  queueMicrotask(() => {
    try {
      const result = callback(...values)
      if (isThenable(result)) {
        result.then(undefined, (error: unknown) => {
          reportUserError(name, error)
        })
      }
    } catch (error) {
      reportUserError(name, error)
    }
  })
}

/** Reports an error of user code that the caller has caught. Never throws. */
export function reportUserError(name: string, error: unknown): void {
  if (userError.hasSubscribers) {
    userError.publish({ callback: name, error } satisfies UserErrorEvent)
    return
  }
  const nowMs = monotonicMs()
  const last = warned.get(name)
  if (last !== undefined && nowMs - last.atMs < WARN_EVERY_MS) {
    ++last.omitted
    return
  }
  warned.set(name, { atMs: nowMs, omitted: 0 })
  const more = last === undefined || last.omitted === 0 ? '' : ` (and ${last.omitted} more times before)`
  process.emitWarning(`${name} threw${more}: ${describeError(error)}`, {
    type: 'SentinelIpcWarning',
    code: 'SENTINEL_IPC_USER_ERROR',
    detail: 'The library goes on. Catch the error in the callback, or subscribe to sentinel-ipc:user-error.',
  })
}

/** Whether a value is a promise, or an object or function that can be awaited like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}
