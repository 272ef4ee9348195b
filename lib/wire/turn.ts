// Spreads reading over turns of the event loop. The addon counts what all connections of the thread have read in a turn
// (see TurnCost in abi.ts) and stops reading once that is enough; the lines that are left of a read wait here for the
// next turn.
//
// A turn belongs either to what is ready or to what was kept: if reading has used a turn up, the next one is for kept
// lines alone, so that neither can starve the other, and an iteration of the loop never does the work of two turns.
//
// So what has arrived may wait for many turns. Before code concludes that a peer is silent, it waits for a round: see
// afterRound.

import { setImmediate } from '../base/globals.js'
import { Soon } from '../base/soon.js'
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
const turn = new Soon(handOver, setImmediate)

/** Schedules the hand-over of kept lines for a turn of the event loop that has room. */
export function inNextTurn(lines: KeptLines): void {
  waiting.add(lines)
  turn.ask()
}

function handOver(): void {
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
    if (waiting.size > 0) turn.ask()
  }
}

/** A callback that waits for the end of a round; see {@link afterRound}. */
export class RoundEnd implements KeptLines {
  readonly #callback: () => void
  /** The numbers of rounds and of looks when it began to wait. */
  readonly #sinceRound = roundsEnded()
  readonly #sinceLook = looks

  constructor(callback: () => void) {
    this.#callback = callback
  }

  /** Returns whether everything that had arrived when it began to wait has been read. */
  isReached(): boolean {
    // Without a count of rounds, the sockets of Node read all that is ready in one turn.
    if (roundsEnded() === 0) return looks - this.#sinceLook >= FULL_TURN
    // The round that was under way then may have read a connection before something arrived on it.
    return ((roundsEnded() - this.#sinceRound) | 0) >= FULL_ROUND
  }

  takeKept(): void {
    this.#callback()
  }
}

/** Immediates between which the event loop has certainly looked for what is ready. */
const FULL_TURN = 2
/** Ends of rounds between which lies a whole round. */
const FULL_ROUND = 2

/** In the order in which they began to wait. */
const roundEnds = new Set<RoundEnd>()
const look = new Soon(lookForEnds, setImmediate)
/** How often the event loop has got to {@link lookForEnds}. */
let looks = 0

function roundsEnded(): number {
  return threadWindow.progress[Progress.rounds] as number
}

/**
 * Calls back once everything has been read that has arrived by now on the connections that this thread reads, and kept
 * lines have had their turn. Takes two turns of the event loop if little is ready. A round ends however much peers
 * send, because each connection is read in its turn.
 */
export function afterRound(callback: () => void): RoundEnd {
  const end = new RoundEnd(callback)
  roundEnds.add(end)
  look.ask()
  return end
}

/** Withdraws a callback of {@link afterRound}. */
export function clearRound(end: RoundEnd | undefined): void {
  if (end === undefined) return
  roundEnds.delete(end)
  waiting.delete(end)
}

function lookForEnds(): void {
  ++looks
  try {
    for (const end of roundEnds) {
      if (!end.isReached()) break
      roundEnds.delete(end)
      // Lines that were read before may still be kept.
      if (waiting.size > 0) inNextTurn(end)
      else end.takeKept()
    }
  } finally {
    if (roundEnds.size > 0) look.ask()
  }
}
