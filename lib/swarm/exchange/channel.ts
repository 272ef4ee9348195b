// One connection as an exchange sees it: messages in, messages out, and one deadline for all of it. Must not know what
// the messages mean.

import { clearTimeout, setTimeout } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import { abortedError, hasCode, IpcError, toError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import { newSOCMessage } from '../../message/new-message.js'
import type { PeerIdentity } from '../../peer/peer.js'
import { Receiver } from '../../endpoints/receiver.js'
import { Sender } from '../../endpoints/sender.js'
import type { SwarmPayloads } from '../protocol/messages.js'
import { partsOf, shortPayloadOf, type PayloadParts, type TakeTurn } from '../protocol/payload-parts.js'
import { quoteName } from '../../base/quote.js'
import { invalid, STORE_STUCK } from '../protocol/protocol-error.js'

/** How a {@link Channel} is bounded. */
export interface ChannelOptions {
  /** Milliseconds that the whole exchange may take. */
  readonly timeoutMs: number
  /** Ends the exchange when it fires. */
  readonly signal: AbortSignal | undefined
  readonly takeTurn: TakeTurn
}

/** Messages that may wait while the peer reads nothing: a page, and the confirmations of the peer's pages. */
const MAX_PENDING = 64

/**
 * Carries the messages of one exchange.
 *
 *     open ──fail: time-out, signal, first error──▶ failed ──dispose──▶ disposed
 *      └───────────────────────dispose──────────────────────────────────▲
 */
export class Channel {
  readonly #connection: Connection
  readonly #receiver: Receiver
  readonly #sender: Sender
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal | undefined
  readonly #takeTurn: TakeTurn
  readonly #timeoutMs: number
  readonly #onAbort: () => void
  #onFailure: () => void = () => undefined
  /** The error that ended the exchange; undefined while open. */
  #failure: Error | undefined

  constructor(connection: Connection, name: string, { timeoutMs, signal, takeTurn }: ChannelOptions) {
    this.#connection = connection
    this.#receiver = new Receiver(connection, name)
    // The deadline of the exchange bounds every send.
    this.#sender = new Sender(connection, name, { timeoutMs: Infinity, maxPending: MAX_PENDING })
    this.#takeTurn = takeTurn
    this.#timeoutMs = timeoutMs
    this.#timer = setTimeout(() => {
      this.fail(
        new IpcError('ERR_IPC_TIMEOUT', `${name}: the exchange did not finish within ${timeoutMs} ms`),
      )
    }, timeoutMs)
    this.#signal = signal
    this.#onAbort = () => {
      if (signal !== undefined) this.fail(abortedError(signal, name))
    }
    signal?.addEventListener('abort', this.#onAbort)
    if (signal?.aborted === true) this.#onAbort()
  }

  /** The process at the other end, as the kernel identified it. */
  get peer(): PeerIdentity {
    return this.#connection.peer
  }

  /**
   * Returns the next message.
   *
   * @throws {IpcError} the error that ended the exchange; ERR_IPC_CLOSED if the peer hung up
   */
  async receive(): Promise<SOCMessage> {
    const message = await this.#next()
    if (message !== undefined) return message
    throw new IpcError('ERR_IPC_CLOSED', 'the peer hung up in the middle of the exchange')
  }

  /** Returns the short payload of the next message, which must be of this type. @throws as {@link receive} */
  async expect(type: keyof SwarmPayloads): Promise<unknown> {
    return this.shortPayload(await this.#receiveOf(type))
  }

  /** Returns the payload of the next message in parts; it must be of this type. @throws as {@link receive} */
  async expectParts(type: keyof SwarmPayloads): Promise<PayloadParts> {
    return this.parts(await this.#receiveOf(type))
  }

  /** Returns a payload that must be short. @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
  shortPayload(message: SOCMessage): Promise<unknown> {
    return shortPayloadOf(message.rawPayload ?? '', quoteName(message.type), this.#takeTurn)
  }

  /** Returns a payload with long lists in parts. @throws {IpcError} ERR_IPC_INVALID_MESSAGE */
  parts(message: SOCMessage): Promise<PayloadParts> {
    return partsOf(message.rawPayload ?? '', this.#takeTurn)
  }

  /** Waits until the peer hangs up without sending anything else. @throws as {@link receive} */
  async expectEnd(): Promise<void> {
    const message = await this.#next()
    if (message !== undefined) {
      throw invalid('unexpected-message', `expected the end of the stream, got a ${quoteName(message.type)}`)
    }
  }

  /** Resolves when the kernel has the message. */
  async send(message: SOCMessage): Promise<void> {
    try {
      await this.#sender.send(message)
    } catch (error) {
      throw this.#failure ?? error
    }
  }

  /** Sends without waiting. If both peers waited until their confirmations were sent, they could deadlock. */
  post(message: SOCMessage): void {
    this.#sender.send(message).catch((error: unknown) => {
      this.fail(
        hasCode(error, 'ERR_IPC_BUFFER_FULL')
          ? new IpcError('ERR_IPC_CLOSED', 'the peer sends pages and does not read their confirmations')
          : toError(error),
      )
    })
  }

  /** Ends the exchange: every wait for the peer rejects with this error. Later errors are ignored. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#connection.destroy()
    this.#onFailure()
  }

  /**
   * Settles as `work` does. After the exchange has failed, `work` can only be waiting for the fact store, which may
   * take as long again as the whole exchange to finish what it is writing.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT, reason `store-stuck`, if it did not return in time; what `work` rejects with
   */
  bounded<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let grace: NodeJS.Timeout | undefined
      this.#onFailure = () => {
        grace = setTimeout(() => {
          const message = `the fact store did not return within ${this.#timeoutMs} ms of the failure of the exchange`
          reject(new IpcError('ERR_IPC_TIMEOUT', message, { reason: STORE_STUCK, cause: this.#failure }))
        }, this.#timeoutMs)
      }
      if (this.#failure !== undefined) this.#onFailure()
      void work.then(resolve, reject).finally(() => {
        this.#onFailure = () => undefined
        clearTimeout(grace)
      })
    })
  }

  /** Closes, and waits until the kernel has everything that was sent. */
  async close(): Promise<void> {
    await this.#sender.close()
  }

  /** Releases everything, in any state. */
  async dispose(): Promise<void> {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#connection.destroy()
    await this.#connection.whenClosed()
  }

  async #receiveOf(type: keyof SwarmPayloads): Promise<SOCMessage> {
    const message = await this.receive()
    if (message.type === type) return message
    throw invalid('unexpected-message', `expected a ${type}, got a ${quoteName(message.type)}`)
  }

  async #next(): Promise<SOCMessage | undefined> {
    let result
    try {
      result = await this.#receiver.next()
    } catch (error) {
      throw this.#failure ?? error
    }
    if (this.#failure !== undefined) throw this.#failure
    return result.done === true ? undefined : result.value
  }
}

/** Makes a message of the swarm. It has no id, because Go's messages have none; Go ignores the `ts`. */
export function swarmMessage<Type extends keyof SwarmPayloads>(
  type: Type,
  payload: SwarmPayloads[Type],
): SOCMessage {
  return newSOCMessage(type, payload, { id: '' })
}
