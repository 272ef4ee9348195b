// The way out: listens for local senders and stores their messages in a message system. What keeps the promise is in
// put-window.ts; this file takes messages, bounds what is held, and accepts messages once they are safe.

import { randomHex } from '../base/crypto.js'
import { hasCode } from '../base/errors.js'
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
import { checkTimeout, pause, waitAtMost } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import type { Connection } from '../connection/connection.js'
import type { ListenOptions } from '../connection/listen-options.js'
import { listen, type Listener } from '../connection/listener.js'
import { AcknowledgingReceiver } from '../delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../delivery/receiver/ledger.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import type { SOCMessage } from '../message/message.js'
import { serve, type Server } from '../services/server.js'
import type { Spool } from '../spool/spool.js'
import { BatchSpool } from './batch-spool.js'
import type { GatheredBatch, Origin } from './batches.js'
import type {
  BatchSink,
  Bridge,
  BridgeCloseOptions,
  BridgeEvent,
  BridgeState,
  BridgeStats,
} from './bridge.js'
import { Gatherer } from './gatherer.js'
import { BridgeLife } from './life.js'
import { Origins } from './origins.js'
import { PutWindow, type Placed } from './put-window.js'

/** Options of {@link OutBridge.open}. */
export interface OutBridgeOptions {
  /** Name of the local address to listen at. */
  readonly from: string
  /** How to listen there: directory, policy, quotas. Default: as `listen`. */
  readonly listen?: ListenOptions
  /** Where messages go. The bridge closes it. */
  readonly sink: BatchSink
  /** Name of this host in the message system. */
  readonly host: string
  /**
   * Keeps messages on the disk while the message system is away, and accepts them as soon as they are there. For this
   * bridge alone, which closes it. Default: none: a message is accepted once the message system has it.
   */
  readonly spool?: Spool
  /** Most batches on their way at once. Default 32. */
  readonly maxInFlight?: number
  /** Most messages of a batch. 1: each message is stored for itself. Default 4096. */
  readonly maxBatchMessages?: number
  /**
   * Milliseconds that messages wait for others to share a batch with, unless something is on its way already. It adds to the
   * latency, and saves the message system a message for each. Default 0: none.
   */
  readonly gatherMs?: number
  /** Most bytes in memory; beyond, nothing more is read from local senders. Default 16 MiB. */
  readonly maxBytes?: number
  /** Longest first wait before a failed batch is stored again, in milliseconds. It doubles; half of it is chance. Default 50. */
  readonly minBackoffMs?: number
  /** Longest such wait. Default 5000. */
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

const CLOSE_TABLE: OptionTable<BridgeCloseOptions> = { timeoutMs: milliseconds }
const MOST_ORIGINS = 16_384
/** A spool that could not keep messages is tried again this much later, or as soon as it has room. */
const SPOOL_RETRY_MS = 200

/** Carries the messages of local senders to a message system. */
export class OutBridge implements Bridge {
  readonly #life: BridgeLife
  readonly #sink: BatchSink
  readonly #spool: BatchSpool | undefined
  readonly #maxBytes: number
  readonly #gatherMs: number
  /** Records of the spool are of about this size at most, so that it takes several. */
  readonly #groupBytes: number
  readonly #ledger = new DeliveryLedger()
  readonly #origins = new Origins(MOST_ORIGINS)
  readonly #gatherer: Gatherer
  readonly #window: PutWindow
  readonly #room = new Waiters()
  readonly #idle = new Waiters()
  #server: Server | undefined
  #scheduled = false
  #keeping = false
  #closing: Promise<void> | undefined
  /** Batches of a spool record that were read and have not entered the window. */
  #read: Placed[] = []
  /** Messages and bytes in memory that are not safe yet, beyond those of the gatherer. */
  #heldBytes = 0
  #received = 0
  #delivered = 0
  #duplicates = 0
  #deadLetters = 0
  #batches = 0
  #recovered = 0

  private constructor(options: OutBridgeOptions) {
    const { sink, host, spool, maxInFlight = 32, maxBatchMessages = 4096 } = options
    this.#life = new BridgeLife(options.onEvent)
    this.#sink = sink
    this.#maxBytes = options.maxBytes ?? 16 << 20
    this.#gatherMs = options.gatherMs ?? 0
    this.#groupBytes = spool === undefined ? Infinity : Math.max(1, spool.maxBytes >>> 4)
    this.#gatherer = new Gatherer(() => ({
      maxBatchBytes: Math.min(sink.limits.maxBatchBytes, this.#groupBytes),
      maxBatchMessages,
    }))
    this.#spool = spool === undefined ? undefined : new BatchSpool(spool, this.#origins.find)
    this.#spool?.forEach(({ stretches, count }) => {
      this.#recovered += count
      for (const { origin, first, count: messages } of stretches) {
        origin.gathered = origin.safe = first + messages - 1
        origin.pending += messages
      }
    })
    this.#received = this.#recovered
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
        next: () => (this.#spool === undefined ? this.#nextGathered() : this.#nextSpooled(this.#spool)),
        onPlaced: (batch, deadLetter) => {
          this.#onPlaced(batch, deadLetter, host)
        },
        onWaiting: (error) => {
          this.#life.to('waiting', error)
        },
        onRunning: () => {
          this.#life.to('running')
        },
        onFailed: (error) => {
          void this.#fail(error)
        },
      },
      this.#life.signal,
    )
  }

  /**
   * Listens for local senders and begins to store. Resolves once it listens, whether the message system is there or not.
   *
   * @throws TypeError, RangeError for options that are not allowed; IpcError as `listen`
   */
  static async open(options: OutBridgeOptions): Promise<OutBridge> {
    const checked = checkOptions('OutBridge.open', options, TABLE)
    for (const key of ['from', 'host', 'sink'] as const) {
      if (checked[key] === undefined) throw new TypeError(`OutBridge.open: ${key} is required`)
    }
    const given = { ...checked, from: checked.from, host: checked.host, sink: checked.sink }
    let listener: Listener
    try {
      listener = await listen(given.from, given.listen)
    } catch (error) {
      await given.sink.close()
      await given.spool?.close()
      throw error
    }
    const bridge = new OutBridge(given)
    bridge.#server = serve(listener, (connection) => bridge.#serve(connection), {
      onError: () => undefined, // a lost connection is the sender's to repeat
    })
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

  /** Counts since it was opened; `received` includes what an earlier process left in the spool. */
  get stats(): BridgeStats {
    return {
      received: this.#received,
      delivered: this.#delivered,
      pending: this.#pending,
      pendingBytes: this.#gatherer.bytes + this.#heldBytes,
      duplicates: this.#duplicates,
      deadLetters: this.#deadLetters,
      batches: this.#batches,
      repeated: this.#window.repeated,
    }
  }

  /**
   * Listens no more and stores what it has. What is not stored in time stays with the local senders, or in the spool.
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

  get #pending(): number {
    return this.#received - this.#delivered - this.#deadLetters - (this.#spool?.lost ?? 0)
  }

  async #close(timeoutMs: number, error?: Error): Promise<void> {
    const server = this.#server?.close({ timeoutMs })
    if (error === undefined && this.#pending > 0) {
      await waitAtMost(this.#idle.wait(), timeoutMs, () => {
        this.#idle.wake()
      })
    }
    this.#window.close()
    // Handlers wait for their messages: nothing settles those any more.
    this.#room.wake()
    this.#life.end(error)
    await server
    await this.#spool?.close()
    await this.#sink.close()
    this.#life.finish()
  }

  async #fail(error: Error): Promise<void> {
    await (this.#closing ??= this.#close(1, error))
  }

  /** Takes the messages of one connection until it ends. */
  async #serve(connection: Connection): Promise<void> {
    const { maxLineBytes } = this.#sink.limits
    const receiver = new AcknowledgingReceiver(connection, 'bridge', {
      ledger: this.#ledger,
      autoAck: false,
      onInvalid: 'skip',
      maxMessageBytes: Math.min(MAX_MESSAGE_BYTES, maxLineBytes - 1),
      ackDelayMs: 1,
    })
    let invented: Origin | undefined
    for await (const messages of receiver.batches()) {
      const position = receiver.positionOf(messages[0] as SOCMessage)
      if (position !== undefined) {
        const origin = this.#origins.of(connection.peer, position.session)
        this.#take(origin, receiver, messages, position.sequence)
      } else {
        invented ??= this.#origins.invent(connection.peer)
        this.#take(invented, receiver, messages, invented.gathered + 1)
      }
      while (!this.#life.isOver && this.#isFull) await this.#room.wait()
    }
    while (!this.#life.isOver && !connection.closed && receiver.stats.inHand > 0) await this.#room.wait()
  }

  #take(origin: Origin, receiver: AcknowledgingReceiver, messages: SOCMessage[], first: number): void {
    this.#received += messages.length
    // What is safe already, and the sender has not heard of.
    const known = Math.max(0, Math.min(messages.length, origin.safe - first + 1))
    if (known > 0) {
      this.#duplicates += known
      this.#received -= known
      receiver.acknowledge(messages.slice(0, known))
    }
    if (known === messages.length) return
    const fresh = known === 0 ? messages : messages.slice(known)
    this.#gatherer.add(origin, receiver, fresh, first + known)
    origin.gathered = Math.max(origin.gathered, first + messages.length - 1)
    origin.pending += fresh.length
    this.#schedule()
  }

  get #isFull(): boolean {
    return this.#gatherer.bytes + this.#heldBytes >= this.#maxBytes
  }

  /** In a turn of its own, so that the messages of one read share a batch. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const go = (): void => {
      this.#scheduled = false
      if (this.#spool === undefined) this.#window.pump()
      else void this.#keep(this.#spool)
    }
    if (this.#gatherMs > 0) setTimeout(go, this.#gatherMs)
    else setImmediate(go)
  }

  #nextGathered(): Placed | undefined {
    const batch = this.#gatherer.take()
    if (batch === undefined) return undefined
    this.#heldBytes += batch.lines.length
    const { lines } = batch
    return {
      batch,
      onPlaced: () => {
        this.#heldBytes -= lines.length
        accept(batch)
        this.#room.wake()
      },
    }
  }

  #nextSpooled(spool: BatchSpool): Placed | undefined {
    const ready = this.#read.shift()
    if (ready !== undefined) return ready
    const record = spool.next()
    if (record === undefined) return undefined
    const { batches, through } = record
    this.#read = batches.map((batch, i) => ({
      batch,
      onPlaced:
        i < batches.length - 1
          ? undefined
          : () => {
              spool.settle(through)
              this.#room.wake()
              if (!this.#gatherer.empty) this.#schedule()
            },
    }))
    return this.#read.shift()
  }

  /** Gives everything gathered to the spool, one record after the other, and accepts it. */
  async #keep(spool: BatchSpool): Promise<void> {
    if (this.#keeping) return
    this.#keeping = true
    try {
      while (!this.#gatherer.empty && !this.#life.isOver) {
        const group: GatheredBatch[] = []
        let bytes = 0
        const most = Math.min(this.#sink.limits.maxBatchBytes, this.#groupBytes)
        while (bytes < most) {
          const batch = this.#gatherer.take()
          if (batch === undefined) break
          group.push(batch)
          bytes += batch.lines.length
        }
        this.#heldBytes += bytes
        await this.#keepGroup(spool, group)
        this.#heldBytes -= bytes
        this.#room.wake()
        this.#window.pump()
      }
    } finally {
      this.#keeping = false
    }
  }

  /** Until it is kept: later messages must not get there first. */
  async #keepGroup(spool: BatchSpool, group: readonly GatheredBatch[]): Promise<void> {
    while (!this.#life.isOver) {
      try {
        await spool.keep(group)
        for (const batch of group) accept(batch)
        return
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_CLOSED')) return
        await pause(SPOOL_RETRY_MS, this.#life.signal, 'the bridge').catch(() => undefined)
      }
    }
  }

  #onPlaced({ count, type }: GatheredBatch, deadLetter: boolean, host: string): void {
    ++this.#batches
    if (deadLetter) {
      this.#deadLetters += count
      this.#life.emit({ type: 'dead-letter', reason: 'too-large', host, messageType: type })
    } else {
      this.#delivered += count
    }
    if (this.#pending === 0) this.#idle.wake()
  }
}

/** The messages of a batch are safe. */
function accept({ stretches, taken }: GatheredBatch): void {
  for (const { origin, first, count } of stretches) origin.safe = Math.max(origin.safe, first + count - 1)
  for (const { receiver, messages } of taken) receiver.acknowledge(messages)
}
