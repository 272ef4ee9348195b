// Sends until the receiving application has said that it is done: across lost connections, restarts of the receiver, and
// with a spool across restarts of this process. Dials by itself; each connection is a SenderLink.

import type { Connection } from '../connection.js'
import { IpcError } from '../errors.js'
import { checkFrameSize, MAX_MESSAGE_BYTES } from '../envelope.js'
import { DEFAULT_TIMEOUT_MS, frameOf, sizeBound, SOCMessage } from '../message.js'
import { checkTimeout } from '../timing.js'
import { Waiters } from '../waiters.js'
import { isControl } from './control.js'
import { MemorySource } from './memory-source.js'
import {
  checkOptions,
  type AcknowledgedSenderOptions,
  type AcknowledgedSenderState,
  type AcknowledgedSenderStats,
  type CheckedOptions,
} from './options.js'
import { Outbox } from './outbox.js'
import type { DropReason, SendResult } from './receipt.js'
import { keepConnected, type RedialEvents } from './redialler.js'
import { SenderLink } from './sender-link.js'
import type { Source, SourceEvents } from './source.js'
import { SpoolSource } from './spool-source.js'

/**
 * Sends messages to whoever listens at an address until they are acknowledged, in order. Dials at once, and again whenever
 * the connection is lost.
 */
export class AcknowledgedSender {
  /** Name of the pipe. */
  readonly name: string
  readonly #options: CheckedOptions
  readonly #onDrop: AcknowledgedSenderOptions['onDrop']
  readonly #onEvent: AcknowledgedSenderOptions['onEvent']
  readonly #source: Source
  readonly #outbox: Outbox
  readonly #recovered: number
  readonly #dropped: Record<DropReason, number> = {
    full: 0,
    invalid: 0,
    expired: 0,
    storage: 0,
    undeliverable: 0,
    timeout: 0,
  }
  #accepted = 0
  #connections = 0
  #link: SenderLink | undefined
  #state: AcknowledgedSenderState = 'connecting'
  #everAcknowledged = false
  #failure: IpcError | undefined
  #closing: Promise<void> | undefined
  #scheduled = false
  readonly #idle = new Waiters()
  readonly #wantRoom = new Waiters()
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /** @throws TypeError, RangeError for options that make no sense; {@link IpcError} ERR_IPC_PATH_TOO_LONG */
  constructor(name: string, options: AcknowledgedSenderOptions = {}) {
    this.name = name
    this.#options = checkOptions(name, options)
    this.#onDrop = options.onDrop
    this.#onEvent = options.onEvent
    const { maxMessages, maxBytes, onFull } = this.#options
    const events = this.#sourceEvents()
    this.#recovered = this.#accepted = options.spool?.messages ?? 0
    this.#source =
      options.spool === undefined
        ? new MemorySource(name, maxMessages, maxBytes, onFull, events)
        : new SpoolSource(name, options.spool, maxMessages, maxBytes, onFull, events)
    this.#outbox = new Outbox(this.#source)
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
    return this.#source.pending
  }

  get stats(): AcknowledgedSenderStats {
    return {
      accepted: this.#accepted,
      recovered: this.#recovered,
      acknowledged: this.#outbox.acknowledgedMessages,
      written: this.#outbox.writtenMessages,
      pending: this.#source.pending,
      dropped: Object.values(this.#dropped).reduce((sum, count) => sum + count, 0),
      droppedBy: { ...this.#dropped },
      connections: this.#connections,
    }
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
    let bytes = 0
    try {
      for (const message of messages) bytes += checkMessage(message)
    } catch (error) {
      return rejected(error as Error)
    }
    return this.#source.accept(messages, bytes)
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
    if (!this.#source.roomy) return this.#wantRoom.wait()
    return this.#link?.blocked === true ? this.#roomyNextTurn() : Promise.resolve()
  }

  /**
   * Resolves when nothing is pending: all that was taken is acknowledged (or written, where the peer does not), or given
   * up.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the sender is closed or has failed before
   */
  flush(): Promise<void> {
    if (this.pending === 0) return Promise.resolve()
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return this.#idle.wait()
  }

  /**
   * Takes no more messages, waits until nothing is pending, then hangs up. Safe to call again.
   *
   * @param options.timeoutMs how long to wait. Default: {@link DEFAULT_TIMEOUT_MS}. What is still pending then is given
   *   up, counted and reported; a spool keeps it for the next process instead, and is closed with the sender.
   * @throws {IpcError} ERR_IPC_TIMEOUT or ERR_IPC_CLOSED when something was given up
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = checkTimeout(options.timeoutMs, DEFAULT_TIMEOUT_MS)
    return (this.#closing ??= this.#close(timeoutMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #roomyNextTurn(): Promise<void> {
    await new Promise(setImmediate)
    if (!this.#source.roomy) await this.#wantRoom.wait()
  }

  async #close(timeoutMs: number): Promise<void> {
    let error = this.#failure
    this.#wantRoom.fail(new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`))
    await this.#source.settled()
    if (error === undefined && this.pending > 0) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
      await Promise.race([this.#idle.wait(), late]).catch(() => (error = this.#failure))
      clearTimeout(timer)
    }
    if (error === undefined && this.pending > 0) {
      const timeout = new IpcError(
        'ERR_IPC_TIMEOUT',
        `${this.name}: ${this.pending} messages were not acknowledged in ${timeoutMs} ms`,
      )
      this.#source.abandon(timeout, 'timeout')
      if (this.#dropped.timeout > 0) error = timeout
      this.#idle.fail(timeout)
    }
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#stop.abort()
    this.#link?.end()
    await this.#running
    await this.#source.close()
    if (error !== undefined) throw error
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

  #sourceEvents(): SourceEvents {
    return {
      onReady: () => {
        if (this.#scheduled) return
        this.#scheduled = true
        queueMicrotask(() => {
          this.#scheduled = false
          this.#link?.pump()
          // What the spool has now, takes no room here any more.
          this.#onProgress()
        })
      },
      onAccepted: (messages) => {
        this.#accepted += messages
      },
      onDropped: (count, reason, error, messages) => {
        this.#dropped[reason] += count
        this.#onDrop?.({ count, reason, error, messages })
        queueMicrotask(() => {
          this.#onProgress()
        })
      },
    }
  }

  #onProgress(): void {
    if (this.#source.pending === 0) this.#idle.wake()
    if (this.#source.roomy) this.#wantRoom.wake()
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
    const link = new SenderLink(connection, this.#outbox, this.#options.link, {
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
        this.#onProgress()
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
    this.#source.abandon(error, 'undeliverable')
    this.#idle.fail(error)
    this.#wantRoom.fail(error)
    this.#onEvent?.({ type: 'failed', error })
  }
}

/** Answers how large it is; throws for what can never be sent. */
function checkMessage(message: SOCMessage): number {
  if (!(message instanceof SOCMessage)) throw new TypeError('a message must be a SOCMessage')
  if (isControl(message)) {
    throw new IpcError('ERR_IPC_INVALID_MESSAGE', 'the message has the id of those that acknowledge', {
      reason: 'reserved-id',
    })
  }
  const bytes = sizeBound(message)
  if (bytes * 3 > MAX_MESSAGE_BYTES) checkFrameSize(frameOf(message))
  return bytes
}

function rejected(error: Error): Promise<never> {
  return Promise.reject(error)
}
