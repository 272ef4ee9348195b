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
import type {
  BatchSource,
  BridgeDeadLetter,
  BridgeEvent,
  BridgeStats,
  SavedCheckpoint,
  SourceItem,
} from './bridge.js'
import { decodeCheckpoint } from './checkpoint.js'
import { CheckpointSaver } from './checkpoint-saver.js'
import { InboundLog, type InboundItem } from './inbound-log.js'
import { InboundSieve } from './inbound-sieve.js'
import { BridgeBase, BridgeLife, inTurn } from './life.js'
import { SessionTable } from './session-table.js'

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
/** How often a bridge that starts reads the checkpoint anew because an earlier bridge has replaced it. */
const MOST_CLAIMS = 5

/** Carries the messages of a message system to a local listener. */
export class InBridge extends BridgeBase {
  readonly #source: BatchSource
  readonly #maxBytes: number
  readonly #sieve: InboundSieve
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
    const table = new SessionTable(maxSessions)
    const settled =
      saved === undefined
        ? { position: 0, session: randomHex(16), number: 0 }
        : {
            ...decodeCheckpoint(saved.checkpoint, table),
            ...(saved.restarted && { position: 0 }),
          }
    this.#sieve = new InboundSieve(table.copy(), maxSessions)
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

  #process(item: SourceItem): void {
    ++this.life.counts.batches
    const { lines, count, progress, letters, received, duplicates, repeated } = this.#sieve.sift(item)
    this.life.counts.received += received
    this.life.counts.duplicates += duplicates
    this.#repeated += repeated
    const deadBytes = letters.reduce((sum, { data }) => sum + data.length, 0)
    const added = this.#log.add(item.position, lines, count, progress, letters.length, deadBytes)
    for (const letter of letters) this.#keepDeadLetter(letter, added)
  }

  #onRejected(line: Buffer, item: InboundItem, number: number, reason: string, done: () => void): void {
    const type = /^\{"type":"([^"\\]*)"/.exec(line.toString('utf8', 0, 256))?.[1] ?? ''
    const id = `${this.#saver.settled.session}-${number}`
    this.#keepDeadLetter({ id, host: '', type, reason, data: line }, item, done)
  }

  #keepDeadLetter(letter: BridgeDeadLetter, item: InboundItem, done?: () => void): void {
    ++this.life.counts.deadLetters
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
    this.life.counts.delivered += item.count
    this.#room.wake()
  }
}
