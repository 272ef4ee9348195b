// The batches in flight to the message system: several at once, and still stored in their order.
//
//     queued ──put──▶ sent ──acknowledged──▶ acknowledged ──all before it are placed──▶ in place, and leaves
//        ^─────────────┴──one failed, or was stored before its predecessor──┘
//
// A batch is in place when its copy stands behind the copy of its predecessor. When one fails, it and all behind it are
// sent again ("go back N"): first with the same id, for which the system returns the position of the earlier copy; if
// that is before the predecessor, as a new copy. Readers skip a copy that is not in place, because the number before it
// is missing, so no order of copies can mislead them.

import { hasCode, toError } from '../base/errors.js'
import { pause } from '../base/timing.js'
import { fitBatch, splitBatch, type GatheredBatch } from './batches.js'
import type { BatchRun, BatchSink } from './bridge.js'

/** A batch in the window. */
export interface Placed {
  readonly batch: GatheredBatch
  /** Called when the batch is in place. */
  readonly onPlaced: (() => void) | undefined
}

export interface PutWindowOptions {
  readonly host: string
  readonly maxInFlight: number
  /** Distinguishes the ids of this process from those of others. */
  readonly incarnation: string
  readonly minBackoffMs: number
  readonly maxBackoffMs: number
}

export interface PutWindowEvents {
  /** Returns the next batch; undefined if there is none. */
  next(): Placed | undefined
  /** Called when a batch is in place, or its one message is a dead letter. */
  onPlaced(batch: GatheredBatch, deadLetter: boolean): void
  onWaiting(error: Error): void
  onRunning(): void
  onFailed(error: Error): void
}

class Entry {
  readonly batch: GatheredBatch
  readonly onPlaced: (() => void) | undefined
  readonly number: number
  /** The last number before each stretch. */
  readonly previous: readonly number[]
  state: 'queued' | 'sent' | 'acknowledged' = 'queued'
  /** Number of this copy. */
  copy = 0
  position = 0
  tries = 0
  tooLarge = false

  constructor({ batch, onPlaced }: Placed, number: number, previous: readonly number[]) {
    this.batch = batch
    this.onPlaced = onPlaced
    this.number = number
    this.previous = previous
  }
}

const NOTHING = Buffer.alloc(0)

export class PutWindow {
  readonly #sink: BatchSink
  readonly #options: PutWindowOptions
  readonly #events: PutWindowEvents
  readonly #signal: AbortSignal
  #entries: Entry[] = []
  /** Index of the next entry to be put. */
  #cursor = 0
  #inFlight = 0
  #entered = 0
  /** Position of the last batch in place. */
  #last = 0
  /** Acknowledgements of an earlier generation are ignored. */
  #generation = 0
  #state: 'open' | 'waiting' | 'closed' = 'waiting'
  #repeated = 0

  constructor(sink: BatchSink, options: PutWindowOptions, events: PutWindowEvents, signal: AbortSignal) {
    this.#sink = sink
    this.#options = options
    this.#events = events
    this.#signal = signal
    void this.#begin(0)
  }

  /** Batches that are not in place. */
  get size(): number {
    return this.#entries.length
  }

  /** Batches put again. */
  get repeated(): number {
    return this.#repeated
  }

  /** Puts waiting batches, as far as the window allows. */
  pump(): void {
    try {
      this.#putAll()
    } catch (error) {
      this.#fail(error)
    }
  }

  #putAll(): void {
    while (this.#state === 'open' && this.#inFlight < this.#options.maxInFlight) {
      if (this.#cursor === this.#entries.length && !this.#enter()) return
      const entry = this.#entries[this.#cursor++]
      if (entry === undefined) return
      this.#put(entry)
    }
  }

  close(): void {
    this.#state = 'closed'
    ++this.#generation
  }

  #enter(): boolean {
    const placed = this.#events.next()
    if (placed === undefined) return false
    const parts = fitBatch(placed.batch, this.#sink.limits.maxBatchBytes)
    parts.forEach((batch, i) => {
      this.#entries.push(this.#entryOf(batch, i === parts.length - 1 ? placed.onPlaced : undefined))
    })
    return true
  }

  #entryOf(batch: GatheredBatch, onPlaced: (() => void) | undefined): Entry {
    const previous = batch.stretches.map(({ origin, first, count }) => {
      // A session that enters for the first time continues after the messages that are safe.
      if (origin.entered === undefined) origin.stored = origin.entered = first - 1
      // A released message enters again, after the message before it.
      const before = Math.min(origin.entered, first - 1)
      origin.entered = Math.max(origin.entered, first + count - 1)
      return before
    })
    const entry = new Entry({ batch, onPlaced }, ++this.#entered, previous)
    entry.tooLarge = batch.count === 1 && batch.lines.length > this.#sink.limits.maxLineBytes
    return entry
  }

  #put(entry: Entry): void {
    const generation = this.#generation
    entry.state = 'sent'
    if (entry.tries++ > 0) ++this.#repeated
    ++this.#inFlight
    void this.#store(entry)
      .then(
        (position) => {
          if (generation === this.#generation) this.#onStored(entry, position)
        },
        (error: unknown) => {
          if (generation !== this.#generation) return
          if (hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE')) this.#splitOrGiveUp(entry)
          this.#goBack(toError(error), entry)
        },
      )
      .catch((error: unknown) => {
        this.#fail(error)
      })
  }

  async #store(entry: Entry): Promise<number> {
    const { host } = this.#options
    const { type, lines, stretches } = entry.batch
    const id = this.#idOf(entry)
    if (entry.tooLarge) {
      await this.#sink.putDeadLetter({ id: `${id}.dead`, host, type, reason: 'too-large', data: lines })
    }
    const runs = stretches.map(({ origin, first, count }, i): BatchRun => {
      const { uid, sid, pid, unit, session, stored } = origin
      const previous = entry.previous[i] as number
      const anchored = previous <= stored
      return {
        uid,
        pid,
        session,
        previous,
        first,
        count,
        anchored,
        ...(sid !== undefined && { sid }),
        ...(unit !== undefined && { unit }),
      }
    })
    return this.#sink.put({ id, host, type, runs, lines: entry.tooLarge ? NOTHING : lines })
  }

  /** Session and number of the first message, and what distinguishes this copy from all others. */
  #idOf({ batch, number, copy }: Entry): string {
    const stretch = batch.stretches[0]
    const name = stretch === undefined ? '' : `${stretch.origin.session}-${stretch.first}`
    return `${name}-${this.#options.incarnation}.${number}${copy === 0 ? '' : `.${copy}`}`
  }

  #onStored(entry: Entry, position: number): void {
    --this.#inFlight
    entry.state = 'acknowledged'
    entry.position = position
    for (;;) {
      const head = this.#entries[0]
      if (head?.state !== 'acknowledged') break
      if (head.position <= this.#last) {
        // Its copy stands in front of its predecessor's, so readers skip it and all batches behind it.
        for (const each of this.#entries) ++each.copy
        this.#requeue()
        break
      }
      this.#last = head.position
      this.#entries.shift()
      --this.#cursor
      for (const { origin, first, count } of head.batch.stretches) {
        origin.stored = Math.max(origin.stored, first + count - 1)
        origin.pending -= count
      }
      head.onPlaced?.()
      this.#events.onPlaced(head.batch, head.tooLarge)
    }
    this.pump()
  }

  #splitOrGiveUp(entry: Entry): void {
    const { batch } = entry
    if (batch.count <= 1) {
      entry.tooLarge = true
      ++entry.copy
      return
    }
    const parts = splitBatch(batch, batch.count >>> 1)
    let at = 0
    const entries = parts.map((part, i) => {
      // The same numbers again, so `previous` continues from part to part.
      const previous = part.stretches.map((stretch) => {
        const index = batch.stretches.findIndex(
          ({ origin, first, count }) =>
            origin === stretch.origin && first <= stretch.first && stretch.first < first + count,
        )
        const whole = batch.stretches[index]
        return whole?.first === stretch.first ? (entry.previous[index] as number) : stretch.first - 1
      })
      at += part.count
      const onPlaced = at === batch.count && i === parts.length - 1 ? entry.onPlaced : undefined
      return new Entry({ batch: part, onPlaced }, ++this.#entered, previous)
    })
    this.#entries.splice(this.#entries.indexOf(entry), 1, ...entries)
  }

  /** Puts all batches that are not in place back into the queue. */
  #requeue(): void {
    ++this.#generation
    for (const entry of this.#entries) entry.state = 'queued'
    this.#cursor = 0
    this.#inFlight = 0
  }

  #goBack(error: Error, failed: Entry): void {
    this.#requeue()
    if (this.#state === 'closed') return
    this.#state = 'waiting'
    this.#events.onWaiting(error)
    void this.#begin(failed.tries)
  }

  async #begin(tries: number): Promise<void> {
    const { minBackoffMs, maxBackoffMs } = this.#options
    try {
      if (tries > 0) {
        const mostMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(tries - 1, 20))
        await pause(mostMs * (0.5 + Math.random() / 2), this.#signal, 'the bridge')
      }
      await this.#sink.ready(this.#signal, (error) => {
        this.#events.onWaiting(error)
      })
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error)
      return
    }
    if ((this.#state as string) === 'closed') return
    this.#state = 'open'
    this.#events.onRunning()
    this.pump()
  }

  /** Ends the window. Only the first failure is reported. */
  #fail(error: unknown): void {
    if (this.#state === 'closed') return
    this.close()
    this.#events.onFailed(toError(error))
  }
}
