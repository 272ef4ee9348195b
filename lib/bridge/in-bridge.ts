// The incoming direction: reads batches from a message system and sends their messages to a local listener.
//
// The order in which the message system stored the batches determines everything: which messages are repetitions, and
// which local number each message gets. A checkpoint in the message system records how far everything is settled. A
// bridge that takes over after a crash therefore sends the same messages under the same numbers, and the receiver's
// ledger skips the messages that it has already delivered.

import { randomHex } from '../base/crypto.js'
import { hasCode, IpcError, toError } from '../base/errors.js'
import {
  anything,
  callback,
  checkOptions,
  milliseconds,
  text,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { Waiters } from '../base/waiters.js'
import type { DialOptions } from '../connection/dial.js'
import { AcknowledgedSender } from '../delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../delivery/sender/options.js'
import { offsetOfLine } from '../delivery/protocol/lines.js'
import type {
  Batch,
  BatchSource,
  BridgeDeadLetter,
  BridgeEvent,
  BridgeStats,
  SavedCheckpoint,
  SourceItem,
} from './bridge.js'
import { decodeCheckpoint } from './checkpoint.js'
import { CheckpointSaver } from './checkpoint-saver.js'
import { areDeliverable, sortLines } from './inbound-lines.js'
import { InboundLog, MOST_OF_ITEM, type InboundItem } from './inbound-log.js'
import { BridgeBase, BridgeLife, inTurn } from './life.js'
import { SessionKeys, SessionTable } from './session-table.js'

/** Options of {@link InBridge.open}. */
export interface InBridgeOptions {
  /** Name of the local address to send to. */
  readonly to: string
  /** How to dial there: directory, policy. Default: as `dial`. */
  readonly dial?: Omit<DialOptions, 'signal'>
  /** The source of the messages. The bridge closes it. */
  readonly source: BatchSource
  /**
   * Maximum bytes of unsettled messages in memory. At the limit, the bridge stops reading from the message system.
   * Default: 16 MiB.
   */
  readonly maxBytes?: number
  /**
   * Maximum number of sender sessions remembered, over all hosts. Beyond it, the session unused for longest is
   * forgotten: messages that it repeats after that are delivered again. A checkpoint takes 22 bytes for each session.
   * Default: 16,384.
   */
  readonly maxSessions?: number
  /**
   * Minimum milliseconds between checkpoints. Messages settled after the last checkpoint are read again after a crash.
   * A bridge that is 262,144 messages ahead of its checkpoint saves one at once, and reads no more until it is saved.
   * Default: 100.
   */
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

/** Most items in memory: each may hold few bytes. */
const MOST_ITEMS = 8192
/** Most lines of an item that become dead letters of their own. If there are more, one letter holds all of them. */
const MOST_LETTERS = 64
/** How often a bridge that starts reads the checkpoint anew because an earlier bridge has replaced it. */
const MOST_CLAIMS = 5
const NOTHING = Buffer.alloc(0)

/** Lines [begin, end) of a batch. */
interface Stretch {
  readonly begin: number
  readonly end: number
}

/** Carries the messages of a message system to a local listener. */
export class InBridge extends BridgeBase {
  readonly #source: BatchSource
  readonly #maxBytes: number
  readonly #keys: SessionKeys
  /** The sessions as of the last item read. */
  readonly #table: SessionTable
  readonly #log: InboundLog
  readonly #saver: CheckpointSaver
  readonly #sender: AcknowledgedSender
  readonly #room = new Waiters()
  #repeated = 0

  private constructor(options: InBridgeOptions, life: BridgeLife, saved: SavedCheckpoint | undefined) {
    const { source, to, maxSessions = 16_384 } = options
    super(life)
    this.#source = source
    this.#maxBytes = options.maxBytes ?? 16 << 20
    this.#keys = new SessionKeys(maxSessions)
    const table = new SessionTable(maxSessions)
    const settled =
      saved === undefined
        ? { position: 0, session: randomHex(16), number: 0 }
        : {
            ...decodeCheckpoint(saved.checkpoint, table),
            ...(saved.restarted && { position: 0 }),
          }
    this.#table = table.copy()
    this.#saver = new CheckpointSaver(
      source,
      life,
      options.checkpointMs ?? 100,
      { settled, table },
      {
        onSaved: (number) => {
          this.#log.recordedThrough = number
          this.#room.wake()
        },
        onLost: (error) => {
          void this.fail(error)
        },
      },
    )
    this.#log = new InboundLog(settled.session, settled.number, {
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
      onEvent: (event) => {
        // A sender that has failed delivers nothing more, so the bridge must not look alive.
        if (event.type === 'failed') void this.fail(event.error)
        options.onDelivery?.(event)
      },
    })
  }

  /**
   * Connects to the message system, reads the checkpoint, and begins to deliver. Resolves when it has read and claimed
   * the checkpoint.
   *
   * @throws TypeError, RangeError for options that are not allowed; IpcError ERR_IPC_INVALID_MESSAGE for a checkpoint
   *   that cannot be read; the error of the local sender if that fails; what the source throws. In all cases but
   *   options that are not allowed, the source is closed.
   */
  static async open(options: InBridgeOptions): Promise<InBridge> {
    const checked = checkOptions('InBridge.open', options, TABLE)
    for (const key of ['to', 'source'] as const) {
      if (checked[key] === undefined) throw new TypeError(`InBridge.open: ${key} is required`)
    }
    const given = { ...checked, to: checked.to, source: checked.source }
    const life = new BridgeLife(given.onEvent)
    let bridge: InBridge | undefined
    try {
      for (let tries = 1; ; ++tries) {
        const saved = await given.source.open(life.signal, (error) => {
          life.waitFor('system', error)
        })
        bridge = new InBridge(given, life, saved)
        // Claims the consumer: from now on, checkpoints of an earlier bridge that still runs are refused.
        const lost = await bridge.#claim()
        if (lost === undefined) break
        if (tries === MOST_CLAIMS) throw lost
        await bridge.#sender.close({ timeoutMs: 1 }).catch(() => undefined)
      }
      if (life.isOver) await life.ended
    } catch (error) {
      if (bridge === undefined) await given.source.close().catch(() => undefined)
      else await bridge.fail(toError(error))
      throw error
    }
    life.works('system')
    void bridge.#readAll()
    return bridge
  }

  /** @internal */
  protected override get load(): Pick<BridgeStats, 'pending' | 'pendingBytes' | 'repeated'> {
    return { pending: this.#log.messages, pendingBytes: this.#log.bytes, repeated: this.#repeated }
  }

  /**
   * Stops reading, waits until the local receiver has settled everything that was read, and saves a checkpoint.
   *
   * @internal
   */
  protected override async release(timeoutMs: number, error?: Error): Promise<void> {
    this.life.end(error)
    this.#room.wake()
    await this.#sender.close({ timeoutMs }).catch(() => undefined)
    await inTurn(
      () => this.#saver.stop(error === undefined),
      () => this.#source.close(),
    )
  }

  /** Returns the error if an earlier bridge has replaced the checkpoint since it was read, as it may do when it ends. */
  async #claim(): Promise<Error | undefined> {
    try {
      await this.#saver.claim()
      return undefined
    } catch (error) {
      if (this.life.isOver || !hasCode(error, 'ERR_IPC_ADDRESS_IN_USE')) throw error
      return error
    }
  }

  async #readAll(): Promise<void> {
    const { signal } = this.life
    try {
      const report = (error: Error | undefined): void => {
        if (error === undefined) this.life.works('system')
        else this.life.waitFor('system', error)
      }
      for await (const item of this.#source.read(this.#saver.settled.position, signal, report)) {
        if (signal.aborted) return
        this.life.works('system')
        this.#process(item)
        while (!signal.aborted && this.#isFull) await this.#room.wait()
      }
      if (!signal.aborted) {
        throw new IpcError(
          'ERR_IPC_CLOSED',
          'the source of the bridge stopped reading; open the bridge again',
        )
      }
    } catch (error) {
      if (!signal.aborted) await this.fail(toError(error))
    }
  }

  get #isFull(): boolean {
    if (this.#log.isFarAhead) this.#saver.hurry()
    return this.#log.bytes >= this.#maxBytes || this.#log.items >= MOST_ITEMS || this.#log.isFarAhead
  }

  #process({ position, batch, reason, data }: SourceItem): void {
    ++this.counts.batches
    if (batch === undefined) {
      this.#addDead(position, { host: '', type: '', reason: reason ?? 'not-a-batch', data: data ?? NOTHING })
      return
    }
    const { stretches, progress } = this.#judge(batch)
    const count = stretches.reduce((sum, { begin, end }) => sum + end - begin, 0)
    const whole = count === batch.runs.reduce((sum, run) => sum + run.count, 0)
    const lines = whole ? batch.lines : cut(batch.lines, stretches)
    const isClean = areDeliverable(lines, count)
    const { good, bad } = isClean ? { good: [lines], bad: [] } : sortLines(lines)
    const messages = isClean ? count : good.length
    const { host, type } = batch
    if (messages > MOST_OF_ITEM) {
      this.#addDead(position, { host, type, reason: 'not-a-batch', data: lines }, progress)
      return
    }
    this.counts.received += count
    const dead = bad.length > MOST_LETTERS ? [Buffer.concat(bad)] : bad
    const deadBytes = dead.reduce((sum, { length }) => sum + length, 0)
    const kept = isClean ? lines : Buffer.concat(good)
    const item = this.#log.add(position, kept, messages, progress, dead.length, deadBytes)
    dead.forEach((data, i) => {
      this.#keepDeadLetter({ id: `item-${position}-${i}`, host, type, reason: 'invalid', data }, item)
    })
  }

  /** Adds an item without messages, whose data becomes a dead letter. */
  #addDead(
    position: number,
    letter: Omit<BridgeDeadLetter, 'id'>,
    progress: InboundItem['progress'] = [],
  ): void {
    const item = this.#log.add(position, NOTHING, 0, progress, 1, letter.data.length)
    this.#keepDeadLetter({ id: `item-${position}`, ...letter }, item)
  }

  /** Returns which messages of a batch are to be delivered, and how far its sessions are after it. */
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
        this.counts.duplicates += known
        this.#table.note(key, last)
        progress.push([key, last])
        // A batch without lines only states that its numbers will not arrive.
        if (known < run.count && batch.lines.length > 0)
          stretches.push({ begin: at + known, end: at + run.count })
      }
      at += run.count
    }
    return { stretches, progress }
  }

  #onRejected(line: Buffer, item: InboundItem, number: number, reason: string, done: () => void): void {
    const type = /^\{"type":"([^"\\]*)"/.exec(line.toString('utf8', 0, 256))?.[1] ?? ''
    const id = `${this.#saver.settled.session}-${number}`
    this.#keepDeadLetter({ id, host: '', type, reason, data: line }, item, done)
  }

  #keepDeadLetter(letter: BridgeDeadLetter, item: InboundItem, done?: () => void): void {
    ++this.counts.deadLetters
    const { reason, host, type } = letter
    this.life.emit({ type: 'dead-letter', reason, host, messageType: type })
    void this.life
      .retry(() => this.#source.putDeadLetter(letter))
      .then((kept) => {
        if (!kept) return
        if (done !== undefined) done()
        else this.#log.onDeadLetterKept(item)
      })
  }

  #onSettled(item: InboundItem): void {
    this.#saver.settle(item)
    this.counts.delivered += item.count
    this.#room.wake()
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
