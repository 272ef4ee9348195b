// Finds connections without a reader whose peers have hung up; without a reader this would go unnoticed. Asks the
// kernel about all of them in one call, every second, while there are any; reads no byte. Does not keep the process
// alive.

import { clearInterval, setInterval } from '../base/globals.js'
import { addon } from '../binding/addon.js'

const SWEEP_EVERY_MS = 1000

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
    for (const index of addon.findGone(Int32Array.from(watched, this.#descriptorOf))) {
      const connection = watched[index]
      if (connection !== undefined) this.#onGone(connection)
    }
  }
}
