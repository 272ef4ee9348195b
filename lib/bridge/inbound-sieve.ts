// Decides what becomes of the messages of an item that the message system stored: some are delivered, some were read
// before, some come again later because an earlier one is missing, and some become dead letters. Given the same items
// in the same order, it decides the same.

import { offsetOfLine } from '../delivery/protocol/lines.js'
import type { Batch, BridgeDeadLetter, SourceItem } from './bridge.js'
import { areDeliverable, sortLines } from './inbound-lines.js'
import { MOST_OF_ITEM, type InboundItem } from './inbound-log.js'
import { SessionKeys, type SessionTable } from './session-table.js'

/** Most lines of an item that become dead letters of their own. If there are more, one letter holds all of them. */
const MOST_LETTERS = 64
const NOTHING = Buffer.alloc(0)

/** What becomes of the messages of an item. */
export interface Sifted {
  /** The messages to deliver. */
  readonly lines: Buffer
  /** How many those are. */
  readonly count: number
  readonly letters: readonly BridgeDeadLetter[]
  readonly progress: InboundItem['progress']
  /** Messages to deliver, and lines that are not messages. An item that becomes one letter as a whole has none. */
  readonly received: number
  /** Messages that were read before. */
  readonly duplicates: number
  /** Messages behind a missing one: they come again. */
  readonly repeated: number
}

/** Lines [begin, end) of a batch. */
interface Stretch {
  readonly begin: number
  readonly end: number
}

export class InboundSieve {
  /** The sessions as of the last item. */
  readonly #table: SessionTable
  readonly #keys: SessionKeys

  constructor(table: SessionTable, maxSessions: number) {
    this.#table = table
    this.#keys = new SessionKeys(maxSessions)
  }

  sift({ position, batch, reason = 'not-a-batch', data = NOTHING }: SourceItem): Sifted {
    const id = `item-${position}`
    const none = { lines: NOTHING, count: 0, progress: [], received: 0, duplicates: 0, repeated: 0 }
    if (batch === undefined) return { ...none, letters: [{ id, host: '', type: '', reason, data }] }
    const { host, type } = batch
    const { stretches, ...judged } = this.#judge(batch)
    const received = stretches.reduce((sum, { begin, end }) => sum + end - begin, 0)
    const isWhole = received === batch.runs.reduce((sum, run) => sum + run.count, 0)
    const lines = isWhole ? batch.lines : cut(batch.lines, stretches)
    const isClean = areDeliverable(lines, received)
    const { good, bad } = isClean ? { good: [lines], bad: [] } : sortLines(lines)
    const count = isClean ? received : good.length
    if (count > MOST_OF_ITEM)
      return { ...none, ...judged, letters: [{ id, host, type, reason: 'not-a-batch', data: lines }] }
    const dead = bad.length > MOST_LETTERS ? [Buffer.concat(bad)] : bad
    return {
      ...judged,
      received,
      lines: isClean ? lines : Buffer.concat(good),
      count,
      letters: dead.map((line, i) => ({ id: `${id}-${i}`, host, type, reason: 'invalid', data: line })),
    }
  }

  /** Returns which messages of a batch are to be delivered, and how far its sessions are after it. */
  #judge(batch: Batch): Pick<Sifted, 'progress' | 'duplicates' | 'repeated'> & { stretches: Stretch[] } {
    const stretches: Stretch[] = []
    const progress: [string, number][] = []
    let duplicates = 0
    let repeated = 0
    let at = 0
    for (const run of batch.runs) {
      const key = this.#keys.of(batch.host, run)
      const verdict = this.#table.judge(key, run)
      const last = run.first + run.count - 1
      if (verdict === 'missing') {
        repeated += run.count
      } else {
        const known = Math.min(run.count, verdict - run.first)
        duplicates += known
        this.#table.note(key, last)
        progress.push([key, last])
        // A batch without lines only states that its numbers will not arrive.
        if (known < run.count && batch.lines.length > 0)
          stretches.push({ begin: at + known, end: at + run.count })
      }
      at += run.count
    }
    return { stretches, progress, duplicates, repeated }
  }
}

/** Copies stretches of lines. */
function cut(lines: Buffer, stretches: readonly Stretch[]): Buffer {
  return Buffer.concat(
    stretches.map(({ begin, end }) => {
      const from = offsetOfLine(lines, begin)
      return lines.subarray(from, from + offsetOfLine(lines.subarray(from), end - begin))
    }),
  )
}
