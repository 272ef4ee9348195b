// What every consumer of the throughput scenario does besides consuming: counts, takes the processor time of both sides,
// and makes sure that nothing was lost or reordered.

import { Meter } from '../harness/meter.js'
import { processorTimeNs } from '../harness/processor-time.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, PAYLOAD_BYTES, type LogonEvent } from '../input/line.js'

export class Tally {
  readonly #context: RoleContext
  readonly #meter: Meter
  #next = 0
  /** Of producer and consumer, when the measuring began. */
  #cpuNs: readonly [number, number] | undefined
  #measured = 0

  constructor(context: RoleContext) {
    this.#context = context
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
    if (this.#cpuNs === undefined) this.#cpuNs = this.#readCpuNs()
    else this.#measured += messages
    if (!over) return undefined
    const [producer, consumer] = this.#readCpuNs()
    return {
      messagesPerSecond: this.#meter.rate,
      producerCpuNs: (producer - this.#cpuNs[0]) / this.#measured,
      consumerCpuNs: (consumer - this.#cpuNs[1]) / this.#measured,
    }
  }

  #readCpuNs(): readonly [number, number] {
    return [processorTimeNs(this.#context.otherPid() ?? 0), processorTimeNs(process.pid)]
  }
}
