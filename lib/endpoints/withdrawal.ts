// Waits that an AbortSignal ends. However many of them share a signal, it has one listener.

/** What to do when each signal fires. */
const withdrawals = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `withdraw` once when the signal fires, which must not have fired yet. Returns a function that undoes this.
 */
export function onAbort(signal: AbortSignal, withdraw: () => void): () => void {
  const waiting = withdrawals.get(signal) ?? listenTo(signal)
  // A function of its own, so that the same `withdraw` may be given twice.
  const entry = (): void => {
    withdraw()
  }
  waiting.add(entry)
  return () => {
    waiting.delete(entry)
  }
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const waiting = new Set<() => void>()
  withdrawals.set(signal, waiting)
  signal.addEventListener(
    'abort',
    () => {
      withdrawals.delete(signal)
      for (const withdraw of waiting) withdraw()
    },
    { once: true },
  )
  return waiting
}
