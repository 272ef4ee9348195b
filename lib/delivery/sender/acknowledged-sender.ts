// Sends until the receiving application has said that it is done: across lost connections, restarts of the receiver, and
// with a spool across restarts of this process. Dials by itself; each connection is a SenderLink, and what is to be sent is in
// the Backlog.

import { AbortController, setImmediate } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import { checkTimeout, waitAtMost } from '../../base/timing.js'
import { Backlog } from './backlog.js'
import {
  checkOptions,
  type AcknowledgedSenderOptions,
  type AcknowledgedSenderState,
  type AcknowledgedSenderStats,
  type CheckedOptions,
} from './options.js'
import type { SendResult } from './receipt.js'
import { keepConnected, type RedialEvents } from './redialler.js'
import { SenderLink } from './link.js'

/**
 * Sends messages to whoever listens at an address until they are acknowledged, in order. Dials at once, and again whenever
 * the connection is lost.
 */
export class AcknowledgedSender {
  /** Name of the pipe. */
  readonly name: string
  readonly #options: CheckedOptions
  readonly #onEvent: AcknowledgedSenderOptions['onEvent']
  readonly #backlog: Backlog
  #connections = 0
  #link: SenderLink | undefined
  #state: AcknowledgedSenderState = 'connecting'
  #everAcknowledged = false
  #failure: IpcError | undefined
  #closing: Promise<void> | undefined
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /** @throws TypeError, RangeError for options that make no sense; {@link IpcError} ERR_IPC_PATH_TOO_LONG */
  constructor(name: string, options: AcknowledgedSenderOptions = {}) {
    this.name = name
    this.#options = checkOptions(name, options)
    this.#onEvent = options.onEvent
    this.#backlog = new Backlog(name, this.#options, options, () => {
      this.#link?.pump()
    })
    this.#running = keepConnected(
      name,
      this.#options.redial,
      {
        use: (connection) => this.#use(connection),
        onRetrying: (error, tries, delayMs) => this.#onEvent?.({ type: 'retrying', error, tries, delayMs }),
        onGivenUp: (error) => {
          this.#fail(error)
        },
      },
      this.#stop.signal,
    )
  }

  get state(): AcknowledgedSenderState {
    return this.#state
  }

  /** Messages taken that are neither done with nor given up (Go: `Pending`). */
  get pending(): number {
    return this.#backlog.pending
  }

  get stats(): AcknowledgedSenderStats {
    return { ...this.#backlog.counts, connections: this.#connections }
  }

  /**
   * Sends a message. Resolves when it is acknowledged; with a spool, when it is in there; see {@link SendResult}. Rejects
   * when it was refused or given up. For what was taken and given up later, a rejection that nobody waits for is no
   * unhandled one: it is counted, and `onDrop` told.
   *
   * @throws {IpcError} ERR_IPC_BUFFER_FULL (`reason`: the `onFull` that decided), ERR_IPC_CLOSED, ERR_IPC_TIMEOUT
   *   (`close` ran out of time), ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE, ERR_IPC_SYSTEM (the spool)
   */
  send(message: SOCMessage): Promise<SendResult> {
    return this.sendBatch([message])
  }

  /**
   * Sends messages in their order. Resolves when all of them have got what {@link send} waits for; the fastest way to send
   * many. With `onFull: 'reject'` all of them are taken or none, so never more than `maxMessages` at once.
   *
   * @throws as {@link send}, with the error of the first message that was given up; the others are delivered all the same
   */
  sendBatch(messages: readonly SOCMessage[]): Promise<SendResult> {
    const failure = this.#refusal()
    if (failure !== undefined) return Promise.reject(failure)
    if (messages.length === 0) return Promise.resolve({ status: 'acknowledged' })
    return this.#backlog.accept(messages)
  }

  /**
   * Resolves when there is room: at most half of it is in use. Where the kernel takes no more for now, it lets the event loop
   * turn first, as a loop that only waits for this would keep it from everything else.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the sender is closed or has failed
   */
  drained(): Promise<void> {
    const failure = this.#refusal()
    if (failure !== undefined) return Promise.reject(failure)
    return this.#backlog.roomy && this.#link?.blocked === true ? this.#roomNextTurn() : this.#backlog.room()
  }

  /**
   * Resolves when nothing is pending: all that was taken is acknowledged (or written, where the peer does not), or given
   * up.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the sender is closed or has failed before
   */
  flush(): Promise<void> {
    if (this.#failure !== undefined && this.pending > 0) return Promise.reject(this.#failure)
    return this.#backlog.done()
  }

  /**
   * Takes no more messages, waits until nothing is pending, then hangs up. Safe to call again.
   *
   * @param options.timeoutMs how long to wait. Default: {@link DEFAULT_TIMEOUT_MS}. What is still pending then is given
   *   up, counted and reported; a spool keeps it for the next process instead, and is closed with the sender.
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED when something was given up
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = checkTimeout(options.timeoutMs)
    return (this.#closing ??= this.#close(timeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #roomNextTurn(): Promise<void> {
    await new Promise(setImmediate)
    const failure = this.#refusal()
    if (failure !== undefined) throw failure
    await this.#backlog.room()
  }

  async #close(timeoutMs: number): Promise<void> {
    const backlog = this.#backlog
    backlog.stopTaking(new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`))
    await backlog.settled()
    let late: IpcError | undefined
    await waitAtMost(this.flush(), timeoutMs, () => {
      const why = `${this.name}: ${this.pending} messages were not acknowledged in ${timeoutMs} ms`
      late = new IpcError('ERR_IPC_TIMEOUT', why)
      backlog.abandon(late, 'timeout')
    }).catch(() => undefined) // told below
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#stop.abort()
    this.#link?.end()
    await this.#running
    await backlog.close()
    if (this.#failure !== undefined) throw this.#failure
    if (late !== undefined && backlog.counts.droppedBy.timeout > 0) throw late
  }

  /** Why nothing is taken any more. */
  #refusal(): IpcError | undefined {
    if (this.#failure !== undefined) {
      return new IpcError('ERR_IPC_CLOSED', `${this.name} has failed: ${this.#failure.message}`, {
        cause: this.#failure,
      })
    }
    return this.#closing === undefined ? undefined : new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`)
  }

  /** Uses one connection to its end. */
  async #use(connection: Connection): ReturnType<RedialEvents['use']> {
    const { peer } = connection
    let answered = false
    const connected = (acknowledging: boolean): void => {
      answered = true
      ++this.#connections
      this.#state = acknowledging ? 'acknowledging' : 'unacknowledged'
      this.#onEvent?.({ type: 'connected', peer, acknowledging })
    }
    const link = new SenderLink(connection, this.#backlog.outbox, this.#options.link, {
      onAnswered: () => {
        this.#everAcknowledged = true
        connected(true)
      },
      onUnanswered: () => {
        const { onSilentPeer } = this.#options
        if (this.#everAcknowledged || onSilentPeer === 'retry') return 'close'
        if (onSilentPeer === 'fail') {
          this.#fail(
            new IpcError('ERR_IPC_TIMEOUT', `${this.name}: the peer does not acknowledge`, {
              reason: 'not-acknowledging',
            }),
          )
          return 'close'
        }
        connected(false)
        return 'written'
      },
      onProgress: () => {
        this.#backlog.onProgress()
      },
    })
    this.#link = link
    const error = await link.run()
    this.#link = undefined
    if (this.#state === 'acknowledging' || this.#state === 'unacknowledged') {
      this.#state = 'connecting'
      this.#onEvent?.({ type: 'disconnected', error })
    }
    return { answered, error }
  }

  #fail(error: IpcError): void {
    this.#failure = error
    this.#state = 'failed'
    this.#stop.abort()
    this.#backlog.abandon(error, 'undeliverable')
    this.#onEvent?.({ type: 'failed', error })
  }
}
