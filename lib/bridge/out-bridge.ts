// The outgoing direction: listens for local senders and stores their messages in a message system. local-intake.ts
// receives them, spool-keeper.ts makes them durable, and put-window.ts guarantees order and completeness. This file opens
// these parts, connects and closes them, and bounds the memory.

import { randomHex } from '../base/crypto.js'
import { toError } from '../base/errors.js'
import { setImmediate, setTimeout } from '../base/globals.js'
import {
  anything,
  callback,
  checkOptions,
  milliseconds,
  text,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { Soon } from '../base/soon.js'
import { checkTimeout, waitAtMost } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import type { ListenOptions } from '../connection/listen-options.js'
import { listen } from '../connection/listener.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { serve, type Server } from '../services/server.js'
import type { Spool } from '../spool/spool.js'
import { BatchSpool, LEAST_SPOOL_BYTES } from './batch-spool.js'
import { acceptBatch, type GatheredBatch } from './batches.js'
import type { BatchSink, BridgeEvent, BridgeStats } from './bridge.js'
import { Gatherer } from './gatherer.js'
import { BridgeBase, BridgeLife, inTurn } from './life.js'
import { LocalIntake } from './local-intake.js'
import { Origins } from './origins.js'
import { PutWindow, type Placed } from './put-window.js'
import { SpoolKeeper } from './spool-keeper.js'

/** Options of {@link OutBridge.open}. */
export interface OutBridgeOptions {
  /** Name of the local address to listen at. */
  readonly from: string
  /** How to listen there: directory, policy, quotas. Default: as `listen`. */
  readonly listen?: ListenOptions
  /** The destination of the messages. The bridge closes it. */
  readonly sink: BatchSink
  /** Name of this host in the message system. */
  readonly host: string
  /**
   * Stores messages on disk, so that they are accepted when they are durable there even while the message system is
   * unreachable. Used by this bridge alone, which closes it. Messages longer than an eighth of its `maxBytes` are
   * refused. Its `maxBytes` must be 16,384 or more. Default: none, so a message is accepted when the message system has
   * it.
   */
  readonly spool?: Spool
  /** Maximum number of batches in flight. Default: 32. */
  readonly maxInFlight?: number
  /** Maximum number of messages in a batch. With 1, each message is stored on its own. Default: 4096. */
  readonly maxBatchMessages?: number
  /**
   * Milliseconds that messages wait for others to share a batch with when no batch is in flight. Adds to the latency,
   * and reduces the number of batches. Default: 0.
   */
  readonly gatherMs?: number
  /**
   * Maximum bytes of messages in memory. At the limit, the bridge stops reading from local senders. Default: 16 MiB.
   */
  readonly maxBytes?: number
  /**
   * Longest first wait before a failed batch is stored again, in milliseconds. The wait doubles with each attempt, and
   * is randomized between half and all of it. Default: 50.
   */
  readonly minBackoffMs?: number
  /** Upper limit of that wait, in milliseconds. Default: 5000. */
  readonly maxBackoffMs?: number
  /** Called with each event. */
  readonly onEvent?: (event: BridgeEvent) => void
}

const TABLE: OptionTable<OutBridgeOptions> = {
  from: text,
  listen: anything, // listen() checks it
  sink: anything,
  host: text,
  spool: anything,
  maxInFlight: wholeNumber(1, 4096),
  maxBatchMessages: wholeNumber(1, 65_536),
  gatherMs: wholeNumber(0, 60_000),
  maxBytes: wholeNumber(1 << 16, 2 ** 40),
  minBackoffMs: milliseconds,
  maxBackoffMs: milliseconds,
  onEvent: callback,
}

const MOST_ORIGINS = 16_384

/** Carries the messages of local senders to a message system. */
export class OutBridge extends BridgeBase {
  readonly #sink: BatchSink
  readonly #spool: SpoolKeeper | undefined
  readonly #gatherer: Gatherer
  readonly #window: PutWindow
  readonly #intake: LocalIntake
  readonly #room = new Waiters()
  readonly #idle = new Waiters()
  #server: Server | undefined
  /** Runs in a later turn of the event loop, so that the messages of one read share a batch. */
  readonly #storing: Soon
  /** Bytes in memory that are being stored in the message system without a spool. */
  #puttingBytes = 0

  private constructor(options: OutBridgeOptions, origins: Origins, batches: BatchSpool | undefined) {
    const { sink, host, spool, maxInFlight = 32, maxBatchMessages = 4096 } = options
    super(new BridgeLife(options.onEvent))
    // After a failure, nothing more becomes safe.
    this.life.signal.addEventListener('abort', () => {
      this.#room.wake()
      this.#idle.wake()
    })
    this.#sink = sink
    const { gatherMs = 0, maxBytes = 16 << 20 } = options
    this.#storing = new Soon(
      () => {
        if (this.#spool === undefined) this.#window.pump()
        else void this.#spool.keep()
      },
      gatherMs > 0 ? (run) => setTimeout(run, gatherMs) : setImmediate,
    )
    // Approximate maximum size of a spool record, so that the spool has room for several.
    const groupBytes = spool === undefined ? Infinity : Math.max(1, spool.maxBytes / 16)
    const maxBatchBytes = (): number => Math.min(sink.limits.maxBatchBytes, groupBytes)
    this.#gatherer = new Gatherer(() => ({ maxBatchBytes: maxBatchBytes(), maxBatchMessages }))
    this.#intake = new LocalIntake(sink, origins, this.#gatherer, this.life, {
      host,
      // A record that the spool could never hold would stop all senders.
      maxLineBytes: spool === undefined ? MAX_MESSAGE_BYTES : Math.max(1, Math.floor(spool.maxBytes / 8)),
      isFull: () => this.#heldBytes >= maxBytes,
      room: this.#room,
      onGathered: () => {
        this.#storing.ask()
      },
    })
    this.#spool =
      batches &&
      new SpoolKeeper(batches, this.#gatherer, this.life, {
        maxGroupBytes: maxBatchBytes,
        onKept: () => {
          this.#room.wake()
          this.#window.pump()
        },
        onSettled: () => {
          this.#room.wake()
          if (!this.#gatherer.empty) this.#storing.ask()
        },
        onLost: () => {
          if (this.#pending === 0) this.#idle.wake()
        },
        onFailed: (error) => {
          void this.fail(error)
        },
      })
    this.life.counts.received = this.#spool?.recovered ?? 0
    this.#window = new PutWindow(
      sink,
      {
        host,
        maxInFlight,
        incarnation: randomHex(4),
        minBackoffMs: checkTimeout(options.minBackoffMs, 50),
        maxBackoffMs: checkTimeout(options.maxBackoffMs, 5000),
      },
      {
        next: () => (this.#spool === undefined ? this.#nextGathered() : this.#spool.next()),
        onPlaced: (batch, deadLetter) => {
          this.#onPlaced(batch, deadLetter, host)
        },
        onWaiting: (error) => {
          this.life.waitFor('system', error)
        },
        onRunning: () => {
          this.life.works('system')
        },
        onFailed: (error) => {
          void this.fail(error)
        },
      },
      this.life.signal,
    )
  }

  /**
   * Listens for local senders and begins to store. Resolves when it listens, whether or not the message system is
   * reachable.
   *
   * @throws TypeError for an option that is not allowed, RangeError for one that is out of range or a spool that is too
   *   small; then nothing is closed. TypeError for a spool that is in use; IpcError ERR_IPC_INVALID_MESSAGE for a spool
   *   with messages that no bridge has stored, ERR_IPC_SYSTEM for one that cannot be read, and the errors of `listen`.
   *   Then the sink is closed, and so is the spool unless it is in use.
   */
  static async open(options: OutBridgeOptions): Promise<OutBridge> {
    const checked = checkOptions('OutBridge.open', options, TABLE)
    for (const key of ['from', 'host', 'sink'] as const) {
      if (checked[key] === undefined) throw new TypeError(`OutBridge.open: ${key} is required`)
    }
    const { spool } = checked
    if (spool !== undefined && spool.maxBytes < LEAST_SPOOL_BYTES) {
      throw new RangeError(
        `OutBridge.open: the spool in ${spool.directory} holds at most ${spool.maxBytes} bytes, too few for a bridge; open it with a maxBytes of ${LEAST_SPOOL_BYTES} or more`,
      )
    }
    const given = { ...checked, from: checked.from, host: checked.host, sink: checked.sink }
    const taken: (() => Promise<void>)[] = [() => given.sink.close()]
    let bridge: OutBridge | undefined
    try {
      const origins = new Origins(MOST_ORIGINS)
      // A spool that has another user throws here. It is not closed, because it is still in use.
      const batches = given.spool && new BatchSpool(given.spool, origins.find)
      if (batches !== undefined) taken.unshift(() => batches.close())
      const listener = await listen(given.from, given.listen)
      taken.unshift(async () => {
        listener.close()
      })
      const made = (bridge = new OutBridge(given, origins, batches))
      made.#server = serve(listener, (connection) => made.#intake.receive(connection), {
        onError: () => undefined, // a lost connection is the sender's to repeat
      })
    } catch (error) {
      bridge?.life.end(toError(error))
      await inTurn(...taken).catch(() => undefined)
      throw error
    }
    return bridge
  }

  /** @internal */
  protected override get load(): Pick<BridgeStats, 'pending' | 'pendingBytes' | 'repeated'> {
    return { pending: this.#pending, pendingBytes: this.#heldBytes, repeated: this.#window.repeated }
  }

  get #pending(): number {
    return (
      this.life.counts.received -
      this.life.counts.delivered -
      this.life.counts.deadLetters -
      (this.#spool?.lost ?? 0)
    )
  }

  /**
   * Stops listening and stores the messages received.
   *
   * @internal
   */
  protected override async release(timeoutMs: number, error?: Error): Promise<void> {
    const server = this.#server?.close({ timeoutMs })
    if (error === undefined && this.#pending > 0) {
      await waitAtMost(this.#idle.wait(), timeoutMs, () => {
        this.#idle.wake()
      })
    }
    this.#window.close()
    // Wakes the handlers: their messages will not be settled any more.
    this.life.end(error)
    await inTurn(
      () => server,
      () => this.#spool?.close(),
      () => this.#sink.close(),
    )
  }

  /** Bytes of messages in memory that are not safe yet. */
  get #heldBytes(): number {
    return this.#gatherer.bytes + this.#puttingBytes + (this.#spool?.heldBytes ?? 0)
  }

  #nextGathered(): Placed | undefined {
    const batch = this.#gatherer.take()
    if (batch === undefined) return undefined
    this.#puttingBytes += batch.lines.length
    const { lines } = batch
    return {
      batch,
      onPlaced: () => {
        this.#puttingBytes -= lines.length
        acceptBatch(batch)
        this.#room.wake()
      },
    }
  }

  #onPlaced({ count, type }: GatheredBatch, deadLetter: boolean, host: string): void {
    ++this.life.counts.batches
    if (deadLetter) {
      this.life.counts.deadLetters += count
      this.life.emit({ type: 'dead-letter', reason: 'too-large', host, messageType: type })
    } else {
      this.life.counts.delivered += count
    }
    if (this.#pending === 0) this.#idle.wake()
  }
}
