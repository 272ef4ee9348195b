// The spool of an outgoing bridge: gathered messages are stored there, accepted when they are durable, and passed on
// from there to the window.

import { hasCode, isIpcError, type IpcError } from '../base/errors.js'
import { pause } from '../base/timing.js'
import type { Spool } from '../spool/spool.js'
import { BatchSpool } from './batch-spool.js'
import { acceptBatch, type GatheredBatch } from './batches.js'
import type { Gatherer } from './gatherer.js'
import type { BridgeLife } from './life.js'
import type { Origins } from './origins.js'
import type { Placed } from './put-window.js'

/** Milliseconds until a failed write to the spool is tried again; earlier if room becomes free. */
const RETRY_MS = 200

/** Options of a {@link SpoolKeeper}. */
export interface KeeperOptions {
  /** Approximate maximum bytes of lines in a record. */
  readonly maxGroupBytes: () => number
  /** Called when more batches are durable, so that the window may take them. */
  readonly onKept: () => void
  /** Called when the window has stored a record, which frees room for another. */
  readonly onSettled: () => void
  /** The spool takes nothing more until it is opened again. What was not accepted stays with the senders. */
  readonly onFailed: (error: IpcError) => void
}

export class SpoolKeeper {
  readonly #spool: BatchSpool
  readonly #gatherer: Gatherer
  readonly #life: BridgeLife
  readonly #options: KeeperOptions
  /** Messages found in the spool when it was opened. */
  readonly recovered: number
  #keeping = false
  /** Batches of a record that was read which have not entered the window yet. */
  #read: Placed[] = []
  #heldBytes = 0

  constructor(spool: Spool, origins: Origins, gatherer: Gatherer, life: BridgeLife, options: KeeperOptions) {
    this.#spool = new BatchSpool(spool, origins.find)
    this.#gatherer = gatherer
    this.#life = life
    this.#options = options
    let recovered = 0
    this.#spool.forEach(({ stretches, count }) => {
      recovered += count
      for (const { origin, first, count: messages } of stretches) {
        origin.gathered = origin.safe = first + messages - 1
        origin.pending += messages
      }
    })
    this.recovered = recovered
  }

  /** Lines that the spool has lost, by damage or age. */
  get lost(): number {
    return this.#spool.lost
  }

  /** Bytes taken from the gatherer that are not durable yet. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Returns the next batch for the window; undefined if there is none at present. */
  next(): Placed | undefined {
    const ready = this.#read.shift()
    if (ready !== undefined) return ready
    const record = this.#spool.next()
    if (record === undefined) return undefined
    const { batches, through } = record
    this.#read = batches.map((batch, i) => ({
      batch,
      onPlaced:
        i < batches.length - 1
          ? undefined
          : () => {
              this.#spool.settle(through)
              this.#options.onSettled()
            },
    }))
    return this.#read.shift()
  }

  /** Stores everything gathered in the spool, one record after the other, and accepts it. */
  async keep(): Promise<void> {
    if (this.#keeping) return
    this.#keeping = true
    try {
      while (!this.#gatherer.empty && !this.#life.isOver) {
        const group: GatheredBatch[] = []
        let bytes = 0
        const most = this.#options.maxGroupBytes()
        while (bytes < most) {
          const batch = this.#gatherer.take()
          if (batch === undefined) break
          group.push(batch)
          bytes += batch.lines.length
        }
        this.#heldBytes += bytes
        await this.#keepGroup(group)
        this.#heldBytes -= bytes
        this.#options.onKept()
      }
    } finally {
      this.#keeping = false
    }
  }

  close(): Promise<void> {
    return this.#spool.close()
  }

  /** Repeats until the group is stored: later messages must not be stored before it. */
  async #keepGroup(group: readonly GatheredBatch[]): Promise<void> {
    while (!this.#life.isOver) {
      try {
        await this.#spool.keep(group)
        for (const batch of group) acceptBatch(batch)
        return
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_CLOSED')) return
        if (isIpcError(error) && (error.reason === 'maybe-kept' || error.reason === 'spool-failed')) {
          this.#options.onFailed(error)
          return
        }
        await pause(RETRY_MS, this.#life.signal, 'the bridge').catch(() => undefined)
      }
    }
  }
}
