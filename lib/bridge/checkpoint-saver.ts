// Saves the checkpoints of an incoming bridge: the first one claims the consumer, later ones record what is settled,
// spaced so that they cost the message system little. Only items that a checkpoint covers are acknowledged.

import { hasCode, toError } from '../base/errors.js'
import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'
import { pause } from '../base/timing.js'
import type { BatchSource } from './bridge.js'
import { encodeCheckpoint, type Checkpoint } from './checkpoint.js'
import type { InboundItem } from './inbound-log.js'
import type { BridgeLife } from './life.js'
import type { SessionTable } from './session-table.js'

/** Milliseconds until a failed checkpoint is tried again. */
const RETRY_MS = 500
/** Bytes of checkpoints written per millisecond at most: the interval grows with their size. */
const CHECKPOINT_BYTES_PER_MS = 1 << 10

/** What a {@link CheckpointSaver} reports. */
export interface CheckpointEvents {
  /** Called when a saved checkpoint covers everything through this local number. */
  readonly onSaved: (number: number) => void
  /** Called when another bridge has claimed the consumer. */
  readonly onLost: (error: Error) => void
}

export class CheckpointSaver {
  readonly #source: BatchSource
  /** The sessions as of the last settled item. */
  readonly #table: SessionTable
  readonly #everyMs: number
  readonly #life: BridgeLife
  readonly #events: CheckpointEvents
  #settled: Checkpoint
  #savedPosition = -1
  #savedAtMs = 0
  #saving: Promise<void> | undefined
  #isUrgent = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    source: BatchSource,
    life: BridgeLife,
    everyMs: number,
    start: { readonly settled: Checkpoint; readonly table: SessionTable },
    events: CheckpointEvents,
  ) {
    this.#source = source
    this.#life = life
    this.#everyMs = everyMs
    this.#settled = start.settled
    this.#table = start.table
    this.#events = events
  }

  /** Everything through its position is settled. */
  get settled(): Checkpoint {
    return this.#settled
  }

  /**
   * Claims the consumer by saving the first checkpoint. Tries again if the connection is lost.
   *
   * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE if another bridge has saved one since
   */
  async claim(): Promise<void> {
    for (;;) {
      try {
        await this.#save()
        return
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE') || this.#life.isOver) throw error
        this.#life.waitFor('system', toError(error))
        await pause(RETRY_MS, this.#life.signal, 'the bridge')
      }
    }
  }

  /** Notes that an item is settled, and saves a checkpoint soon. Items must be settled in their order. */
  settle({ position, first, count, progress }: InboundItem): void {
    for (const [key, number] of progress) this.#table.note(key, number)
    this.#settled = { ...this.#settled, position, number: first + count - 1 }
    this.#schedule()
  }

  /** Saves what is settled without waiting for the interval. After a failure, it still waits. */
  hurry(): void {
    if (this.#isUrgent || this.#settled.position === this.#savedPosition) return
    this.#isUrgent = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#schedule()
  }

  /** Ends the timer. With `last`, tries once more to save what is settled. */
  async stop(last: boolean): Promise<void> {
    clearTimeout(this.#timer)
    await this.#saving
    if (last) await this.#save().catch(() => undefined)
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#saving !== undefined || this.#life.isOver) return
    const everyMs = Math.max(this.#everyMs, (this.#table.size * 22) / CHECKPOINT_BYTES_PER_MS)
    const delayMs = Math.max(1, this.#savedAtMs + (this.#isUrgent ? 0 : everyMs) - monotonicMs())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#saving = this.#save().then(
        () => {
          this.#saving = undefined
          if (this.#savedPosition < this.#settled.position) this.#schedule()
        },
        (error: unknown) => {
          this.#saving = undefined
          if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE')) this.#events.onLost(toError(error))
          else {
            this.#life.waitFor('system', toError(error))
            this.#savedAtMs = monotonicMs() + RETRY_MS
            this.#schedule()
          }
        },
      )
    }, delayMs)
  }

  async #save(): Promise<void> {
    this.#isUrgent = false
    const settled = this.#settled
    if (settled.position === this.#savedPosition) return
    await this.#source.saveCheckpoint(encodeCheckpoint(settled, this.#table))
    this.#savedAtMs = monotonicMs()
    this.#savedPosition = settled.position
    this.#events.onSaved(settled.number)
    this.#source.acknowledge(settled.position)
    this.#life.works('system')
  }
}
