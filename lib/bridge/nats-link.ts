// One connection to NATS, made once and kept by the client: its state, its requests, and the streams that must exist.
// Must not know batches.
//
//     down ──connect(), or the client reconnects──▶ up ──the connection is lost──▶ down
//      └─────────────────────────────────────────────┴──close()──▶ closed
//
// A connection that the client gives up although a new one may succeed is replaced.

import { jetstreamManager, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream'
import { connect, createInbox, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'

import { describeError, IpcError, toError } from '../base/errors.js'
import { monotonicMs } from '../base/globals.js'
import { pause } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import { ApiCode, hasApiCode, isFinalRefusal, isMadeElsewhere } from './jetstream-errors.js'
import type { NatsSettings, NewStream } from './nats-options.js'
import { NatsPublishes, type PublishAck } from './nats-publishes.js'

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 2000

/** Called with each error after which the operation is tried again. */
export type OnRetry = (error: Error) => void

export class NatsLink {
  readonly #settings: NatsSettings
  #state: 'down' | 'up' | 'closed' = 'down'
  #connecting: Promise<void> | undefined
  #nc: NatsConnection | undefined
  #jsm: JetStreamManager | undefined
  #failure: Error | undefined
  readonly #up = new Waiters()
  readonly #onDown = new Set<() => void>()
  readonly #publishes: NatsPublishes

  constructor(settings: NatsSettings) {
    this.#settings = settings
    this.#publishes = new NatsPublishes(settings.ackTimeoutMs)
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Maximum bytes of a message, headers included. Until a server was reached, the default of NATS servers. */
  get maxPayload(): number {
    return this.#nc?.info?.max_payload ?? 1 << 20
  }

  /**
   * Sends requests to the JetStream API. Rejects as soon as the connection is lost: the client itself would wait for
   * the whole timeout.
   *
   * @throws {IpcError} ERR_IPC_CLOSED (no connection); what the client throws
   */
  ask<Reply>(requests: (manager: JetStreamManager) => Promise<Reply>): Promise<Reply> {
    const manager = this.#jsm
    if (manager === undefined || this.#state !== 'up') return Promise.reject(notConnected())
    return new Promise<Reply>((resolve, reject) => {
      const forget = this.onDown(() => {
        reject(notConnected())
      })
      void requests(manager).then(resolve, reject).finally(forget)
    })
  }

  /** Calls `listener` each time the connection is lost. Returns a function that removes it. */
  onDown(listener: () => void): () => void {
    this.#onDown.add(listener)
    return () => {
      this.#onDown.delete(listener)
    }
  }

  /**
   * Resolves when the connection is up.
   *
   * @throws {IpcError} ERR_IPC_ABORTED; ERR_IPC_SYSTEM if it never can be, for example because of wrong credentials
   *   (`cause` is the error of the client); ERR_IPC_CLOSED after {@link close}
   */
  async ready(signal: AbortSignal, onRetry: OnRetry = ignore): Promise<void> {
    this.#connecting ??= this.#connect(signal, onRetry)
    await this.#connecting
    let woken: Promise<void> | undefined
    for (;;) {
      if (signal.aborted) throw new IpcError('ERR_IPC_ABORTED', 'the wait for NATS was aborted')
      if (this.#failure !== undefined) throw this.#failure
      if (this.#state === 'up') return
      if (this.#state === 'closed') throw notConnected()
      woken ??= this.#up.wait().then(() => {
        woken = undefined
      })
      await Promise.race([woken, pause(LONGEST_RETRY_MS, signal, 'the wait for NATS')])
    }
  }

  /**
   * Resolves when the connection is up and all streams exist. Creates missing streams.
   *
   * @throws as {@link ready}; IpcError ERR_IPC_SYSTEM if a stream cannot be made
   */
  async readyWith(
    streams: readonly NewStream[],
    signal: AbortSignal,
    onRetry: OnRetry = ignore,
  ): Promise<StreamInfo[]> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
      await this.ready(signal, onRetry)
      try {
        const infos: StreamInfo[] = []
        for (const stream of streams) infos.push(await this.#ensure(stream, signal))
        return infos
      } catch (error) {
        if (isFinalRefusal(error)) {
          throw new IpcError('ERR_IPC_SYSTEM', `NATS refuses the stream: ${error.message}`, { cause: error })
        }
        // JetStream is not ready, has no room or too few servers for the stream, or the connection was lost.
        onRetry(toError(error))
        await pause(delayMs, signal, 'the wait for JetStream')
      }
    }
  }

  /**
   * Publishes to JetStream and resolves with its acknowledgement.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_TIMEOUT, ERR_IPC_CLOSED (no connection, or no stream takes
   *   the subject), ERR_IPC_SYSTEM (no permission), ERR_IPC_INVALID_MESSAGE (an invalid acknowledgement)
   * @throws {RefusedByStream} if JetStream refuses the message for another reason
   */
  publish(subject: string, data: Uint8Array, hdrs: MsgHdrs): Promise<PublishAck> {
    const nc = this.#nc
    if (nc === undefined || this.#state !== 'up') return Promise.reject(notConnected())
    return this.#publishes.publish(nc, subject, data, hdrs)
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#publishes.stop(notConnected())
    this.#up.wake()
    await this.#nc?.close().catch(() => undefined)
  }

  async #connect(signal: AbortSignal, onRetry: OnRetry): Promise<void> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
      try {
        const nc = await connect(this.#settings.connection)
        await this.#begin(nc, () => {
          this.#connectAgain(signal, onRetry)
        })
        return
      } catch (error) {
        if (isForGood(error)) {
          this.#failure = new IpcError('ERR_IPC_SYSTEM', `cannot connect to NATS: ${describeError(error)}`, {
            cause: error,
          })
          throw this.#failure
        }
        onRetry(toError(error))
        await pause(delayMs, signal, 'the wait for NATS')
      }
    }
  }

  /** Makes a new connection in place of one that the client has given up. */
  #connectAgain(signal: AbortSignal, onRetry: OnRetry): void {
    const wake = (): void => {
      this.#up.wake()
    }
    this.#connecting = this.#connect(signal, onRetry)
    this.#connecting.then(wake, wake)
  }

  /** @param onGivenUp called when the client has given up the connection, and a new one may succeed */
  async #begin(nc: NatsConnection, onGivenUp: () => void): Promise<void> {
    const manager = await jetstreamManager(nc, { checkAPI: false, timeout: this.#settings.ackTimeoutMs })
    if (this.#state === 'closed') {
      await nc.close()
      throw notConnected()
    }
    this.#nc = nc
    this.#jsm = manager
    this.#publishes.begin(nc, createInbox(this.#settings.connection.inboxPrefix))
    this.#state = 'up'
    void this.#watch(nc, onGivenUp)
  }

  async #watch(nc: NatsConnection, onGivenUp: () => void): Promise<void> {
    void nc.closed().then((error) => {
      if (this.#state === 'closed') return
      if (isAuthenticationTimeout(error)) {
        this.#goDown()
        onGivenUp()
        return
      }
      const why = error === undefined ? 'the client has closed the connection' : error.message
      this.#failure = new IpcError('ERR_IPC_SYSTEM', `NATS is lost for good: ${why}`, { cause: error })
      this.#goDown()
    })
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') this.#goDown()
      else if (status.type === 'error') this.#publishes.onServerError(status.error)
      else if (status.type === 'reconnect' && this.#state === 'down') {
        this.#state = 'up'
        this.#up.wake()
      }
    }
  }

  #goDown(): void {
    if (this.#state === 'up') this.#state = 'down'
    this.#publishes.fail(notConnected())
    if (this.#failure !== undefined) this.#up.wake()
    for (const listener of [...this.#onDown]) listener()
  }

  async #ensure(stream: NewStream, signal: AbortSignal): Promise<StreamInfo> {
    const found = await this.#find(stream.name)
    if (found !== undefined) return found
    try {
      return await this.ask(({ streams }) => streams.add(stream))
    } catch (error) {
      if (!isMadeElsewhere(error)) throw error
      return this.#awaitStream(stream.name, toError(error), signal)
    }
  }

  /**
   * Waits for a stream that another bridge is creating, perhaps with other limits. Until it exists, the server reports
   * its subjects as taken and does not know its name.
   *
   * @throws `refusal` if the stream does not appear: another stream has its subjects
   */
  async #awaitStream(name: string, refusal: Error, signal: AbortSignal): Promise<StreamInfo> {
    const deadlineMs = monotonicMs() + this.#settings.ackTimeoutMs
    for (;;) {
      const found = await this.#find(name)
      if (found !== undefined) return found
      if (monotonicMs() >= deadlineMs) throw refusal
      await pause(FIRST_RETRY_MS, signal, 'the wait for JetStream')
    }
  }

  async #find(name: string): Promise<StreamInfo | undefined> {
    try {
      return await this.ask(({ streams }) => streams.info(name))
    } catch (error) {
      if (hasApiCode(error, ApiCode.streamNotFound)) return undefined
      throw error
    }
  }
}

function ignore(): void {
  // The caller is not interested in retries.
}

/** The error while there is no connection. */
export function notConnected(): IpcError {
  return new IpcError('ERR_IPC_CLOSED', 'there is no connection to NATS')
}

/**
 * Whether the server had no time to check the credentials, as when many clients connect at once. The client mistakes
 * that for wrong credentials: it gives up the second time, however long ago the first one was.
 */
function isAuthenticationTimeout(error: unknown): boolean {
  return /authentication timeout/i.test((Object(error) as { message?: string }).message ?? '')
}

/** Whether an error is permanent: trying again with the same options cannot succeed. */
function isForGood(error: unknown): boolean {
  if (isAuthenticationTimeout(error)) return false
  const { name = '', message = '' } = Object(error) as { name?: string; message?: string }
  return (
    /Authorization|InvalidArgument|UserAuthentication|TypeError/.test(name) ||
    /authorization violation|ERR_TLS_CERT|self[- ]signed|unable to verify/i.test(message)
  )
}
