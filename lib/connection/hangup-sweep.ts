// Finds connections whose peers have gone although nobody reads them, where it would otherwise never show. Asks the kernel
// about all of them at once, every second, and only while there are any; no byte is read. Must not know what they are.

import { addon } from '../binding/addon.js'

const SWEEP_EVERY_MS = 1000

export class HangupSweep<Connection> {
  readonly #descriptorOf: (connection: Connection) => number
  readonly #onGone: (connection: Connection) => void
  readonly #watched = new Set<Connection>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param descriptorOf its open descriptor, or -1 when it has none any more
   * @param onGone the peer has closed for good and left nothing to read
   */
  constructor(descriptorOf: (connection: Connection) => number, onGone: (connection: Connection) => void) {
    this.#descriptorOf = descriptorOf
    this.#onGone = onGone
  }

  add(connection: Connection): void {
    this.#watched.add(connection)
    // Not a reason for the process to go on.
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
