// The incoming direction from NATS JetStream: a durable consumer that several processes may use in turn, one at a time.
//
// The server delivers in the order of the stream, but messages that a lost connection or an earlier process left
// unacknowledged are delivered again later, behind newer ones. Whenever deliveries may be missing, the gap is therefore
// read from the stream itself, by position.

import {
  AckPolicy,
  DeliverPolicy,
  RetentionPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  type JsMsg,
  type MsgRequest,
  type SeqMsgRequest,
  type StoredMsg,
  type StreamInfo,
} from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'

import { onAbort, offAbort } from '../base/abort.js'
import { randomHex } from '../base/crypto.js'
import { IpcError, isIpcError, toError } from '../base/errors.js'
import { text, type OptionTable } from '../base/options.js'
import { pause } from '../base/timing.js'
import type { BatchSource, BridgeDeadLetter, SavedCheckpoint, SourceItem } from './bridge.js'
import { consumerFault, filterOf } from './nats-consumer.js'
import { publishDeadLetter } from './nats-dead-letters.js'
import { ApiCode, hasApiCode, isWrongLastSequence } from './jetstream-errors.js'
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
import { RefusedByStream } from './nats-publishes.js'
import { Header, itemOf } from './nats-subjects.js'

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

const ACK_WAIT_NS = 30e9
const MAX_ACK_PENDING = 1 << 14
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
/** If an earlier process left more messages than this unsettled, the consumer is created anew at the first of them. */
const MOST_READ_SINGLY = 2048

/** Reads batches from a stream of NATS JetStream. */
export class NatsSource implements BatchSource {
  readonly #settings: NatsSettings
  readonly #link: NatsLink
  readonly #consumer: string
  readonly #host: string | undefined
  readonly #filter: string
  readonly #writer = randomHex(8)
  #writes = 0
  /** Sequence of the latest checkpoint in its stream. */
  #checkpointSeq = 0
  #created = ''
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
  }

  /** Connects, creates missing streams, and reads the checkpoint of the consumer. */
  async open(signal: AbortSignal, onRetry?: (error: Error) => void): Promise<SavedCheckpoint | undefined> {
    for (;;) {
      const [info] = await this.#ready(signal, onRetry)
      try {
        this.#created = info?.created ?? ''
        const stored = await this.#readCheckpoint()
        if (stored === null) return undefined
        this.#checkpointSeq = stored.seq
        const { data, header } = stored
        const restarted = header.get(Header.created) !== this.#created
        return { checkpoint: Buffer.from(data.buffer, data.byteOffset, data.byteLength), restarted }
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
        const consumer = await this.#openConsumer(cursor.last)
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
  async saveCheckpoint(checkpoint: Buffer): Promise<void> {
    const hdrs = headers()
    const id = `${this.#writer}.${++this.#writes}`
    hdrs.set(Header.writer, id)
    hdrs.set(Header.created, this.#created)
    hdrs.set('Nats-Expected-Last-Subject-Sequence', String(this.#checkpointSeq))
    try {
      const { seq } = await this.#link.publish(this.#checkpointSubject, checkpoint, hdrs)
      this.#checkpointSeq = seq
    } catch (error) {
      if (!(error instanceof RefusedByStream) || !isWrongLastSequence(error.code)) throw error
      await this.#claimAgain(error)
    }
  }

  /** Publishes a dead letter. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void> {
    return publishDeadLetter(this.#link, this.#settings.prefix, letter)
  }

  /** Closes the connection. The consumer stays. */
  close(): Promise<void> {
    return this.#link.close()
  }

  get #checkpointSubject(): string {
    return `${this.#settings.prefix}_state.${this.#consumer}`
  }

  #ready(signal: AbortSignal, onRetry?: (error: Error) => void): Promise<StreamInfo[]> {
    const settings = this.#settings
    return this.#link.readyWith(
      [messageStream(settings), stateStream(settings), deadLetterStream(settings)],
      signal,
      onRetry,
    )
  }

  #readCheckpoint(): Promise<StoredMsg | null> {
    return this.#getMessage(`${this.#settings.stream}_STATE`, { last_by_subj: this.#checkpointSubject })
  }

  #getMessage(stream: string, query: MsgRequest): Promise<StoredMsg | null> {
    return this.#link.ask(({ streams }) => streams.getMessage(stream, query))
  }

  /**
   * Handles a checkpoint other than the expected one: an earlier attempt of this process has stored it, or another
   * process.
   */
  async #claimAgain(cause: Error): Promise<never> {
    const stored = await this.#readCheckpoint()
    // One is on its way in, from this process or another: the next attempt tells.
    if ((stored?.seq ?? 0) === this.#checkpointSeq) throw cause
    const writer = stored?.header.get(Header.writer) ?? ''
    if (stored !== null && !writer.startsWith(`${this.#writer}.`)) {
      throw new IpcError(
        'ERR_IPC_ADDRESS_IN_USE',
        `another bridge reads the consumer ${this.#consumer} of ${this.#settings.stream}; give this one another name`,
        { reason: 'consumer-in-use', cause },
      )
    }
    this.#checkpointSeq = stored?.seq ?? 0
    throw cause
  }

  /** Finds the consumer, or creates it so that it continues after a position. */
  async #openConsumer(last: number): Promise<ConsumerInfo> {
    const { stream } = this.#settings
    const { retention } = (await this.#link.ask(({ streams }) => streams.info(stream))).config
    const isLog = retention === RetentionPolicy.Limits
    const found = await this.#findConsumer()
    if (found !== undefined) {
      const fault = consumerFault(found.config, this.#settings.prefix, this.#host)
      if (fault !== undefined) {
        const why = `the consumer ${this.#consumer} of ${stream} ${fault}: give the bridge another name`
        throw new IpcError('ERR_IPC_SYSTEM', why)
      }
      // In other streams, deleting the consumer would delete its messages.
      if (found.delivered.stream_seq - last <= MOST_READ_SINGLY || !isLog) return found
      await this.#link.ask(({ consumers }) => consumers.delete(stream, this.#consumer))
    }
    const wanted: Partial<ConsumerConfig> = {
      durable_name: this.#consumer,
      // A work queue requires an acknowledgement of each message.
      ack_policy: isLog ? AckPolicy.All : AckPolicy.Explicit,
      ack_wait: ACK_WAIT_NS,
      max_ack_pending: MAX_ACK_PENDING,
      filter_subject: this.#filter,
      // A work queue only has unacknowledged messages.
      ...(last === 0 || !isLog
        ? { deliver_policy: DeliverPolicy.All }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: last + 1 }),
    }
    return this.#link.ask(({ consumers }) => consumers.add(stream, wanted))
  }

  async #findConsumer(): Promise<ConsumerInfo | undefined> {
    try {
      const { stream } = this.#settings
      return await this.#link.ask(({ consumers }) => consumers.info(stream, this.#consumer))
    } catch (error) {
      if (hasApiCode(error, ApiCode.consumerNotFound)) return undefined
      throw error
    }
  }

  /** Yields the messages of the stream from the cursor through a position. */
  async *#readTo(cursor: { last: number }, through: number): AsyncIterable<SourceItem> {
    while (cursor.last < through) {
      // The first message with such a subject from `seq` on: what the types of the client lack.
      const query: SeqMsgRequest & { next_by_subj: string } = {
        seq: cursor.last + 1,
        next_by_subj: this.#filter,
      }
      const stored = await this.#getMessage(this.#settings.stream, query)
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
