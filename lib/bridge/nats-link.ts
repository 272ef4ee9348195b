// One connection to NATS: made once and kept by the client; publishes and matches acknowledgements. Must not know
// batches.
//
//     down ──connect(), or the client reconnects──▶ up ──the connection is lost──▶ down
//      └─────────────────────────────────────────────┴──close()──▶ closed
//
// A connection that the client gives up without need is replaced by a new one.

import {
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import {
  connect,
  createInbox,
  PermissionViolationError,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node'

import { describeError, IpcError, toError } from '../base/errors.js'
import { clearInterval, monotonicMs, setInterval } from '../base/globals.js'
import { pause } from '../base/timing.js'
import { Waiters } from '../base/waiters.js'
import type { NatsSettings, NewStream } from './nats-options.js'

const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 2000
/** Error codes of the JetStream API. */
const STREAM_NOT_FOUND = 10059
const STREAM_NAME_IN_USE = 10058
const SUBJECTS_OVERLAP = 10065
/** What the server reports when another client creates the same stream. */
const MADE_ELSEWHERE = [STREAM_NAME_IN_USE, SUBJECTS_OVERLAP]
const MESSAGE_TOO_LARGE = 10054
const HEADERS_TOO_LARGE = 10097
export const WRONG_LAST_SEQUENCE = 10071

/** Called with each error after which the operation is tried again. */
export type OnRetry = (error: Error) => void

interface Publish {
  readonly subject: string
  readonly deadlineMs: number
  readonly resolve: (acknowledgement: PublishAck) => void
  readonly reject: (error: Error) => void
}

/** JetStream's acknowledgement of a stored message. */
export interface PublishAck {
  readonly seq: number
  readonly duplicate: boolean
}

interface RawAck {
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string }
}

/** JetStream has refused a message. */
export class RefusedByStream extends Error {
  readonly code: number

  constructor(code: number, description: string) {
    super(`JetStream refused a message: ${description} (${code})`)
    this.code = code
  }
}

export class NatsLink {
  readonly #settings: NatsSettings
  #state: 'down' | 'up' | 'closed' = 'down'
  #connecting: Promise<void> | undefined
  #nc: NatsConnection | undefined
  #jsm: JetStreamManager | undefined
  #failure: Error | undefined
  readonly #up = new Waiters()
  readonly #onDown = new Set<() => void>()
  readonly #publishes = new Map<string, Publish>()
  #inbox = ''
  #nextToken = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(settings: NatsSettings) {
    this.#settings = settings
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
        if (error instanceof JetStreamApiError && error.status < 500) {
          throw new IpcError('ERR_IPC_SYSTEM', `NATS refuses the stream: ${error.message}`, { cause: error })
        }
        // JetStream is not ready or has no room for the stream, or the connection was lost.
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
    const token = String(this.#nextToken++)
    return new Promise((resolve, reject) => {
      try {
        nc.publish(subject, data, { reply: this.#inbox + token, headers: hdrs })
      } catch (error) {
        reject(isTooLarge(error) ? tooLarge(error) : toError(error))
        return
      }
      this.#publishes.set(token, {
        subject,
        deadlineMs: monotonicMs() + this.#settings.ackTimeoutMs,
        resolve,
        reject,
      })
    })
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    clearInterval(this.#sweep)
    this.#failPublishes(notConnected())
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
    if (this.#state === 'closed') {
      await nc.close()
      throw notConnected()
    }
    this.#nc = nc
    this.#jsm = await jetstreamManager(nc, { checkAPI: false, timeout: this.#settings.ackTimeoutMs })
    this.#inbox = `${createInbox(this.#settings.connection.inboxPrefix)}.`
    nc.subscribe(`${this.#inbox}*`, {
      callback: (error, { subject, data, headers: status }) => {
        if (error === null) this.#onReply(subject.slice(this.#inbox.length), data, status)
      },
    })
    clearInterval(this.#sweep)
    this.#sweep = setInterval(() => {
      this.#expire()
    }, 250).unref()
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
      else if (status.type === 'error') this.#onServerError(status.error)
      else if (status.type === 'reconnect' && this.#state === 'down') {
        this.#state = 'up'
        this.#up.wake()
      }
    }
  }

  /** The server sends no acknowledgement, not even a negative one, for a message that it does not permit. */
  #onServerError(error: Error): void {
    if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return
    for (const [token, { subject, reject }] of this.#publishes) {
      if (subject !== error.subject) continue
      this.#publishes.delete(token)
      const why = `NATS does not permit a message to ${subject}: give this user permission to publish there`
      reject(new IpcError('ERR_IPC_SYSTEM', why, { cause: error }))
    }
  }

  #goDown(): void {
    if (this.#state === 'up') this.#state = 'down'
    this.#failPublishes(notConnected())
    if (this.#failure !== undefined) this.#up.wake()
    for (const listener of [...this.#onDown]) listener()
  }

  #failPublishes(error: Error): void {
    const publishes = [...this.#publishes.values()]
    this.#publishes.clear()
    for (const { reject } of publishes) reject(error)
  }

  #onReply(token: string, data: Uint8Array, status: MsgHdrs | undefined): void {
    const publish = this.#publishes.get(token)
    if (publish === undefined) return
    this.#publishes.delete(token)
    if (status !== undefined && status.code >= 400) {
      publish.reject(new IpcError('ERR_IPC_CLOSED', `no stream takes the subject (${status.code})`))
      return
    }
    let ack: RawAck
    try {
      ack = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as RawAck
    } catch (error) {
      publish.reject(
        new IpcError('ERR_IPC_INVALID_MESSAGE', 'JetStream sent an invalid acknowledgement', {
          cause: error,
        }),
      )
      return
    }
    if (ack.error !== undefined) {
      const { err_code: code = 0, description = '' } = ack.error
      const refusal = new RefusedByStream(code, description)
      publish.reject(code === MESSAGE_TOO_LARGE || code === HEADERS_TOO_LARGE ? tooLarge(refusal) : refusal)
    } else {
      publish.resolve({ seq: ack.seq ?? 0, duplicate: ack.duplicate === true })
    }
  }

  #expire(): void {
    const nowMs = monotonicMs()
    for (const [token, { deadlineMs, reject }] of this.#publishes) {
      // In the order of publishing; all have the same time-out.
      if (deadlineMs > nowMs) return
      this.#publishes.delete(token)
      reject(
        new IpcError(
          'ERR_IPC_TIMEOUT',
          `JetStream did not acknowledge within ${this.#settings.ackTimeoutMs} ms`,
        ),
      )
    }
  }

  async #ensure(stream: NewStream, signal: AbortSignal): Promise<StreamInfo> {
    const found = await this.#find(stream.name)
    if (found !== undefined) return found
    try {
      return await this.ask(({ streams }) => streams.add(stream))
    } catch (error) {
      if (!MADE_ELSEWHERE.some((code) => hasApiCode(error, code))) throw error
      return this.#awaitStream(stream.name, toError(error), signal)
    }
  }

  /**
   * Waits for a stream that another bridge creates at this moment, perhaps with other limits. Until that has finished,
   * the server reports its subjects as taken and does not know its name.
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
      if (hasApiCode(error, STREAM_NOT_FOUND)) return undefined
      throw error
    }
  }
}

/** Whether an error is one of the JetStream API with this code. */
export function hasApiCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

function ignore(): void {
  // The caller is not interested in retries.
}

/** The error while there is no connection. */
export function notConnected(): IpcError {
  return new IpcError('ERR_IPC_CLOSED', 'there is no connection to NATS')
}

function tooLarge(cause: unknown): IpcError {
  return new IpcError('ERR_IPC_MESSAGE_TOO_LARGE', `NATS does not take it: ${describeError(cause)}`, {
    cause,
  })
}

function isTooLarge(error: unknown): boolean {
  return /max_payload/i.test(describeError(error))
}

/**
 * Whether the server had no time to check the credentials, as when many clients connect at once. The client takes that for wrong
 * credentials: it gives up at the second time, however long ago the first one was.
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
