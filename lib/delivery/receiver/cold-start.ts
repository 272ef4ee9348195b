// Bounds how many messages one turn of the event loop hands out one by one until V8 has compiled the code that does it:
// until then, each takes ten times as long. Counts all receivers of the thread together. Must not know dispatchers.
//
//     cold ──WARM_AFTER messages were handed out──> warm      (nothing is bounded any more)

import { setImmediate } from '../../base/globals.js'
import { Soon } from '../../base/soon.js'

/** Messages that a cold turn hands out one by one, at most. */
export const MOST_COLD_HAND_OUTS = 128
/** After this many messages, V8 has compiled the code that runs for each. */
export const WARM_AFTER = 4096

/** A part of the delivery that hands out messages one by one. */
export interface ColdServer {
  /** Called when the next turn has begun. */
  onTurn(): void
}

class ColdStart {
  #handedOut = 0
  #thisTurn = 0
  #waiting = new Set<ColdServer>()
  readonly #turn = new Soon(() => {
    this.#thisTurn = 0
    const servers = this.#waiting
    this.#waiting = new Set()
    for (const server of servers) server.onTurn()
  }, setImmediate)

  /** Call when a message was handed out alone. */
  noteHandOut(): void {
    if (this.#handedOut >= WARM_AFTER) return
    ++this.#handedOut
    ++this.#thisTurn
    this.#turn.ask()
  }

  /** Returns whether `server` has to wait for the next turn. If so, its `onTurn` is called in that turn. */
  mustWait(server: ColdServer): boolean {
    if (this.#thisTurn < MOST_COLD_HAND_OUTS) return false
    this.#waiting.add(server)
    return true
  }
}

/** Shared by all receivers of this thread. */
export const coldStart = new ColdStart()
