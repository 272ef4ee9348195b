// Waits that an AbortSignal withdraws. All waits on a signal share one listener: Node warns of a leak from the eleventh
// listener on, and adding a listener costs more than adding to a set.

import { abortedError } from './errors.js'

interface Waits {
  /** Called once, in the order of adding, when the signal fires. */
  readonly callbacks: Set<() => void>
  /** The shared listener on the signal. */
  readonly fire: () => void
}

const waitsOf = new WeakMap<AbortSignal, Waits>()

/** Calls `callback` when the signal fires, unless {@link offAbort} removes it first. `callback` must not throw. */
export function onAbort(signal: AbortSignal, callback: () => void): void {
  let waits = waitsOf.get(signal)
  if (waits === undefined) {
    const callbacks = new Set<() => void>()
    waits = {
      callbacks,
      fire: () => {
        for (const fired of callbacks) fired()
        waitsOf.delete(signal)
      },
    }
    waitsOf.set(signal, waits)
    signal.addEventListener('abort', waits.fire, { once: true })
  }
  waits.callbacks.add(callback)
}

/**
 * Undoes {@link onAbort}. Removing the last callback also removes the listener, so that the signal can be collected.
 */
export function offAbort(signal: AbortSignal, callback: () => void): void {
  const waits = waitsOf.get(signal)
  if (waits === undefined) return
  waits.callbacks.delete(callback)
  if (waits.callbacks.size > 0) return
  waitsOf.delete(signal)
  signal.removeEventListener('abort', waits.fire)
}

/**
 * Returns a promise that the signal can reject. `start` begins the wait and returns a function that undoes it; that
 * function is called if the signal fires first. `what` names the wait in the error.
 *
 * @throws {IpcError} ERR_IPC_ABORTED when the signal fires first, or has fired already; then `start` is not called
 */
export function abortable<Value>(
  signal: AbortSignal | undefined,
  what: string,
  start: (resolve: (value: Value) => void, reject: (error: Error) => void) => () => void,
): Promise<Value> {
  if (signal === undefined) {
    return new Promise((resolve, reject) => {
      start(resolve, reject)
    })
  }
  if (signal.aborted) return Promise.reject(abortedError(signal, what))
  return new Promise((resolve, reject) => {
    const onFired = (): void => {
      withdraw()
      reject(abortedError(signal, what))
    }
    // Before the wait begins: it may end at once.
    onAbort(signal, onFired)
    const withdraw = start(
      (value) => {
        offAbort(signal, onFired)
        resolve(value)
      },
      (error) => {
        offAbort(signal, onFired)
        reject(error)
      },
    )
  })
}
