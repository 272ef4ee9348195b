// Spreads reading over turns of the event loop. The addon counts what all connections of the thread have read in a turn (see
// TurnCost in abi.ts) and stops reading once that is enough; the lines that are left of a read wait here for the next turn.
//
// A turn belongs either to what is ready or to what was kept: if reading has used a turn up, the next one is for kept lines
// alone, so that neither can starve the other, and an iteration of the loop never does the work of two turns.

import { setImmediate } from '../base/globals.js'
import { Progress } from '../binding/abi.js'
import { addon } from '../binding/addon.js'
import { threadWindow } from './read-window.js'

/** A stream of which the addon keeps lines that were read. */
export interface KeptLines {
  /** Hands the lines over, if they are still wanted. May keep some of them again. */
  takeKept(): void
}

/** In the order of their turns. */
const waiting = new Set<KeptLines>()
let scheduled = false

/** Has kept lines handed over when there is room in a turn of the event loop. */
export function inNextTurn(lines: KeptLines): void {
  waiting.add(lines)
  schedule()
}

/** Whether this turn was used up, or kept lines wait for the next one, so that other lines may wait too. */
export function isBehind(): boolean {
  if (waiting.size > 0) return true
  const usedUp = threadWindow.turnOver
  if (usedUp && addon.readiness === undefined) addon.beginTurn()
  return usedUp
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(handOver)
}

function handOver(): void {
  scheduled = false
  if (addon.readiness === undefined) addon.beginTurn()
  const usedUp = threadWindow.turnOver
  try {
    for (const lines of waiting) {
      if (threadWindow.turnOver) break
      waiting.delete(lines)
      lines.takeKept()
    }
  } finally {
    threadWindow.progress[Progress.keptWait] = usedUp ? 1 : 0
    if (waiting.size > 0) schedule()
  }
}
