// AbortSignals for user code. If a listener of an ordinary signal throws, Node ends the process with an uncaught
// exception (EventTarget, "error handling"). Here the error is reported like any other error of user code.

import { AbortController } from './globals.js'
import { reportUserError } from './user-code.js'

type Listener = Parameters<AbortSignal['addEventListener']>[1]
type AddOptions = Parameters<AbortSignal['addEventListener']>[2]
type RemoveOptions = Parameters<AbortSignal['removeEventListener']>[2]

/** Makes a controller whose signal reports the errors of its listeners. `name` identifies the listeners in reports. */
export function userAbortController(name: string): AbortController {
  const controller = new AbortController()
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  /** By listener: the guarded function that was added in its place. */
  const guards = new WeakMap<object, (event: Event) => void>()
  const guard = (listener: Listener | null): ((event: Event) => void) | null => {
    if (listener === null) return null
    let guarded = guards.get(listener)
    if (guarded === undefined) {
      guarded = (event) => {
        callListener(name, signal, listener, event)
      }
      guards.set(listener, guarded)
    }
    return guarded
  }
  let onabort: AbortSignal['onabort'] = null
  Object.defineProperties(signal, {
    addEventListener: {
      value: (type: string, listener: Listener | null, options?: AddOptions) => {
        add(type, guard(listener) as Listener, options)
      },
    },
    removeEventListener: {
      value: (type: string, listener: Listener | null, options?: RemoveOptions) => {
        remove(type, guard(listener) as Listener, options)
      },
    },
    onabort: {
      get: () => onabort,
      set: (listener: AbortSignal['onabort']) => {
        remove('abort', guard(onabort as Listener | null) as Listener)
        onabort = typeof listener === 'function' ? listener : null
        add('abort', guard(onabort as Listener | null) as Listener)
      },
    },
  })
  return controller
}

function callListener(name: string, signal: AbortSignal, listener: Listener, event: Event): void {
  try {
    if (typeof listener === 'function') listener.call(signal, event)
    else listener.handleEvent(event)
  } catch (error) {
    reportUserError(name, error)
  }
}
