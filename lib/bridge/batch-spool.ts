// Batches in a spool: each record holds one line that describes its batches, then their lines. Records are kept one at
// a time, each whole or not at all, so that the spool never contains a message while an earlier one of its session is
// missing.

import { IpcError } from '../base/errors.js'
import type { Spool } from '../spool/spool.js'
import type { GatheredBatch, Origin, Stretch } from './batches.js'

/** Bytes read back at a time. */
const READ_BYTES = 1 << 20

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

export class BatchSpool {
  readonly #spool: Spool
  readonly #findOrigin: FindOrigin
  #readFrom: number
  #lost = 0

  constructor(spool: Spool, findOrigin: FindOrigin) {
    this.#spool = spool
    this.#findOrigin = findOrigin
    this.#readFrom = spool.settledThrough + 1
    spool.attach({
      onLost: (count) => {
        this.#lost += count
      },
    })
  }

  /** Lines that the spool has lost, by damage or age. */
  get lost(): number {
    return this.#lost
  }

  /** Whether there is room for batches of this many bytes. */
  fits(bytes: number): boolean {
    return this.#spool.fits(bytes + this.#spool.overheadBytes)
  }

  /** Keeps batches. Resolves once they are durable; if it rejects, nothing is kept, or with reason `maybe-kept` it may be. */
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
    await this.#spool.append({ count, value, priorities: [0, count, 0] }).durable
  }

  /** Calls `onBatch` with each stored batch, oldest first. For the start of a bridge. */
  forEach(onBatch: (batch: GatheredBatch) => void): void {
    for (let from = this.#spool.settledThrough + 1; ;) {
      const records = this.#spool.read(from, READ_BYTES)
      if (records.length === 0) return
      for (const { first, count, lines } of records) {
        for (const batch of this.#batchesOf(lines)) onBatch(batch)
        from = first + count
      }
    }
  }

  /** Returns the next record; undefined if there is none at present. */
  next(): SpooledBatches | undefined {
    const [record] = this.#spool.read(this.#readFrom, 1)
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

  #batchesOf(lines: Buffer): GatheredBatch[] {
    const end = lines.indexOf(10)
    let offset = end + 1
    const notes = JSON.parse(lines.toString('utf8', 0, end)) as readonly BatchNote[]
    return notes.map(({ type, bytes, count, stretches }) => {
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
