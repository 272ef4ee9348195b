// Keeps alerts of one kind about one user at a bounded rate: a peer that fails a thousand times a second must not push
// everything else out of the ring.

import { monotonicMs } from '../../base/globals.js'
import type { Alert } from './alert-bus.js'

const WINDOW_MS = 1000
const MAX_PER_WINDOW = 16

/** Passes on so many alerts of one type and user a second; the next one counts those that were left out. */
export function limitAlerts(emit: (alert: Alert) => void): (alert: Alert) => void {
  const windows = new Map<string, { begin: number; passed: number; omitted: number }>()
  return (alert) => {
    const key = `${alert.type} ${alert.peer?.sid ?? alert.peer?.uid ?? ''}`
    const now = monotonicMs()
    let window = windows.get(key)
    if (window === undefined) windows.set(key, (window = { begin: now, passed: 0, omitted: 0 }))
    if (now - window.begin >= WINDOW_MS) {
      window.begin = now
      window.passed = 0
    }
    if (++window.passed > MAX_PER_WINDOW) {
      ++window.omitted
      return
    }
    const { omitted } = window
    window.omitted = 0
    emit(omitted === 0 ? alert : { ...alert, counts: { ...alert.counts, omitted } })
  }
}
