// A spool in memory, for tests of what delivery does with one: lines are durable when the test, or a turn of the event loop,
// says so.

import type { IpcError } from '../../lib/base/errors.js'
import { randomHex } from '../../lib/base/crypto.js'
import type { SpoolEntry, SpoolEvents, SpoolLog, SpoolRecord } from '../../lib/spool/spool-log.js'

interface Kept {
  readonly first: number
  readonly lines: string[]
  readonly priorities: number[]
  readonly keptAt: number
  durable: boolean
}

const HEADER_BYTES = 16
const OVERHEAD_BYTES = 32

export class MemorySpool implements SpoolLog {
  readonly session = randomHex(16)
  readonly headerBytes = HEADER_BYTES
  readonly overheadBytes = OVERHEAD_BYTES
  readonly maxBytes: number
  settledThrough = 0
  next = 1
  /** Every append fails while this is set. */
  failure: IpcError | undefined
  /** This call throws, as for a disk that cannot be read, or a spool that was closed by someone else. */
  broken:
    { readonly call: 'append' | 'read' | 'settle' | 'makeRoom' | 'expire'; readonly error: Error } | undefined
  /** Nothing becomes durable, and `close` does not return. */
  hangs = false
  closed = false
  #records: Kept[] = []
  #events: SpoolEvents | undefined

  constructor(maxBytes = 64 << 20) {
    this.maxBytes = maxBytes
  }

  get messages(): number {
    return this.#records.reduce((sum, { lines }) => sum + lines.filter((line) => line !== '').length, 0)
  }

  get bytes(): number {
    return this.#records.reduce(
      (sum, { lines }) => sum + OVERHEAD_BYTES + lines.reduce((all, line) => all + line.length, 0),
      0,
    )
  }

  attach(events: SpoolEvents): void {
    this.#events = events
  }

  /** A later process opens it. */
  detach(): this {
    this.#events = undefined
    return this
  }

  fits(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes
  }

  makeRoom(bytes: number, through: number, below: number | undefined): number {
    this.#check('makeRoom')
    let dropped = 0
    for (let rank = 0; rank < (below ?? 1); ++rank) {
      for (const record of this.#records) {
        if (!record.durable) continue
        record.lines.forEach((line, i) => {
          if (line === '' || record.first + i <= through || this.fits(bytes)) return
          if (below !== undefined && record.priorities[i] !== rank) return
          record.lines[i] = ''
          ++dropped
        })
        this.#compact()
      }
    }
    return dropped
  }

  append({ count, value, priorities }: SpoolEntry): { first: number; durable: Promise<void> } {
    this.#check('append')
    const first = this.next
    this.next += count
    if (this.failure !== undefined) return { first, durable: Promise.reject(this.failure) }
    const lines = value.subarray(HEADER_BYTES).toString().split('\n').slice(0, count)
    const ranks = lines.map((line) =>
      line.includes('"soc_incident"') ? 2 : line.includes('"soc_heartbeat"') ? 0 : 1,
    )
    if (priorities.some((number, rank) => number !== ranks.filter((each) => each === rank).length)) {
      throw new Error('the priorities are wrong')
    }
    lines.forEach((line, i) => {
      if (!line.endsWith(`,"seq":${first + i}}`))
        throw new Error(`line ${first + i} has the wrong number: ${line}`)
    })
    const record = { first, lines, priorities: ranks, keptAt: performance.now(), durable: false }
    this.#records.push(record)
    if (this.hangs) return { first, durable: new Promise(() => undefined) }
    const durable = new Promise<void>((resolve) => {
      setImmediate(() => {
        record.durable = true
        resolve()
      })
    })
    return { first, durable }
  }

  read(from: number, maxBytes: number): SpoolRecord[] {
    this.#check('read')
    const found: SpoolRecord[] = []
    let bytes = 0
    for (const { first, lines, durable } of this.#records) {
      if (!durable || first + lines.length <= from || lines.every((line) => line === '')) continue
      const text = lines.map((line) => `${line}\n`).join('')
      found.push({ first, count: lines.length, lines: Buffer.from(text), patchy: lines.includes('') })
      if ((bytes += text.length) >= maxBytes) break
    }
    return found
  }

  settle(first: number, through: number): number {
    this.#check('settle')
    let settled = 0
    for (const record of this.#records) {
      record.lines.forEach((line, i) => {
        const number = record.first + i
        if (line === '' || number < first || number > through) return
        record.lines[i] = ''
        ++settled
      })
    }
    this.#compact()
    return settled
  }

  /** Loses lines, as a damaged disk does. */
  lose(first: number, through: number, error: IpcError): void {
    const count = this.settle(first, through)
    this.#events?.onLost(count, 'storage', error)
  }

  expire(): void {
    // Nothing gets old here.
    this.#check('expire')
  }

  close(): Promise<void> {
    if (this.hangs) return new Promise(() => undefined)
    this.closed = true
    return Promise.resolve()
  }

  #check(call: string): void {
    if (this.broken?.call === call) throw this.broken.error
  }

  #compact(): void {
    this.#records = this.#records.filter(
      ({ lines, durable }) => !durable || lines.some((line) => line !== ''),
    )
    this.settledThrough = (this.#records[0]?.first ?? this.next) - 1
  }
}
