// Counts what comes on each of many connections: the total, and the smallest share of it that one of them got.

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'

/** A read takes up to 64 KiB, so shares are comparable only after a few reads of each connection. */
const LEAST_MESSAGES_EACH = 700

export class Shares {
  readonly #meter: Meter
  readonly #counts: Float64Array
  readonly #seen: boolean[]
  #unseen: number
  #total = 0

  constructor(context: RoleContext) {
    this.#meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
    this.#unseen = context.number('connections')
    this.#counts = new Float64Array(this.#unseen)
    this.#seen = new Array<boolean>(this.#unseen).fill(false)
  }

  /** Figures when the time is over, and each has had its turn a few times. The time begins when something has come on each of the connections. */
  add(connection: number, messages: number): Figures | undefined {
    if (this.#unseen > 0) {
      if (this.#seen[connection] === false) --this.#unseen
      this.#seen[connection] = true
      return undefined
    }
    const { warmingUp } = this.#meter
    const over = this.#meter.add(messages)
    if (warmingUp) return undefined
    this.#counts[connection] = (this.#counts[connection] ?? 0) + messages
    this.#total += messages
    if (!over || this.#total < LEAST_MESSAGES_EACH * this.#counts.length) return undefined
    return {
      messagesPerSecond: this.#meter.rate,
      smallestShare: (Math.min(...this.#counts) / this.#total) * this.#counts.length,
    }
  }
}
