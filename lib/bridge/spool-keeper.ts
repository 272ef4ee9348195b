// The spool of an outgoing bridge: gathered messages are stored there, accepted when they are durable, and passed on
// from there to the window.

import { hasCode, isIpcError, toError } from '../base/errors.js'
import { pause } from '../base/timing.js'
import { recordBytesOf, type BatchSpool } from './batch-spool.js'
import { acceptBatch, type GatheredBatch } from './batches.js'
import type { Gatherer } from './gatherer.js'
import type { BridgeLife } from './life.js'
import type { Placed } from './put-window.js'

/** Milliseconds until a failed write to the spool is tried again. */
const RETRY_MS = 200

/** Options of a {@link SpoolKeeper}. */
export interface KeeperOptions {
  /** Approximate maximum bytes of lines in a record. */
  readonly maxGroupBytes: () => number
  /** Called when more batches are durable, so that the window may take them. */
  readonly onKept: () => void
  /** Called when the window has stored a record, which frees room for another. */
  readonly onSettled: () => void
  /** Called when stored messages are lost, by damage. */
  readonly onLost: () => void
  /** Called when the spool cannot be used until it is opened again. Messages not accepted stay with the senders. */
  readonly onFailed: (error: Error) => void
}

export class SpoolKeeper {
  readonly #spool: BatchSpool
  readonly #gatherer: Gatherer
  readonly #life: BridgeLife
  readonly #options: KeeperOptions
  /** Messages found in the spool when it was opened. */
  readonly recovered: number
  #keeping = false
  /** The batches of the record read last that have not entered the window yet. */
  #read: Placed[] = []
  #heldBytes = 0

  /** @throws as {@link BatchSpool.forEach} */
  constructor(spool: BatchSpool, gatherer: Gatherer, life: BridgeLife, options: KeeperOptions) {
    this.#spool = spool
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
    spool.onLost = options.onLost
  }

  /** Messages that the spool has lost. */
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
    const record = this.#use(() => this.#spool.next())
    if (record === undefined) return undefined
    const { batches, through } = record
    this.#read = batches.map((batch, i) => ({
      batch,
      onPlaced:
        i < batches.length - 1
          ? undefined
          : () => {
              this.#use(() => {
                this.#spool.settle(through)
              })
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
        let recordBytes = 0
        const most = this.#options.maxGroupBytes()
        // The notes of short batches can take far more than their lines, and the record must fit an empty spool.
        const mostInRecord = this.#spool.maxBytes / 16
        while (bytes < most && recordBytes < mostInRecord) {
          const batch = this.#gatherer.take()
          if (batch === undefined) break
          group.push(batch)
          bytes += batch.lines.length
          recordBytes += recordBytesOf(batch)
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
      } catch (error) {
        if (isFinal(error)) {
          this.#options.onFailed(toError(error))
          return
        }
        // A spool that is full of messages is back-pressure, not a fault.
        if (!isFull(error)) this.#life.waitFor('spool', toError(error))
        await pause(RETRY_MS, this.#life.signal, 'the bridge').catch(() => undefined)
        continue
      }
      this.#life.works('spool')
      for (const batch of group) acceptBatch(batch)
      return
    }
  }

  /** Calls the spool. If it throws, reports that and returns undefined. */
  #use<Value>(call: () => Value): Value | undefined {
    try {
      return call()
    } catch (error) {
      this.#options.onFailed(toError(error))
      return undefined
    }
  }
}

/** Whether the messages in the spool leave no room for more. */
function isFull(error: unknown): boolean {
  return isIpcError(error) && error.code === 'ERR_IPC_BUFFER_FULL' && error.reason !== 'disk-full'
}

/** Whether the spool accepts no more messages after this error. */
function isFinal(error: unknown): boolean {
  if (hasCode(error, 'ERR_IPC_CLOSED')) return true
  return isIpcError(error) && (error.reason === 'maybe-kept' || error.reason === 'spool-failed')
}
