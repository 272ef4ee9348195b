// Batches in a spool: each record holds one line that describes its batches, then their lines. Records are kept one at
// a time, each whole or not at all, so that the spool never contains a message while an earlier one of its session is
// missing.

import { parseJson } from '../base/json.js'
import { IpcError, toError } from '../base/errors.js'
import type { Spool } from '../spool/spool.js'
import { bytesOf, type GatheredBatch, type Origin, type Stretch } from './batches.js'

/** Bytes read back at a time. */
const READ_BYTES = 1 << 20
/** Maximum bytes of a note, besides its type and stretches. */
const NOTE_BYTES = 80
/**
 * The least `maxBytes` of a spool that a bridge accepts. A record takes at most 7/16 of it, because the bridge bounds
 * lines, batches and groups by it, and in addition the note of one session with the longest names.
 */
export const LEAST_SPOOL_BYTES = 1 << 14

type StretchNote = readonly [
  uid: number,
  sid: string | null,
  pid: number,
  unit: string | null,
  session: string,
  first: number,
  count: number,
]

interface BatchNote {
  readonly type: string
  readonly bytes: number
  readonly count: number
  readonly stretches: readonly StretchNote[]
}

/** Finds the origin of a stretch read back from the spool. */
export type FindOrigin = (from: Pick<Origin, 'uid' | 'sid' | 'pid' | 'unit' | 'session'>) => Origin

/** The batches of one record. */
export interface SpooledBatches {
  readonly batches: readonly GatheredBatch[]
  /** Number of the record's last line in the spool. */
  readonly through: number
}

/** A record that has not been read yet, whose messages the bridge has counted as received. */
interface Waiting {
  /** Number of the record's first line in the spool. */
  readonly first: number
  /** Messages in it. */
  readonly count: number
  readonly stretches: readonly Stretch[]
  durable: boolean
}

/** Returns the maximum bytes that a batch takes in a record. */
export function recordBytesOf(batch: GatheredBatch): number {
  return bytesOf(batch) + NOTE_BYTES + Buffer.byteLength(JSON.stringify(batch.type))
}

export class BatchSpool {
  readonly #spool: Spool
  readonly #findOrigin: FindOrigin
  #readFrom: number
  /** In the order of their numbers. Those before {@link #waitingFrom} were read or lost. */
  #waiting: Waiting[] = []
  #waitingFrom = 0
  #lost = 0
  /** Called when messages are lost. */
  onLost: () => void = () => undefined

  constructor(spool: Spool, findOrigin: FindOrigin) {
    this.#spool = spool
    this.#findOrigin = findOrigin
    this.#readFrom = spool.settledThrough + 1
    // The losses that the spool reports are of no use: they include the note in each record, and messages that were
    // damaged before the bridge counted them as received. `next` finds losses by gaps in the numbers instead.
    spool.attach({ onLost: () => undefined })
  }

  /** Maximum bytes of the records in it. */
  get maxBytes(): number {
    return this.#spool.maxBytes
  }

  /** Messages that were in the spool when it was opened, or stored since, and that it has lost. */
  get lost(): number {
    return this.#lost
  }

  /** Whether there is room for batches of this many bytes. */
  fits(bytes: number): boolean {
    return this.#spool.fits(bytes + this.#spool.overheadBytes)
  }

  /**
   * Keeps batches. Resolves once they are durable; if it rejects, nothing is kept, or with reason `maybe-kept` it may
   * be.
   */
  async keep(batches: readonly GatheredBatch[]): Promise<void> {
    const note = JSON.stringify(batches.map(noteOf))
    const value = Buffer.concat([
      Buffer.allocUnsafe(this.#spool.headerBytes),
      Buffer.from(`${note}\n`),
      ...batches.map(({ lines }) => lines),
    ])
    const bytes = value.length - this.#spool.headerBytes
    if (!this.fits(bytes)) throw new IpcError('ERR_IPC_BUFFER_FULL', 'the spool of the bridge is full')
    const count = 1 + batches.reduce((sum, batch) => sum + batch.count, 0)
    const { first, durable } = this.#spool.append({ count, value, priorities: [0, count, 0] })
    const waiting = this.#await(first, batches)
    try {
      await durable
      waiting.durable = true
    } catch (error) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      throw error
    }
  }

  /**
   * Calls `onBatch` with each stored batch, oldest first. For the start of a bridge.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE for a record that no bridge has stored; as `spool.read`
   */
  forEach(onBatch: (batch: GatheredBatch) => void): void {
    for (let from = this.#spool.settledThrough + 1; ;) {
      const records = this.#spool.read(from, READ_BYTES)
      if (records.length === 0) return
      for (const { first, count, lines } of records) {
        const batches = this.#batchesOf(lines)
        this.#await(first, batches).durable = true
        for (const batch of batches) onBatch(batch)
        from = first + count
      }
    }
  }

  /**
   * Returns the next record; undefined if there is none at present.
   *
   * @throws {IpcError} as {@link forEach}
   */
  next(): SpooledBatches | undefined {
    const [record] = this.#spool.read(this.#readFrom, 1)
    this.#skip(record?.first)
    if (record === undefined) return undefined
    this.#readFrom = record.first + record.count
    return { batches: this.#batchesOf(record.lines), through: this.#readFrom - 1 }
  }

  /** Settles all records through this line: the message system has them. */
  settle(through: number): void {
    this.#spool.settle(this.#spool.settledThrough + 1, through)
  }

  close(): Promise<void> {
    return this.#spool.close()
  }

  #await(first: number, batches: readonly GatheredBatch[]): Waiting {
    const stretches = batches.flatMap((batch) => batch.stretches)
    const count = stretches.reduce((sum, stretch) => sum + stretch.count, 0)
    const waiting = { first, count, stretches, durable: false }
    this.#waiting.push(waiting)
    return waiting
  }

  /**
   * Counts the records before the one that was read as lost: they are no longer in the spool. Without one, all durable
   * records are lost.
   */
  #skip(read: number | undefined): void {
    let lost = 0
    for (;;) {
      const waiting = this.#waiting[this.#waitingFrom]
      if (waiting === undefined || (read === undefined ? !waiting.durable : waiting.first > read)) break
      ++this.#waitingFrom
      if (waiting.first === read) break
      lost += waiting.count
      for (const { origin, count } of waiting.stretches) origin.pending -= count
    }
    if (this.#waitingFrom * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#waitingFrom)
      this.#waitingFrom = 0
    }
    if (lost === 0) return
    this.#lost += lost
    this.onLost()
  }

  #batchesOf(lines: Buffer): GatheredBatch[] {
    const end = lines.indexOf(10)
    let offset = end + 1
    return this.#notesOf(lines, end).map(({ type, bytes, count, stretches }) => {
      const begin = offset
      offset += bytes
      return {
        type,
        count,
        stretches: stretches.map(([uid, sid, pid, unit, session, first, messages]): Stretch => {
          const from = { uid, pid, session, ...(sid !== null && { sid }), ...(unit !== null && { unit }) }
          return { origin: this.#findOrigin(from), first, count: messages }
        }),
        lines: lines.subarray(begin, offset),
        taken: [],
      }
    })
  }

  /** Returns the notes in the first line of a record. */
  #notesOf(lines: Buffer, end: number): readonly BatchNote[] {
    let cause: Error | undefined
    try {
      const notes: unknown = parseJson(lines.toString('utf8', 0, end))
      if (Array.isArray(notes) && notes.every(isNote)) {
        const bytes = notes.reduce((sum, note) => sum + note.bytes, 0)
        if (bytes === lines.length - end - 1) return notes
      }
    } catch (error) {
      cause = toError(error)
    }
    throw new IpcError(
      'ERR_IPC_INVALID_MESSAGE',
      `the spool in ${this.#spool.directory} contains messages that no bridge has stored; give the bridge a spool of its own`,
      { cause },
    )
  }
}

function isNote(value: unknown): value is BatchNote {
  const { type, bytes, count, stretches } = (value ?? {}) as Partial<Record<keyof BatchNote, unknown>>
  return (
    typeof type === 'string' &&
    Number.isSafeInteger(bytes) &&
    Number.isSafeInteger(count) &&
    Array.isArray(stretches) &&
    stretches.every((stretch) => Array.isArray(stretch) && stretch.length === 7)
  )
}

function noteOf({ type, lines, count, stretches }: GatheredBatch): BatchNote {
  return {
    type,
    bytes: lines.length,
    count,
    stretches: stretches.map(({ origin, first, count: messages }) => [
      origin.uid,
      origin.sid ?? null,
      origin.pid,
      origin.unit ?? null,
      origin.session,
      first,
      messages,
    ]),
  }
}
