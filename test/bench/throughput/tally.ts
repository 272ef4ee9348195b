// What every consumer of the throughput scenario does besides consuming: counts, measures its processor time, and makes
// sure that nothing was lost or reordered.

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, PAYLOAD_BYTES, type LogonEvent } from '../input/line.js'

export class Tally {
  readonly #meter: Meter
  #next = 0
  #cpu: NodeJS.CpuUsage | undefined
  #measured = 0

  constructor(context: RoleContext) {
    this.#meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
  }

  checkObject(event: LogonEvent): void {
    if (numberOf(event) !== this.#next)
      throw new Error(`message ${numberOf(event)} came instead of ${this.#next}`)
    ++this.#next
  }

  checkText(text: string | undefined): void {
    if (text?.length !== PAYLOAD_BYTES) throw new Error(`a payload is ${String(text)}`)
  }

  /** Figures when the time is over. */
  add(messages: number): Figures | undefined {
    const over = this.#meter.add(messages)
    if (this.#meter.warmingUp) return undefined
    if (this.#cpu === undefined) this.#cpu = process.cpuUsage()
    else this.#measured += messages
    if (!over) return undefined
    const { user, system } = process.cpuUsage(this.#cpu)
    return {
      messagesPerSecond: this.#meter.rate,
      consumerCpuNs: ((user + system) * 1000) / this.#measured,
    }
  }
}
