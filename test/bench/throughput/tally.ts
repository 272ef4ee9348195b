// What every consumer of the throughput scenarios does besides consuming: counts, takes the processor time of both sides,
// and makes sure that nothing was lost or reordered.

import { Meter } from '../harness/meter.js'
import { processorTimeNs, treeProcessorTimeNs } from '../harness/processor-time.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, PAYLOAD_BYTES, type NumberedEvent } from '../input/line.js'

export class Tally {
  readonly #meter: Meter
  readonly #producerPid: () => number | undefined
  readonly #payloadBytes: number
  #next = 0
  /** Of producer and consumer, when the measuring began. */
  #cpuNs: readonly [number, number] | undefined
  #measured = 0

  /** @param producerPid for consumers that start their producer themselves */
  constructor(context: RoleContext, producerPid = context.otherPid) {
    this.#meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
    this.#producerPid = producerPid
    this.#payloadBytes = context.number('payloadBytes') || PAYLOAD_BYTES
  }

  checkObject(event: NumberedEvent): void {
    if (numberOf(event) !== this.#next)
      throw new Error(`message ${numberOf(event)} came instead of ${this.#next}`)
    ++this.#next
  }

  checkText(text: string | undefined): void {
    if (text?.length !== this.#payloadBytes) throw new Error(`a payload is ${String(text)}`)
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
    return [treeProcessorTimeNs(this.#producerPid() ?? 0), processorTimeNs(process.pid)]
  }
}
