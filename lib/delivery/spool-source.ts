// Messages of an acknowledged sender that live in a spool. They are sent once they are as safe as the spool makes them:
// before, a number might be given twice. Those that came last are in memory too; others are read back.

import { IpcError } from '../errors.js'
import { PRIORITIES, type OnFull } from '../message-queue.js'
import { sizeBound, type SOCMessage } from '../message.js'
import { createRun, type Run } from './in-flight.js'
import { Receipt, type SendResult } from './receipt.js'
import type { Source, SourceEvents } from './source.js'
import { fromLines, toLines, type KeptLines } from './spool-lines.js'
import type { Spool } from './spool.js'

/** A record goes to the spool at the end of the tick, or when it is so large. */
const RECORD_BYTES = 1 << 16
/** What is read back at once. */
const READ_BYTES = 1 << 18
const EXPIRE_EVERY_MS = 1000

/** What becomes one record. */
interface Group {
  entries: KeptLines[]
  receipts: [receipt: Receipt, messages: number][]
  count: number
  bytes: number
}

export class SpoolSource implements Source {
  readonly highestBefore: number
  readonly acknowledgedBefore: number
  readonly #name: string
  readonly #spool: Spool
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #onFull: OnFull
  readonly #events: SourceEvents
  #group: Group = newGroup()
  /** Messages that are not in the spool's keeping yet. */
  #unkept = 0
  #unkeptBytes = 0
  #keeping = new Set<Promise<void>>()
  /** Durable, in memory, not in flight; they follow each other up to the last durable one unless #spilled. */
  #ready: Run[] = []
  #readyMessages = 0
  #readFrom: number
  /** What is in #ready ends here; a record that becomes durable may have been read back a moment before it is told. */
  #readyThrough: number
  /** What comes after #ready has to be read back. */
  #spilled: boolean
  #settledThrough: number
  #inFlight = 0
  #inFlightBytes = 0
  readonly #expiry: NodeJS.Timeout

  constructor(
    name: string,
    spool: Spool,
    maxMessages: number,
    maxBytes: number,
    onFull: OnFull,
    events: SourceEvents,
  ) {
    this.#name = name
    this.#spool = spool
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#onFull = onFull
    this.#events = events
    this.highestBefore = spool.next - 1
    this.acknowledgedBefore = this.#settledThrough = spool.acknowledged
    this.#readFrom = spool.acknowledged + 1
    this.#readyThrough = spool.acknowledged
    this.#spilled = spool.messages > 0
    spool.attach({
      onLost: (count, reason, error) => {
        this.#forgetReady()
        events.onDropped(count, reason, error, [])
      },
    })
    this.#expiry = setInterval(() => {
      spool.expire(this.#readFrom - 1)
    }, EXPIRE_EVERY_MS).unref()
  }

  get session(): string {
    return this.#spool.session
  }

  get oldest(): number | undefined {
    return this.#ready[0]?.first ?? (this.#spilled ? this.#readFrom : undefined)
  }

  get pending(): number {
    return this.#spool.messages + this.#group.count
  }

  get roomy(): boolean {
    return (
      this.#unkept * 2 <= this.#maxMessages &&
      this.#unkeptBytes * 2 <= this.#maxBytes &&
      this.#spool.bytes * 2 <= this.#spool.maxBytes
    )
  }

  accept(messages: readonly SOCMessage[], bytes: number): Promise<SendResult> {
    let lines: KeptLines
    try {
      lines = toLines(messages)
    } catch (error) {
      return rejected(error as Error)
    }
    const fits = this.#makeRoom(lines, bytes)
    if (!fits && this.#onFull === 'reject') return Promise.reject(this.#fullError())
    const receipt = new Receipt(messages.length)
    if (!fits && this.#onFull === 'shed' && messages.length > 1) {
      // Each for itself, so that the important ones among them get in.
      for (const message of messages) {
        const line = toLines([message])
        const size = sizeBound(message)
        this.#admit(line, size, receipt, this.#makeRoom(line, size))
      }
    } else {
      this.#admit(lines, bytes, receipt, fits)
    }
    return receipt.promise
  }

  take(): Run | undefined {
    if (this.#inFlight >= this.#maxMessages || this.#inFlightBytes >= this.#maxBytes) return undefined
    for (;;) {
      if (this.#ready.length === 0 && !this.#load()) return undefined
      const run = this.#ready.shift() as Run
      const { messages } = run
      this.#readyMessages -= messages.length
      this.#readFrom = Math.max(this.#readFrom, run.first + messages.length)
      run.begin = Math.min(messages.length, Math.max(0, this.#settledThrough + 1 - run.first))
      if (run.begin === messages.length) continue
      this.#count(run, run.begin, messages.length, 1)
      return run
    }
  }

  release(run: Run, begin: number, end: number): void {
    this.#count(run, begin, end, -1)
  }

  settle(through: number): number {
    this.#settledThrough = Math.max(this.#settledThrough, through)
    this.#readFrom = Math.max(this.#readFrom, through + 1)
    return this.#spool.acknowledge(through)
  }

  refuse(): void {
    // Whatever is in a spool has passed the same check before.
    throw new IpcError('ERR_IPC_SYSTEM', `${this.#name}: the spool gave a message that is none`)
  }

  abandon(): void {
    this.#keep()
  }

  async settled(): Promise<void> {
    this.#keep()
    await Promise.all(this.#keeping)
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry)
    await this.settled()
    await this.#spool.close()
  }

  #makeRoom(lines: KeptLines, bytes: number): boolean {
    if (this.#unkept + lines.count > this.#maxMessages || this.#unkeptBytes + bytes > this.#maxBytes)
      return false
    const needed = this.#group.bytes + lines.lines.length
    if (this.#spool.fits(needed)) return true
    if (this.#onFull !== 'drop-oldest' && this.#onFull !== 'shed') return false
    let below: number | undefined
    if (this.#onFull === 'shed') {
      below = 0
      for (let rank = 0; rank < PRIORITIES; ++rank) if (lines.priorities[rank as 0] > 0) below = rank
      if (lines.count > 1 && lines.priorities[below as 0] !== lines.count) return false
    }
    const dropped = this.#spool.makeRoom(needed, this.#readFrom - 1, below)
    if (dropped > 0) {
      this.#forgetReady()
      this.#events.onDropped(dropped, 'full', this.#fullError(), [])
    }
    return this.#spool.fits(needed)
  }

  #admit(lines: KeptLines, bytes: number, receipt: Receipt, fits: boolean): void {
    this.#events.onAccepted(lines.count)
    if (!fits) {
      const error = this.#fullError()
      this.#events.onDropped(lines.count, 'full', error, lines.messages)
      receipt.drop(error, lines.count)
      return
    }
    const group = this.#group
    if (group.count === 0) {
      queueMicrotask(() => {
        if (this.#group === group) this.#keep()
      })
    }
    group.entries.push(lines)
    group.receipts.push([receipt, lines.count])
    group.count += lines.count
    group.bytes += lines.lines.length
    this.#unkept += lines.count
    this.#unkeptBytes += bytes
    if (group.bytes >= RECORD_BYTES) this.#keep()
  }

  /** Gives what was gathered to the spool. */
  #keep(): void {
    const group = this.#group
    if (group.count === 0) return
    this.#group = newGroup()
    const { first, durable } = this.#spool.append(merge(group))
    const messages =
      group.entries.length === 1
        ? (group.entries[0] as KeptLines).messages
        : group.entries.flatMap((entry) => entry.messages)
    const kept = durable.then(
      () => {
        this.#onKept(group, first, messages)
      },
      (error: unknown) => {
        this.#onNotKept(group, messages, error)
      },
    )
    this.#keeping.add(kept)
    void kept.finally(() => this.#keeping.delete(kept))
  }

  #onKept(group: Group, first: number, messages: readonly SOCMessage[]): void {
    this.#uncount(messages)
    if (first > this.#readyThrough) {
      if (!this.#spilled && this.#readyMessages + messages.length <= this.#maxMessages) {
        this.#ready.push(createRun(first, messages as SOCMessage[]))
        this.#readyMessages += messages.length
        this.#readyThrough = first + messages.length - 1
      } else {
        this.#spilled = true
      }
    }
    for (const [receipt, count] of group.receipts) receipt.settle('spooled', count)
    this.#events.onReady()
  }

  #onNotKept(group: Group, messages: readonly SOCMessage[], cause: unknown): void {
    this.#uncount(messages)
    const error = new IpcError('ERR_IPC_SYSTEM', `${this.#name}: the spool could not keep messages`, {
      cause,
    })
    this.#events.onDropped(messages.length, 'storage', error, messages)
    for (const [receipt, count] of group.receipts) receipt.drop(error, count)
  }

  #uncount(messages: readonly SOCMessage[]): void {
    this.#unkept -= messages.length
    if (this.#unkept === 0) this.#unkeptBytes = 0
    else for (const message of messages) this.#unkeptBytes -= sizeBound(message)
  }

  /** Reads back what comes next. False: there is nothing. */
  #load(): boolean {
    if (!this.#spilled) return false
    // #ready is empty, so nothing behind this was taken in yet.
    const records = this.#spool.read(this.#readFrom, READ_BYTES)
    if (records.length === 0) {
      this.#spilled = false
      return false
    }
    for (const { first, count, lines } of records) {
      let run: Run | undefined
      this.#readyThrough = first + count - 1
      fromLines(lines).forEach((message, i) => {
        if (message === undefined || first + i < this.#readFrom) {
          run = undefined
          return
        }
        if (run === undefined) this.#ready.push((run = createRun(first + i, [])))
        run.messages.push(message)
        ++this.#readyMessages
      })
      // Also where nothing of it is left, so that it is not read again.
      if (this.#ready.length === 0) this.#readFrom = first + count
    }
    return this.#ready.length > 0 || this.#load()
  }

  #forgetReady(): void {
    this.#ready = []
    this.#readyMessages = 0
    this.#readyThrough = this.#readFrom - 1
    this.#spilled = true
  }

  #count(run: Run, begin: number, end: number, sign: 1 | -1): void {
    this.#inFlight += sign * (end - begin)
    for (let i = begin; i < end; ++i) this.#inFlightBytes += sign * sizeBound(run.messages[i] as SOCMessage)
  }

  #fullError(): IpcError {
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.#name}: the spool is full (${this.#spool.messages} messages, ${this.#spool.bytes} bytes)`,
      { reason: this.#onFull },
    )
  }
}

function newGroup(): Group {
  return { entries: [], receipts: [], count: 0, bytes: 0 }
}

function merge(group: Group): KeptLines {
  const [first] = group.entries
  if (group.entries.length === 1 && first !== undefined) return first
  const priorities: [number, number, number] = [0, 0, 0]
  for (const entry of group.entries)
    entry.priorities.forEach((count, rank) => (priorities[rank as 0] += count))
  return {
    count: group.count,
    lines: Buffer.concat(group.entries.map((entry) => entry.lines)),
    priorities,
    messages: [],
  }
}

function rejected(error: Error): Promise<never> {
  return Promise.reject(error)
}
