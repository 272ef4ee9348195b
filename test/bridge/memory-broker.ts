// A message system in memory that misbehaves as told: the second implementation of a bridge's interfaces, and the referee of
// the tests of exactness. It shows what another one (Kafka, Redis streams) has to do.

import type {
  BatchSink,
  BatchSource,
  BridgeDeadLetter,
  OutgoingBatch,
  SavedCheckpoint,
  SinkLimits,
  SourceItem,
} from '../../lib/bridge/bridge.js'
import { IpcError } from '../../lib/base/errors.js'

/** What becomes of a batch: stored; lost; stored with its acknowledgement lost; refused while others behind it are stored. */
export type Fate = 'store' | 'lose' | 'lose-ack' | 'refuse'

export class MemoryBroker {
  readonly items: SourceItem[] = []
  readonly letters: BridgeDeadLetter[] = []
  checkpoint: { readonly bytes: Buffer; readonly owner: object } | undefined
  acknowledged = 0
  /** Decides what becomes of each batch. */
  fate: (batch: OutgoingBatch) => Fate = () => 'store'
  /** While it is false nothing is taken and nothing is read. */
  isUp = true
  limits: SinkLimits = { maxBatchBytes: 1 << 16, maxLineBytes: 1 << 20 }
  /** Ids of the last batches, as a server with a window knows them. */
  readonly #ids = new Map<string, number>()
  readonly idWindow: number
  #changed: (() => void)[] = []

  constructor(idWindow = 64) {
    this.idWindow = idWindow
  }

  store(batch: OutgoingBatch): number {
    const known = this.#ids.get(batch.id)
    if (known !== undefined) return known
    const position = this.items.length + 1
    const { host, type, runs, lines } = batch
    this.items.push({ position, batch: { host, type, runs, lines } })
    this.#ids.set(batch.id, position)
    if (this.#ids.size > this.idWindow) this.#ids.delete([...this.#ids.keys()][0] as string)
    this.wake()
    return position
  }

  /** Stores something that is not a batch. */
  storeForeign(data: Buffer): void {
    this.items.push({ position: this.items.length + 1, batch: undefined, reason: 'not-a-batch', data })
    this.wake()
  }

  wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve()
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve))
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class MemorySink implements BatchSink {
  readonly #broker: MemoryBroker
  /** Stores happen in the order of the calls, as over one connection. */
  #order = Promise.resolve()
  closed = false

  constructor(broker: MemoryBroker) {
    this.#broker = broker
  }

  get limits(): SinkLimits {
    return this.#broker.limits
  }

  async ready(signal: AbortSignal): Promise<void> {
    while (!this.#broker.isUp && !signal.aborted) await turn()
    if (signal.aborted) throw new IpcError('ERR_IPC_ABORTED', 'aborted')
  }

  put(batch: OutgoingBatch): Promise<number> {
    const done = this.#order.then(async () => {
      await turn()
      return this.#store(batch)
    })
    this.#order = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  async putDeadLetter(letter: BridgeDeadLetter): Promise<void> {
    if (!this.#broker.isUp) throw new Error('down')
    if (!this.#broker.letters.some(({ id }) => id === letter.id)) this.#broker.letters.push(letter)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  #store(batch: OutgoingBatch): number {
    const broker = this.#broker
    if (!broker.isUp || this.closed) throw new Error('down')
    const total = batch.runs.reduce((sum, { count }) => sum + count, 0)
    const most = total > 1 ? broker.limits.maxBatchBytes : broker.limits.maxLineBytes
    if (batch.lines.length > most) throw new IpcError('ERR_IPC_MESSAGE_TOO_LARGE', 'too large')
    const fate = broker.fate(batch)
    if (fate === 'lose' || fate === 'refuse') throw new Error(fate)
    const position = broker.store(batch)
    if (fate === 'lose-ack') throw new Error('the acknowledgement was lost')
    return position
  }
}

export class MemorySource implements BatchSource {
  readonly #broker: MemoryBroker
  readonly #owner = {}

  constructor(broker: MemoryBroker) {
    this.#broker = broker
  }

  async open(): Promise<SavedCheckpoint | undefined> {
    const { checkpoint } = this.#broker
    if (checkpoint === undefined) return undefined
    this.#broker.checkpoint = { bytes: checkpoint.bytes, owner: this.#owner }
    return { checkpoint: checkpoint.bytes, restarted: false }
  }

  async *read(after: number, signal: AbortSignal): AsyncIterable<SourceItem> {
    for (let last = after; !signal.aborted;) {
      const item = this.#broker.isUp ? this.#broker.items[last] : undefined
      if (item === undefined) {
        await Promise.race([this.#broker.changed(), turn()])
        continue
      }
      last = item.position
      yield item
    }
  }

  acknowledge(through: number): void {
    this.#broker.acknowledged = Math.max(this.#broker.acknowledged, through)
  }

  async saveCheckpoint(bytes: Buffer): Promise<void> {
    await turn()
    const { checkpoint } = this.#broker
    if (!this.#broker.isUp) throw new Error('down')
    if (checkpoint !== undefined && checkpoint.owner !== this.#owner)
      throw new IpcError('ERR_IPC_ADDRESS_IN_USE', 'another bridge has the checkpoint')
    this.#broker.checkpoint = { bytes: Buffer.from(bytes), owner: this.#owner }
  }

  async putDeadLetter(letter: BridgeDeadLetter): Promise<void> {
    if (!this.#broker.letters.some(({ id }) => id === letter.id)) this.#broker.letters.push(letter)
  }

  async close(): Promise<void> {
    // Nothing to end.
  }
}
