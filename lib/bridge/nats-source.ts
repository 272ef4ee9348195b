// The incoming direction from NATS JetStream: a durable consumer that several processes may use in turn, one at a time.
//
// The server delivers in the order of the stream, but messages that a lost connection or an earlier process left
// unacknowledged are delivered again later, behind newer ones. Whenever deliveries may be missing, the gap is therefore
// read from the stream itself, by position.

import { AckPolicy, type JsMsg, type SeqMsgRequest, type StreamInfo } from '@nats-io/jetstream'

import { onAbort, offAbort } from '../base/abort.js'
import { isIpcError, toError } from '../base/errors.js'
import { text, type OptionTable } from '../base/options.js'
import { pause } from '../base/timing.js'
import type { BatchSource, BridgeDeadLetter, SavedCheckpoint, SourceItem } from './bridge.js'
import { NatsCheckpoint } from './nats-checkpoint.js'
import { filterOf, openConsumer } from './nats-consumer.js'
import { publishDeadLetter } from './nats-dead-letters.js'
import { NatsLink, notConnected } from './nats-link.js'
import {
  checkNatsOptions,
  deadLetterStream,
  messageStream,
  NATS_TABLE,
  stateStream,
  type NatsOptions,
  type NatsSettings,
} from './nats-options.js'
import { itemOf } from './nats-subjects.js'

/** Options of {@link NatsSource}. */
export interface NatsSourceOptions extends NatsOptions {
  /** Name of the durable consumer, which is created if it does not exist. Each consumer has a checkpoint of its own. */
  readonly consumer: string
  /** Reads the messages of this host only. Default: of all hosts. */
  readonly host?: string
}

/** The checks of {@link NatsSourceOptions}. */
export const SOURCE_TABLE: OptionTable<NatsSourceOptions> = {
  ...NATS_TABLE,
  consumer: (value, name) => {
    text(value, name)
    if (/^[A-Za-z0-9_-]+$/.test(value as string)) return
    throw new TypeError(`${name} must be letters, digits, "-" and "_"`)
  },
  host: text,
}

/**
 * Range of the number of messages per request. Small messages are requested in larger numbers, because each request
 * costs a round trip.
 */
const LEAST_FETCHED = 64
const MOST_FETCHED = 1024
/** Approximate maximum bytes of one request, which the client holds in memory. */
const FETCH_BYTES = 8 << 20
const FETCH_EXPIRES_MS = 5000
const RETRY_MS = 200

/** Reads batches from a stream of NATS JetStream. */
export class NatsSource implements BatchSource {
  readonly #settings: NatsSettings
  readonly #link: NatsLink
  readonly #consumer: string
  readonly #host: string | undefined
  readonly #filter: string
  readonly #checkpoint: NatsCheckpoint
  /** By position: messages handed out and not acknowledged. */
  readonly #unacknowledged = new Map<number, JsMsg>()
  #acknowledged = 0
  /**
   * Whether an acknowledgement covers all messages before its own. A consumer created elsewhere may require one for
   * each message.
   */
  #isCumulative = false

  /** @throws TypeError, RangeError for options that are not allowed */
  constructor(options: NatsSourceOptions) {
    const { consumer, host, ...shared } = options
    if (consumer === undefined) throw new TypeError('NatsSource: consumer is required')
    SOURCE_TABLE.consumer(consumer, 'NatsSource: consumer')
    if (host !== undefined) SOURCE_TABLE.host(host, 'NatsSource: host')
    this.#settings = checkNatsOptions('NatsSource', shared)
    this.#link = new NatsLink(this.#settings)
    this.#consumer = consumer
    this.#host = host
    this.#filter = filterOf(this.#settings.prefix, host)
    this.#checkpoint = new NatsCheckpoint(this.#link, this.#settings, consumer)
  }

  /** Connects, creates missing streams, and reads the checkpoint of the consumer. */
  async open(signal: AbortSignal, onRetry?: (error: Error) => void): Promise<SavedCheckpoint | undefined> {
    for (;;) {
      const [info] = await this.#ready(signal, onRetry)
      try {
        return await this.#checkpoint.read(info?.created ?? '')
      } catch (error) {
        if (isIpcError(error) && error.code !== 'ERR_IPC_CLOSED') throw error
        onRetry?.(toError(error))
        await pause(RETRY_MS, signal, 'the bridge')
      }
    }
  }

  /** Yields the messages of the stream, in its order, each once. */
  async *read(
    after: number,
    signal: AbortSignal,
    report: (error: Error | undefined) => void,
  ): AsyncIterable<SourceItem> {
    this.#acknowledged = after
    const cursor = { last: after }
    while (!signal.aborted) {
      try {
        if (!this.#link.isUp) report(notConnected())
        await this.#ready(signal, report)
        const consumer = await openConsumer(
          this.#link,
          this.#settings,
          this.#consumer,
          this.#host,
          cursor.last,
        )
        report(undefined)
        this.#isCumulative = consumer.config.ack_policy === AckPolicy.All
        yield* this.#readTo(cursor, consumer.delivered.stream_seq)
        yield* this.#follow(cursor, consumer.delivered.consumer_seq, signal)
      } catch (error) {
        if (signal.aborted) return
        if (isIpcError(error) && error.code === 'ERR_IPC_SYSTEM') throw error
        report(toError(error))
        await pause(RETRY_MS, signal, 'the bridge').catch(() => undefined)
      }
    }
  }

  /** Acknowledges the messages through a position. */
  acknowledge(through: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, through)
    let latest: JsMsg | undefined
    for (const [position, message] of this.#unacknowledged) {
      if (position > through) continue
      this.#unacknowledged.delete(position)
      if (!this.#isCumulative) this.#ack(message)
      else if (latest === undefined || position > latest.seq) latest = message
    }
    if (latest !== undefined) this.#ack(latest)
  }

  /** Stores the checkpoint, unless another process has stored one since. */
  saveCheckpoint(checkpoint: Buffer): Promise<void> {
    return this.#checkpoint.save(checkpoint)
  }

  /** Publishes a dead letter. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void> {
    return publishDeadLetter(this.#link, this.#settings.prefix, letter)
  }

  /** Closes the connection. The consumer stays. */
  close(): Promise<void> {
    return this.#link.close()
  }

  #ready(signal: AbortSignal, onRetry?: (error: Error) => void): Promise<StreamInfo[]> {
    const settings = this.#settings
    return this.#link.readyWith(
      [messageStream(settings), stateStream(settings), deadLetterStream(settings)],
      signal,
      onRetry,
    )
  }

  /** Yields the messages of the stream from the cursor through a position. */
  async *#readTo(cursor: { last: number }, through: number): AsyncIterable<SourceItem> {
    while (cursor.last < through) {
      // The client's types lack `next_by_subj`: the first message from `seq` on whose subject matches.
      const query: SeqMsgRequest & { next_by_subj: string } = {
        seq: cursor.last + 1,
        next_by_subj: this.#filter,
      }
      const stored = await this.#link.ask(({ streams }) => streams.getMessage(this.#settings.stream, query))
      if (stored === null || stored.seq > through) {
        cursor.last = through
        return
      }
      cursor.last = stored.seq
      yield itemOf(this.#settings.prefix, stored, stored.header)
    }
  }

  /** Yields the deliveries of the consumer, from the one after `delivered` on, until the connection is lost. */
  async *#follow(
    cursor: { last: number },
    delivered: number,
    signal: AbortSignal,
  ): AsyncIterable<SourceItem> {
    const { stream, prefix } = this.#settings
    const consumer = await this.#link.ask((manager) =>
      manager.jetstream().consumers.get(stream, this.#consumer),
    )
    let lastDelivery = delivered
    let lost = false
    let wanted = LEAST_FETCHED
    while (!signal.aborted && !lost) {
      const messages = await consumer.fetch({ max_messages: wanted, expires: FETCH_EXPIRES_MS })
      let count = 0
      let bytes = 0
      const stop = (): void => {
        lost = true
        messages.stop()
      }
      onAbort(signal, stop)
      const forget = this.#link.onDown(stop)
      try {
        for await (const message of messages) {
          const { seq } = message
          const { deliverySequence } = message.info
          ++count
          bytes += message.data.length
          const follows = deliverySequence === lastDelivery + 1
          lastDelivery = Math.max(lastDelivery, deliverySequence)
          this.#hold(seq, message)
          if (seq <= cursor.last) continue
          // Deliveries are missing: they were lost with a connection, or went to another process.
          if (!follows) yield* this.#readTo(cursor, seq - 1)
          cursor.last = seq
          yield itemOf(prefix, message, message.headers)
        }
      } finally {
        forget()
        offAbort(signal, stop)
        messages.stop()
      }
      if (count >= wanted) wanted = nextFetch(wanted, bytes / count)
    }
  }

  #hold(position: number, message: JsMsg): void {
    if (position <= this.#acknowledged) message.ack()
    else this.#unacknowledged.set(position, message)
  }

  #ack(message: JsMsg): void {
    if (this.#link.isUp) message.ack()
  }
}

/**
 * Returns how many messages to request after a request for `wanted` messages was filled with messages of `bytesEach`
 * bytes on average.
 */
function nextFetch(wanted: number, bytesEach: number): number {
  const most = Math.min(MOST_FETCHED, 2 * wanted, Math.floor(FETCH_BYTES / Math.max(1, bytesEach)))
  return Math.max(LEAST_FETCHED, most)
}
