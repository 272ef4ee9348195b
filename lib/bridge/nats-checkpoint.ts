// The checkpoint of a consumer in NATS: the latest message of `<prefix>_state.<consumer>`, which JetStream replaces only
// if it is still the one that this process read or stored last. A second bridge with the same consumer is found that way.

import type { StoredMsg } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'

import { randomHex } from '../base/crypto.js'
import { IpcError } from '../base/errors.js'
import type { SavedCheckpoint } from './bridge.js'
import { isWrongLastSequence } from './jetstream-errors.js'
import type { NatsLink } from './nats-link.js'
import type { NatsSettings } from './nats-options.js'
import { RefusedByStream } from './nats-publishes.js'
import { Header } from './nats-subjects.js'

export class NatsCheckpoint {
  readonly #link: NatsLink
  readonly #stream: string
  readonly #consumer: string
  readonly #subject: string
  readonly #writer = randomHex(8)
  #writes = 0
  /** Sequence of the latest checkpoint in its stream. */
  #seq = 0
  /** When the stream of the messages was created: tells a stream from a later one of the same name. */
  #created = ''

  constructor(link: NatsLink, { stream, prefix }: NatsSettings, consumer: string) {
    this.#link = link
    this.#stream = stream
    this.#consumer = consumer
    this.#subject = `${prefix}_state.${consumer}`
  }

  /** Reads the checkpoint; undefined if there is none. `created`: when the stream of the messages was created. */
  async read(created: string): Promise<SavedCheckpoint | undefined> {
    this.#created = created
    const stored = await this.#latest()
    if (stored === null) return undefined
    this.#seq = stored.seq
    const { data, header } = stored
    const restarted = header.get(Header.created) !== created
    return { checkpoint: Buffer.from(data.buffer, data.byteOffset, data.byteLength), restarted }
  }

  /**
   * Stores the checkpoint, unless another process has stored one since.
   *
   * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE if another process has; as {@link NatsLink.publish}
   */
  async save(checkpoint: Buffer): Promise<void> {
    const hdrs = headers()
    hdrs.set(Header.writer, `${this.#writer}.${++this.#writes}`)
    hdrs.set(Header.created, this.#created)
    hdrs.set('Nats-Expected-Last-Subject-Sequence', String(this.#seq))
    try {
      const { seq } = await this.#link.publish(this.#subject, checkpoint, hdrs)
      this.#seq = seq
    } catch (error) {
      if (!(error instanceof RefusedByStream) || !isWrongLastSequence(error.code)) throw error
      await this.#claimAgain(error)
    }
  }

  /**
   * Handles a checkpoint other than the expected one: an earlier attempt of this process has stored it, or another
   * process.
   */
  async #claimAgain(cause: Error): Promise<never> {
    const stored = await this.#latest()
    // JetStream is still storing one, of this process or another. The next attempt shows whose it is.
    if ((stored?.seq ?? 0) === this.#seq) throw cause
    const writer = stored?.header.get(Header.writer) ?? ''
    if (stored !== null && !writer.startsWith(`${this.#writer}.`)) {
      throw new IpcError(
        'ERR_IPC_ADDRESS_IN_USE',
        `another bridge reads the consumer ${this.#consumer} of ${this.#stream}; give this one another name`,
        { reason: 'consumer-in-use', cause },
      )
    }
    this.#seq = stored?.seq ?? 0
    throw cause
  }

  #latest(): Promise<StoredMsg | null> {
    return this.#link.ask(({ streams }) =>
      streams.getMessage(`${this.#stream}_STATE`, { last_by_subj: this.#subject }),
    )
  }
}
