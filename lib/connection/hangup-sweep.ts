// Finds connections without a reader whose peers have hung up; without a reader this would go unnoticed. Asks the
// kernel about all of them in one call, every second, while there are any; reads no byte. Does not keep the process
// alive.

import { clearInterval, setImmediate, setInterval } from '../base/globals.js'
import { addon } from '../binding/addon.js'

const SWEEP_EVERY_MS = 1000
/** Connections that are given up in one turn of the event loop. */
const GONE_PER_TURN = 64

/** The unread connections of a thread. */
export class HangupSweep<Connection> {
  readonly #descriptorOf: (connection: Connection) => number
  readonly #onGone: (connection: Connection) => void
  readonly #watched = new Set<Connection>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param descriptorOf returns the open descriptor of a connection, or -1 once it is closed
   * @param onGone is called when the peer has closed both directions and left nothing to read
   */
  constructor(descriptorOf: (connection: Connection) => number, onGone: (connection: Connection) => void) {
    this.#descriptorOf = descriptorOf
    this.#onGone = onGone
  }

  add(connection: Connection): void {
    this.#watched.add(connection)
    this.#timer ??= setInterval(() => {
      this.#sweep()
    }, SWEEP_EVERY_MS).unref()
  }

  remove(connection: Connection): void {
    this.#watched.delete(connection)
  }

  #sweep(): void {
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    const watched = [...this.#watched]
    const gone = addon.findGone(Int32Array.from(watched, this.#descriptorOf))
    this.#giveUp(gone.map((index) => watched[index]).filter((connection) => connection !== undefined))
  }

  #giveUp(gone: Connection[]): void {
    for (const connection of gone.slice(0, GONE_PER_TURN)) {
      // It may have been closed, or given a reader, since it was found.
      if (this.#watched.has(connection)) this.#onGone(connection)
    }
    const left = gone.slice(GONE_PER_TURN)
    if (left.length > 0) {
      setImmediate(() => {
        this.#giveUp(left)
      })
    }
  }
}
