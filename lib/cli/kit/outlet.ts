// The destination of messages that commands send: a plain sender on one connection, or an acknowledged sender, with or
// without a spool.

import { hasCode, IpcError, toError } from '../../base/errors.js'
import { clearTimeout, setTimeout } from '../../base/globals.js'
import type { SOCMessage } from '../../message/message.js'
import type { Connection } from '../../connection/connection.js'
import type { DialOptions } from '../../connection/dial.js'
import type { SendResult } from '../../delivery/index.js'
import type { Address } from './addresses.js'
import type { Library } from './load.js'
import { unlessFired } from './waiting.js'

export interface OutletOptions {
  readonly acknowledged: boolean
  readonly spool: string | undefined
  readonly retries: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The outcomes of the messages that were sent. */
export interface OutletResult {
  readonly acknowledged: number
  readonly rejected: number
  /** The reason of the first rejection. */
  readonly reason: string | undefined
  /** Still in the spool. */
  readonly spooled: number
  /** The most messages that may or may not be in the spool: it failed, or had not finished, before it confirmed them. */
  readonly unconfirmed: number
  /** Written to a peer that does not acknowledge. */
  readonly written: number
  /** The error because of which messages did not arrive. */
  readonly error: Error | undefined
}

export interface Outlet {
  /** Sends messages in their order. Resolves when more messages may be sent. */
  send(messages: readonly SOCMessage[]): Promise<void>
  /** Sends one message. Resolves with its outcome when it is settled; rejects if it was given up. */
  settle(message: SOCMessage): Promise<SendResult>
  /** Resolves when more messages may be sent. */
  ready(): Promise<void>
  /** Returns the outcome of the messages so far. */
  result(): OutletResult
  /** Waits for pending messages, for at most `timeoutMs`, and closes the connection. Never rejects. */
  close(timeoutMs: number): Promise<OutletResult>
}

/** @throws {IpcError} as `dial`; for an acknowledged outlet without a spool, if no listener is reached in time */
export async function openOutlet(
  library: Library,
  { name }: Address,
  dialOptions: DialOptions,
  options: OutletOptions,
): Promise<Outlet> {
  const { acknowledged, retries, signal } = options
  if (acknowledged) return AcknowledgedOutlet.open(library, name, dialOptions, options)
  const connection = await unlessFired(
    signal,
    'dialling',
    library.dialWithRetry(name, retries, { ...dialOptions, signal }),
  )
  return new PlainOutlet(library, connection, options)
}

class PlainOutlet implements Outlet {
  readonly #connection: Connection
  readonly #sender: InstanceType<Library['Sender']>
  readonly #signal: AbortSignal
  #written = 0

  constructor(library: Library, connection: Connection, { timeoutMs, signal }: OutletOptions) {
    this.#connection = connection
    this.#sender = new library.Sender(connection, 'send', { timeoutMs })
    this.#signal = signal
  }

  async send(messages: readonly SOCMessage[]): Promise<void> {
    // A partly written message cannot be withdrawn: do not wait for it.
    await unlessFired(this.#signal, 'sending', this.#sender.sendBatch(messages, { signal: this.#signal }))
    this.#written += messages.length
  }

  async settle(message: SOCMessage): Promise<SendResult> {
    await this.send([message])
    return { status: 'written' }
  }

  ready(): Promise<void> {
    return Promise.resolve()
  }

  result(): OutletResult {
    const none = {
      acknowledged: 0,
      rejected: 0,
      reason: undefined,
      spooled: 0,
      unconfirmed: 0,
      error: undefined,
    }
    return { ...none, written: this.#written }
  }

  async close(timeoutMs: number): Promise<OutletResult> {
    const closed = this.#sender.close().then(() => undefined, toError)
    const timer = setTimeout(() => {
      this.#connection.destroy()
    }, timeoutMs)
    const error = await closed
    clearTimeout(timer)
    return { ...this.result(), error }
  }
}

type Acknowledged = InstanceType<Library['AcknowledgedSender']>

class AcknowledgedOutlet implements Outlet {
  readonly #sender: Acknowledged
  readonly #spooled: boolean
  readonly #signal: AbortSignal
  readonly #state: { reason: string | undefined; lastError: IpcError | undefined }
  /** Messages of batches that the spool has kept as a whole. */
  #confirmed = 0
  /** The error of a send that was given up, other than by closing. */
  #error: Error | undefined

  private constructor(
    sender: Acknowledged,
    spooled: boolean,
    signal: AbortSignal,
    state: { reason: string | undefined; lastError: IpcError | undefined },
  ) {
    this.#sender = sender
    this.#spooled = spooled
    this.#signal = signal
    this.#state = state
  }

  static async open(
    library: Library,
    name: string,
    dialOptions: DialOptions,
    { spool: directory, timeoutMs, signal }: OutletOptions,
  ): Promise<AcknowledgedOutlet> {
    const { directory: where, path, policy } = dialOptions
    const spool = directory === undefined ? undefined : await library.Spool.open({ directory })
    const state: { reason: string | undefined; lastError: IpcError | undefined } = {
      reason: undefined,
      lastError: undefined,
    }
    const sender = new library.AcknowledgedSender(name, {
      ...(where !== undefined && { directory: where }),
      ...(path !== undefined && { path }),
      ...(policy !== undefined && { policy }),
      ...(spool !== undefined && { spool }),
      // Without a spool, messages cannot wait for a receiver, so it must be reached in time.
      ...(spool === undefined && { giveUpAfterMs: timeoutMs }),
      onEvent: (event) => {
        if (event.type === 'rejected') state.reason ??= event.reason
        else if (event.type === 'retrying') state.lastError = event.error
        else if (event.type === 'failed') state.lastError ??= event.error
      },
    })
    return new AcknowledgedOutlet(sender, spool !== undefined, signal, state)
  }

  async send(messages: readonly SOCMessage[]): Promise<void> {
    const settled = this.#sender.sendBatch(messages)
    settled.then(
      () => {
        this.#confirmed += messages.length
      },
      (error: unknown) => {
        if (!hasCode(error, 'ERR_IPC_TIMEOUT')) this.#error ??= toError(error)
      },
    )
    try {
      if (this.#spooled) await unlessFired(this.#signal, 'spooling', settled)
      await unlessFired(this.#signal, 'sending', this.#sender.drained())
    } catch (error) {
      throw this.#explained(toError(error))
    }
  }

  async settle(message: SOCMessage): Promise<SendResult> {
    const result = await this.#sender.send(message)
    ++this.#confirmed
    return result
  }

  ready(): Promise<void> {
    return unlessFired(this.#signal, 'sending', this.#sender.drained())
  }

  result(): OutletResult {
    const { accepted, recovered, acknowledged, rejected, written, pending, dropped, droppedBy } =
      this.#sender.stats
    const { reason } = this.#state
    const counts = { acknowledged, rejected, reason, written, error: undefined }
    if (!this.#spooled) return { ...counts, spooled: 0, unconfirmed: 0 }
    // Messages given up in time stay in the spool; others that were given up have never been in it.
    const left = pending + droppedBy.timeout
    const unkept = accepted - recovered - this.#confirmed - (dropped - droppedBy.timeout)
    const unconfirmed = Math.min(left, Math.max(0, unkept))
    return { ...counts, spooled: left - unconfirmed, unconfirmed }
  }

  async close(timeoutMs: number): Promise<OutletResult> {
    const closed = await this.#sender.close({ timeoutMs }).then(() => undefined, toError)
    // Messages that wait in a spool have not failed.
    const isLate = this.#spooled && closed !== undefined && hasCode(closed, 'ERR_IPC_TIMEOUT')
    const failure = this.#error ?? (isLate ? undefined : closed)
    const error = failure === undefined ? undefined : this.#explained(failure)
    return { ...this.result(), error }
  }

  /** Prefers the last error of the connection, which is more specific than "messages were given up". */
  #explained(error: Error): Error {
    const { lastError } = this.#state
    return lastError !== undefined && hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT') ? lastError : error
  }
}
