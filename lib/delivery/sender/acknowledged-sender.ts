// Sends until the receiving application has finished the messages: across lost connections, restarts of the receiver,
// and with a spool across restarts of this process. Dials by itself; each connection is a SenderLink, and the messages
// are in the Backlog.
//
//     connecting <──> acknowledging | unacknowledged
//         └──────────────────┴──> closed | failed

import { AbortController, setImmediate } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import { IpcError, rejected } from '../../base/errors.js'
import { checkOptions, milliseconds, type OptionTable } from '../../base/options.js'
import { checkTimeout, settlesWithin } from '../../base/timing.js'
import type { SOCMessage } from '../../message/message.js'
import { isObserved, report, type LifecycleChange } from '../../observe/lifecycle.js'
import { forget, observe } from '../../observe/registry.js'
import { Backlog } from './backlog.js'
import { SenderLink } from './link.js'
import {
  checkSenderOptions,
  type AcknowledgedSenderOptions,
  type AcknowledgedSenderState,
  type AcknowledgedSenderStats,
  type CheckedOptions,
} from './options.js'
import type { SendResult } from './outcome.js'
import { keepConnected, type Use } from './redialler.js'

/** Milliseconds that the spool may take to record settlements when nothing else is pending. */
const RELEASE_WITHIN_MS = 1000
const CLOSE_TABLE: OptionTable<{ timeoutMs?: number }> = { timeoutMs: milliseconds }

/**
 * Sends messages to the listener at an address, in order, until they are acknowledged. Dials at once, and again
 * whenever the connection is lost.
 */
export class AcknowledgedSender {
  /** Name of the pipe. */
  readonly name: string
  readonly #options: CheckedOptions
  readonly #backlog: Backlog
  #connections = 0
  #link: SenderLink | undefined
  /** The current connection, for events. */
  #connection: Connection | undefined
  #state: AcknowledgedSenderState = 'connecting'
  #everAcknowledged = false
  /** The last error of a connection or of an attempt. Undefined after the peer has acknowledged. */
  #lastError: IpcError | undefined
  #failure: IpcError | undefined
  #closing: Promise<void> | undefined
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /**
   * @throws TypeError for an unknown option, a value of the wrong kind, or a spool that has a sender already;
   *   RangeError for a value that is out of range; {@link IpcError} ERR_IPC_PATH_TOO_LONG
   */
  constructor(name: string, options?: AcknowledgedSenderOptions) {
    this.name = name
    this.#options = checkSenderOptions(name, options)
    this.#backlog = new Backlog(name, this.#options, {
      onRejected: (rejection) => {
        this.#emit({ type: 'rejected', ...rejection })
      },
      onFailed: (error) => {
        this.#fail(error)
      },
    })
    observe('acknowledged-sender', this)
    this.#running = keepConnected(
      name,
      this.#options.redial,
      {
        use: (connection) => this.#use(connection),
        onRetrying: (error, tries, delayMs) => {
          this.#lastError = error
          this.#emit({ type: 'retrying', error, tries, delayMs })
        },
        onGivenUp: (error) => {
          this.#fail(error)
        },
      },
      this.#stop.signal,
    )
  }

  /** What the sender is doing. */
  get state(): AcknowledgedSenderState {
    return this.#state
  }

  /** Accepted messages that are neither settled nor given up (Go: `Pending`). */
  get pending(): number {
    return this.#backlog.pending
  }

  /** Counts since this sender was made. */
  get stats(): AcknowledgedSenderStats {
    return { ...this.#backlog.counts, connections: this.#connections }
  }

  /**
   * Sends a message. Resolves when the message is settled, with `acknowledged` or `rejected`; with a spool, when the
   * spool has it; see {@link SendResult}. Rejects if the message was refused here or given up. An unhandled rejection
   * of an accepted message does not end the process: the message is counted as dropped, and `onDrop` is called.
   *
   * @throws {IpcError} ERR_IPC_BUFFER_FULL (`reason`: the `onFull` that decided, or `disk-full`), ERR_IPC_CLOSED,
   *   ERR_IPC_TIMEOUT (`close` ran out of time, or the sender failed: see `giveUpAfterMs` and `onSilentPeer`),
   *   ERR_IPC_MESSAGE_TOO_LARGE, ERR_IPC_INVALID_MESSAGE, ERR_IPC_SYSTEM (the spool failed; with reason `maybe-kept`
   *   the message is still pending: when the spool is opened again, it is either delivered or no longer in the spool)
   * @throws TypeError for a value that is not a message
   */
  send(message: SOCMessage): Promise<SendResult> {
    return this.sendBatch([message])
  }

  /**
   * Sends messages in their order, the fastest way to send many. Resolves when all of them are settled or spooled, as
   * for {@link send}. With `onFull: 'reject'` either all of them are accepted or none, so never send more than
   * `maxMessages` at once.
   *
   * @throws as {@link send}, with the error of the first message that was given up; the other messages are still
   *   delivered
   */
  sendBatch(messages: readonly SOCMessage[]): Promise<SendResult> {
    const failure = this.#refusal()
    if (failure !== undefined) return Promise.reject(failure)
    if (messages.length === 0) return Promise.resolve({ status: 'acknowledged' })
    return this.#backlog.accept(messages)
  }

  /**
   * Resolves when at most half of the room is in use. If the kernel accepts no more for now, the promise resolves in a
   * later turn of the event loop, so that a producer that only awaits this does not starve it.
   *
   * @throws {IpcError} ERR_IPC_CLOSED when the sender is closed or has failed; its error if it fails while this waits
   */
  drained(): Promise<void> {
    const failure = this.#refusal()
    if (failure !== undefined) return Promise.reject(failure)
    return this.#backlog.roomy && this.#link?.blocked === true ? this.#roomNextTurn() : this.#backlog.room()
  }

  /**
   * Resolves when nothing is pending: every message is acknowledged, rejected, written (to a peer that does not
   * acknowledge), or given up.
   *
   * @throws {IpcError} the error of the sender if it has failed, or fails, while messages are pending; ERR_IPC_TIMEOUT
   *   if `close` gives messages up
   */
  flush(): Promise<void> {
    if (this.#failure !== undefined && this.pending > 0) return Promise.reject(this.#failure)
    return this.#backlog.done()
  }

  /**
   * Accepts no more messages, waits until nothing is pending, then closes the connection. Safe to call again. Settles
   * within `timeoutMs` plus one second, regardless of the peer and the disk.
   *
   * @param options.timeoutMs how long to wait. Default: {@link DEFAULT_TIMEOUT_MS}. Messages still pending then are
   *   given up, counted and reported; a spool keeps them for the next process instead. The spool is closed with the
   *   sender.
   * @throws {IpcError} ERR_IPC_TIMEOUT when something was given up; `cause` is the last error of the connection. The
   *   error of a failed sender, if messages were given up because of it. ERR_IPC_TIMEOUT, reason `spool-hangs`, if the
   *   disk does not respond: the spool is released when it does, and sends that wait for it settle then
   * @throws TypeError, RangeError for options that are not allowed
   */
  close(options?: { timeoutMs?: number }): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = checkTimeout(checkOptions('close', options, CLOSE_TABLE).timeoutMs)
    } catch (error) {
      return rejected(error as Error)
    }
    return (this.#closing ??= this.#close(timeoutMs))
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #roomNextTurn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    const failure = this.#refusal()
    if (failure !== undefined) throw failure
    await this.#backlog.room()
  }

  async #close(timeoutMs: number): Promise<void> {
    const backlog = this.#backlog
    backlog.stopTaking(new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`))
    let late: IpcError | undefined
    if (!(await settlesWithin(this.#settled(), timeoutMs))) {
      const why = `${this.name}: ${this.pending} messages were not settled within ${timeoutMs} ms`
      late = new IpcError('ERR_IPC_TIMEOUT', why, { cause: this.#lastError })
      backlog.abandon(late, 'timeout')
    }
    if (this.#state !== 'failed') this.#state = 'closed'
    this.#stop.abort()
    this.#link?.sayDone()
    this.#link?.end()
    await this.#running
    forget(this)
    if (this.#state === 'closed') this.#emit({ type: 'closed' })
    const released = backlog.close()
    if (!(await settlesWithin(released, RELEASE_WITHIN_MS))) {
      const why = `${this.name}: the spool could not be closed within ${RELEASE_WITHIN_MS} ms; it is released when the disk responds`
      throw new IpcError('ERR_IPC_TIMEOUT', why, { reason: 'spool-hangs', cause: late })
    }
    await released
    for (const error of [this.#failure, late]) {
      if (error !== undefined && backlog.hasGivenUpFor(error)) throw error
    }
  }

  /** Resolves when all accepted messages are as durable as they will get, and nothing is pending. */
  async #settled(): Promise<void> {
    await this.#backlog.flush()
    await this.flush()
  }

  /** Returns why no more messages are accepted; undefined if they are. */
  #refusal(): IpcError | undefined {
    if (this.#failure !== undefined) {
      return new IpcError('ERR_IPC_CLOSED', `${this.name} has failed: ${this.#failure.message}`, {
        cause: this.#failure,
      })
    }
    return this.#closing === undefined ? undefined : new IpcError('ERR_IPC_CLOSED', `${this.name} is closed`)
  }

  /** Uses one connection until it ends. */
  async #use(connection: Connection): Promise<Use> {
    const { peer } = connection
    this.#connection = connection
    const backlog = this.#backlog
    const settledBefore = settledOf(backlog)
    let answered = false
    const connected = (acknowledging: boolean): void => {
      answered = true
      ++this.#connections
      this.#state = acknowledging ? 'acknowledging' : 'unacknowledged'
      this.#emit({ type: 'connected', peer, acknowledging })
    }
    const link = new SenderLink(connection, backlog, this.#options.link, {
      onAnswered: (greeting) => {
        backlog.onGreeting(greeting)
        this.#everAcknowledged = true
        this.#lastError = undefined
        connected(true)
      },
      onUnanswered: (error) => {
        const { onSilentPeer } = this.#options
        this.#lastError = error
        if (this.#everAcknowledged || onSilentPeer === 'retry') return 'close'
        if (onSilentPeer === 'fail') {
          this.#fail(error)
          return 'close'
        }
        this.#emit({ type: 'degraded', error })
        connected(false)
        return 'written'
      },
      onAcknowledgement: (acknowledgement) => backlog.acknowledge(acknowledgement),
      onWritten: (through) => {
        backlog.settleWritten(through)
      },
      onWritable: () => {
        backlog.pump()
      },
    })
    this.#link = link
    backlog.attach(link)
    const error = await link.run()
    backlog.detach(link)
    this.#link = undefined
    if (error !== undefined) this.#lastError = error
    if (this.#state === 'acknowledging' || this.#state === 'unacknowledged') {
      this.#state = 'connecting'
      this.#emit({ type: 'lost', error })
    }
    this.#connection = undefined
    return { answered, useful: settledOf(backlog) > settledBefore, error }
  }

  #fail(error: IpcError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#state = 'failed'
    this.#stop.abort()
    this.#link?.end(error)
    this.#backlog.abandon(error, 'undeliverable')
    this.#emit({ type: 'failed', error })
  }

  #emit(change: LifecycleChange): void {
    const { onEvent } = this.#options
    if (!isObserved(onEvent)) return
    const { name } = this
    const { address = '', id: connection } = this.#connection ?? {}
    report(onEvent, { role: 'acknowledged-sender', name, address, connection }, change)
  }
}

function settledOf({ counts }: Backlog): number {
  return counts.acknowledged + counts.written + counts.rejected
}
