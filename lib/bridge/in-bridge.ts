// The way in: reads batches from a message system and sends their messages to a local listener.
//
// Everything is a function of the order in which the message system stored the batches: which messages are repetitions, and
// which number each one gets locally. A checkpoint in the message system says how far all of it is settled. So a bridge that
// takes over after a crash sends the same messages under the same numbers, and the receiver's ledger knows those it had.

import { randomHex } from '../base/crypto.js'
import { hasCode, toError } from '../base/errors.js'
import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'
import {
  anything,
  callback,
  checkOptions,
  milliseconds,
  text,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { checkTimeout, pause } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import type { DialOptions } from '../connection/dial.js'
import { AcknowledgedSender } from '../delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../delivery/sender/options.js'
import { offsetOfLine } from '../delivery/protocol/lines.js'
import type {
  Batch,
  BatchSource,
  Bridge,
  BridgeCloseOptions,
  BridgeDeadLetter,
  BridgeEvent,
  BridgeState,
  BridgeStats,
  SavedCheckpoint,
  SourceItem,
} from './bridge.js'
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from './checkpoint.js'
import { areDeliverable, sortLines } from './inbound-lines.js'
import { InboundLog, type InboundItem } from './inbound-log.js'
import { BridgeLife } from './life.js'
import { SessionKeys, SessionTable } from './session-table.js'

/** Options of {@link InBridge.open}. */
export interface InBridgeOptions {
  /** Name of the local address to send to. */
  readonly to: string
  /** How to dial there: directory, policy. Default: as `dial`. */
  readonly dial?: Omit<DialOptions, 'signal'>
  /** Where messages come from. The bridge closes it. */
  readonly source: BatchSource
  /** Most bytes in memory that are not settled; beyond, nothing more is read from the message system. Default 16 MiB. */
  readonly maxBytes?: number
  /**
   * Sessions of senders remembered, on all hosts. Past it the one unused for longest is forgotten: if it repeats messages
   * after that, they are delivered again. A checkpoint takes 22 bytes for each. Default 16,384.
   */
  readonly maxSessions?: number
  /** Milliseconds between checkpoints, at least. What is settled after the last one is read again after a crash. Default 100. */
  readonly checkpointMs?: number
  /** Called with each event of the bridge. */
  readonly onEvent?: (event: BridgeEvent) => void
  /** Called with each event of the local connection. */
  readonly onDelivery?: (event: DeliveryEvent) => void
}

const TABLE: OptionTable<InBridgeOptions> = {
  to: text,
  dial: anything, // AcknowledgedSender checks it
  source: anything,
  maxBytes: wholeNumber(1 << 16, 2 ** 40),
  maxSessions: wholeNumber(1, 40_000),
  checkpointMs: milliseconds,
  onEvent: callback,
  onDelivery: callback,
}

const CLOSE_TABLE: OptionTable<BridgeCloseOptions> = { timeoutMs: milliseconds }
/** Most items in memory: each may hold few bytes. */
const MOST_ITEMS = 8192
/** A failed dead letter or checkpoint is tried again this much later. */
const RETRY_MS = 500
/** A checkpoint costs what its bytes cost: at most this many a second are written. */
const CHECKPOINT_BYTES_PER_MS = 1 << 10
const NOTHING = Buffer.alloc(0)

/** Lines [begin, end) of a batch. */
interface Stretch {
  readonly begin: number
  readonly end: number
}

/** Carries the messages of a message system to a local listener. */
export class InBridge implements Bridge {
  readonly #life: BridgeLife
  readonly #source: BatchSource
  readonly #maxBytes: number
  readonly #checkpointMs: number
  readonly #keys: SessionKeys
  /** As of the last item read. */
  readonly #table: SessionTable
  /** As of the last item that is settled. */
  readonly #settledTable: SessionTable
  readonly #log: InboundLog
  readonly #sender: AcknowledgedSender
  readonly #room = new Waiters()
  #settled: Checkpoint
  #savedPosition: number
  #saving: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #savedAtMs = 0
  #closing: Promise<void> | undefined
  #received = 0
  #delivered = 0
  #duplicates = 0
  #repeated = 0
  #deadLetters = 0
  #batches = 0

  private constructor(options: InBridgeOptions, life: BridgeLife, saved: SavedCheckpoint | undefined) {
    const { source, to, maxSessions = 16_384 } = options
    this.#life = life
    this.#source = source
    this.#maxBytes = options.maxBytes ?? 16 << 20
    this.#checkpointMs = options.checkpointMs ?? 100
    this.#keys = new SessionKeys(maxSessions)
    this.#settledTable = new SessionTable(maxSessions)
    this.#settled =
      saved === undefined
        ? { position: 0, session: randomHex(16), number: 0 }
        : {
            ...decodeCheckpoint(saved.checkpoint, this.#settledTable),
            ...(saved.restarted && { position: 0 }),
          }
    this.#table = this.#settledTable.copy()
    this.#savedPosition = -1
    const { session, number } = this.#settled
    this.#log = new InboundLog(session, number, {
      onSettled: (item) => {
        this.#onSettled(item)
      },
      onRejected: (line, item, message, reason, done) => {
        this.#onRejected(line, item, message, reason, done)
      },
    })
    this.#sender = new AcknowledgedSender(to, {
      ...options.dial,
      spool: this.#log,
      heartbeatMs: 1000,
      ...(options.onDelivery !== undefined && { onEvent: options.onDelivery }),
    })
  }

  /**
   * Connects to the message system, reads the checkpoint, and begins to deliver. Resolves once it has the checkpoint.
   *
   * @throws TypeError, RangeError for options that are not allowed; IpcError ERR_IPC_INVALID_MESSAGE for a checkpoint
   *   that cannot be read; what the source throws
   */
  static async open(options: InBridgeOptions): Promise<InBridge> {
    const checked = checkOptions('InBridge.open', options, TABLE)
    for (const key of ['to', 'source'] as const) {
      if (checked[key] === undefined) throw new TypeError(`InBridge.open: ${key} is required`)
    }
    const given = { ...checked, to: checked.to, source: checked.source }
    const life = new BridgeLife(given.onEvent)
    let bridge: InBridge
    try {
      bridge = new InBridge(given, life, await given.source.open(life.signal))
      // Claims the way in: the checkpoint of an earlier bridge that still runs is refused from now on.
      await bridge.#claim()
    } catch (error) {
      await given.source.close()
      throw error
    }
    life.to('running')
    void bridge.#readAll()
    return bridge
  }

  /** What it is doing. */
  get state(): BridgeState {
    return this.#life.state
  }

  /** Resolves when it has ended; rejects with the reason if it failed. */
  get ended(): Promise<void> {
    return this.#life.ended
  }

  /** Counts since it was opened. */
  get stats(): BridgeStats {
    return {
      received: this.#received,
      delivered: this.#delivered,
      pending: this.#log.messages,
      pendingBytes: this.#log.bytes,
      duplicates: this.#duplicates,
      deadLetters: this.#deadLetters,
      batches: this.#batches,
      repeated: this.#repeated,
    }
  }

  /**
   * Reads no more, waits until the local receiver has settled what was read, and writes a checkpoint. What is not settled in
   * time stays in the message system.
   *
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options: BridgeCloseOptions = {}): Promise<void> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_TABLE)
    return (this.#closing ??= this.#close(checkTimeout(timeoutMs)))
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number, error?: Error): Promise<void> {
    this.#life.end(error)
    this.#room.wake()
    await this.#sender.close({ timeoutMs }).catch(() => undefined)
    clearTimeout(this.#timer)
    await this.#saving
    if (error === undefined) await this.#save().catch(() => undefined)
    await this.#source.close()
    this.#life.finish()
  }

  async #fail(error: Error): Promise<void> {
    await (this.#closing ??= this.#close(1, error))
  }

  async #readAll(): Promise<void> {
    const { signal } = this.#life
    try {
      for await (const item of this.#source.read(this.#settled.position, signal)) {
        if (signal.aborted) return
        this.#life.to('running')
        this.#process(item)
        while (!signal.aborted && (this.#log.bytes >= this.#maxBytes || this.#log.items >= MOST_ITEMS)) {
          await this.#room.wait()
        }
      }
    } catch (error) {
      if (!signal.aborted) await this.#fail(toError(error))
    }
  }

  #process({ position, batch, reason, data }: SourceItem): void {
    ++this.#batches
    if (batch === undefined) {
      const letter = { host: '', type: '', reason: reason ?? 'not-a-batch', data: data ?? NOTHING }
      const item = this.#log.add(position, NOTHING, 0, [], 1)
      this.#keepDeadLetter({ id: `item-${position}`, ...letter }, item)
      return
    }
    const { stretches, progress } = this.#judge(batch)
    const count = stretches.reduce((sum, { begin, end }) => sum + end - begin, 0)
    const whole = count === batch.runs.reduce((sum, run) => sum + run.count, 0)
    const lines = whole ? batch.lines : cut(batch.lines, stretches)
    this.#received += count
    if (areDeliverable(lines, count)) {
      this.#log.add(position, lines, count, progress, 0)
      return
    }
    this.#addPartly(position, batch, lines, progress)
  }

  /** Which messages of a batch are handed out, and how far the sessions are after it. */
  #judge(batch: Batch): { stretches: Stretch[]; progress: [string, number][] } {
    const stretches: Stretch[] = []
    const progress: [string, number][] = []
    let at = 0
    for (const run of batch.runs) {
      const key = this.#keys.of(batch.host, run)
      const verdict = this.#table.judge(key, run)
      const last = run.first + run.count - 1
      if (verdict === 'missing') {
        this.#repeated += run.count
      } else {
        const known = Math.min(run.count, verdict - run.first)
        this.#duplicates += known
        this.#table.note(key, last)
        progress.push([key, last])
        // A batch without lines only says that its numbers do not come.
        if (known < run.count && batch.lines.length > 0)
          stretches.push({ begin: at + known, end: at + run.count })
      }
      at += run.count
    }
    return { stretches, progress }
  }

  /** Adds the lines that are messages. The others become dead letters. */
  #addPartly(position: number, batch: Batch, lines: Buffer, progress: InboundItem['progress']): void {
    const { good, bad } = sortLines(lines)
    const item = this.#log.add(position, Buffer.concat(good), good.length, progress, bad.length)
    const { host, type } = batch
    bad.forEach((data, i) => {
      this.#keepDeadLetter({ id: `item-${position}-${i}`, host, type, reason: 'invalid', data }, item)
    })
  }

  #onRejected(line: Buffer, item: InboundItem, number: number, reason: string, done: () => void): void {
    const type = /^\{"type":"([^"\\]*)"/.exec(line.toString('utf8', 0, 256))?.[1] ?? ''
    const id = `${this.#settled.session}-${number}`
    this.#keepDeadLetter({ id, host: '', type, reason, data: line }, item, done)
  }

  #keepDeadLetter(letter: BridgeDeadLetter, item: InboundItem, done?: () => void): void {
    ++this.#deadLetters
    const { reason, host, type } = letter
    this.#life.emit({ type: 'dead-letter', reason, host, messageType: type })
    void this.#untilDone(() => this.#source.putDeadLetter(letter)).then((kept) => {
      if (!kept) return
      if (done !== undefined) done()
      else this.#log.onDeadLetterKept(item)
    })
  }

  /** Repeats what fails, until the bridge ends. Returns whether it succeeded. */
  async #untilDone(work: () => Promise<void>): Promise<boolean> {
    for (;;) {
      try {
        await work()
        return true
      } catch {
        const { signal } = this.#life
        if (signal.aborted) return false
        await pause(RETRY_MS, signal, 'the bridge').catch(() => undefined)
      }
    }
  }

  #onSettled({ position, first, count, progress }: InboundItem): void {
    for (const [key, number] of progress) this.#settledTable.note(key, number)
    this.#settled = { ...this.#settled, position, number: first + count - 1 }
    this.#delivered += count
    this.#room.wake()
    this.#scheduleSave()
  }

  /** The first checkpoint. The connection may be lost in the middle of it. */
  async #claim(): Promise<void> {
    for (;;) {
      try {
        await this.#save()
        return
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE') || this.#life.isOver) throw error
        await pause(RETRY_MS, this.#life.signal, 'the bridge')
      }
    }
  }

  #scheduleSave(): void {
    if (this.#timer !== undefined || this.#saving !== undefined || this.#life.isOver) return
    const everyMs = Math.max(this.#checkpointMs, (this.#settledTable.size * 22) / CHECKPOINT_BYTES_PER_MS)
    const delayMs = Math.max(1, this.#savedAtMs + everyMs - monotonicMs())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#saving = this.#save().then(
        () => {
          this.#saving = undefined
          if (this.#savedPosition < this.#settled.position) this.#scheduleSave()
        },
        (error: unknown) => {
          this.#saving = undefined
          if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE')) void this.#fail(toError(error))
          else {
            this.#life.to('waiting', toError(error))
            this.#savedAtMs = monotonicMs() + RETRY_MS
            this.#scheduleSave()
          }
        },
      )
    }, delayMs)
  }

  /** Only what a checkpoint covers is acknowledged. */
  async #save(): Promise<void> {
    const settled = this.#settled
    if (settled.position === this.#savedPosition) return
    await this.#source.saveCheckpoint(encodeCheckpoint(settled, this.#settledTable))
    this.#savedAtMs = monotonicMs()
    this.#savedPosition = settled.position
    this.#log.recordedThrough = settled.number
    this.#source.acknowledge(settled.position)
    this.#life.to('running')
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
