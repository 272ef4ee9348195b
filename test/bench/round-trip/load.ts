// The load of the round trips that are measured under load: a second connection between the same two processes, on which
// messages go one way at an even rate, a few every millisecond.

import type { RoleContext } from '../harness/scenario.js'

const INTERVAL_MS = 1
/** A process that was held up does not make up for more than this. */
const MOST_AT_ONCE_MS = 10

export const LOAD_NAME = 'load'

/** Calls `send` with the number of messages that are due. Does nothing in a run without load. */
export function startLoad(context: RoleContext, send: (first: number, count: number) => void): void {
  const perMs = context.number('loadPerSecond') / 1000
  if (perMs === 0) return
  let sent = 0
  let last = performance.now()
  setInterval(() => {
    const now = performance.now()
    const count = Math.round(Math.min(now - last, MOST_AT_ONCE_MS) * perMs)
    last = now
    if (count > 0) send(sent, count)
    sent += count
  }, INTERVAL_MS)
}

/** Whether the run has a load. */
export function isLoaded(context: RoleContext): boolean {
  return context.number('loadPerSecond') > 0
}
