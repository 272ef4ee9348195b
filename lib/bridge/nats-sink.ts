// The outgoing direction to NATS JetStream: a batch is one message with the subject `<prefix>.<host>.<type>`.

import { headers } from '@nats-io/transport-node'

import type { BatchSink, BridgeDeadLetter, OutgoingBatch, SinkLimits } from './bridge.js'
import { publishDeadLetter } from './nats-dead-letters.js'
import { NatsLink } from './nats-link.js'
import {
  checkNatsOptions,
  deadLetterStream,
  messageStream,
  type NatsOptions,
  type NatsSettings,
} from './nats-options.js'
import { setBatchHeaders, subjectOf } from './nats-subjects.js'

/** Maximum bytes of a batch: large enough to share the cost of a message, small enough that several are in flight. */
const BATCH_BYTES = 160 * 1024
/** Room for the headers that do not depend on the runs of a batch, and for the one run of a single message. */
const HEADER_BYTES = 2048

/** Stores batches in a stream of NATS JetStream. */
export class NatsSink implements BatchSink {
  readonly #settings: NatsSettings
  readonly #link: NatsLink
  /** The `max_msg_size` of the stream; -1 for none. */
  #maxMessageBytes = -1
  readonly #subjects = new Map<string, string>()

  /** @throws TypeError, RangeError for options that are not allowed */
  constructor(options: NatsOptions = {}) {
    this.#settings = checkNatsOptions('NatsSink', options)
    this.#link = new NatsLink(this.#settings)
  }

  /** Its limits as far as they are known: the server's `max_payload`, and the `max_msg_size` of the stream. */
  get limits(): SinkLimits {
    const { maxPayload } = this.#link
    const most = this.#maxMessageBytes < 0 ? maxPayload : Math.min(maxPayload, this.#maxMessageBytes)
    return {
      maxBatchBytes: Math.max(1, Math.min(BATCH_BYTES, most - HEADER_BYTES)),
      maxLineBytes: Math.max(1, most - HEADER_BYTES),
    }
  }

  /** Resolves when the server is connected and the streams exist. Creates missing streams. */
  async ready(signal: AbortSignal, onRetry?: (error: Error) => void): Promise<void> {
    const streams = [messageStream(this.#settings), deadLetterStream(this.#settings)]
    const [info] = await this.#link.readyWith(streams, signal, onRetry)
    this.#maxMessageBytes = info?.config.max_msg_size ?? -1
  }

  /** Publishes a batch; resolves with its sequence in the stream. */
  async put(batch: OutgoingBatch): Promise<number> {
    const hdrs = headers()
    hdrs.set('Nats-Msg-Id', batch.id)
    setBatchHeaders(hdrs, batch)
    const { seq } = await this.#link.publish(this.#subjectOf(batch.host, batch.type), batch.lines, hdrs)
    return seq
  }

  /** Publishes a dead letter. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void> {
    return publishDeadLetter(this.#link, this.#settings.prefix, letter)
  }

  /** Closes the connection. */
  close(): Promise<void> {
    return this.#link.close()
  }

  #subjectOf(host: string, type: string): string {
    const key = `${host}\0${type}`
    let subject = this.#subjects.get(key)
    if (subject === undefined) {
      // Senders choose the types, so the cache must be bounded.
      if (this.#subjects.size >= 1024) this.#subjects.clear()
      this.#subjects.set(key, (subject = subjectOf(this.#settings.prefix, host, type)))
    }
    return subject
  }
}
