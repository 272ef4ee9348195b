// One connection as an exchange sees it: messages in, messages out, and one moment at which all of it must be over. Must
// not know what the messages mean.

import { clearTimeout, setTimeout } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import { abortedError, IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import { newSOCMessage } from '../../message/new-message.js'
import type { PeerIdentity } from '../../peer/peer.js'
import { Receiver } from '../../endpoints/receiver.js'
import { Sender } from '../../endpoints/sender.js'
import { invalid, quoted } from '../protocol/protocol-error.js'

/** Carries the messages of one exchange. */
export class Channel {
  readonly #connection: Connection
  readonly #receiver: Receiver
  readonly #sender: Sender
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void
  #failure: Error | undefined

  /** @param timeoutMs how long the whole exchange may take */
  constructor(connection: Connection, name: string, timeoutMs: number, signal?: AbortSignal) {
    this.#connection = connection
    this.#receiver = new Receiver(connection, name)
    // Nothing waits longer than the exchange may take.
    this.#sender = new Sender(connection, name, { timeoutMs: Infinity })
    this.#timer = setTimeout(() => {
      this.fail(new IpcError('ERR_IPC_TIMEOUT', `${name}: the exchange was not over within ${timeoutMs} ms`))
    }, timeoutMs)
    this.#signal = signal
    this.#onAbort = () => {
      if (signal !== undefined) this.fail(abortedError(signal, name))
    }
    signal?.addEventListener('abort', this.#onAbort)
    if (signal?.aborted === true) this.#onAbort()
  }

  /** Who is at the other end, as the kernel says. */
  get peer(): PeerIdentity {
    return this.#connection.peer
  }

  /**
   * The next message.
   *
   * @throws {IpcError} what ended the exchange; ERR_IPC_CLOSED when the peer hung up
   */
  async receive(): Promise<SOCMessage> {
    const message = await this.#next()
    if (message !== undefined) return message
    throw new IpcError('ERR_IPC_CLOSED', 'the peer hung up in the middle of the exchange')
  }

  /** The payload of the next message, which must be of this type. @throws as {@link receive} */
  async expect(type: string): Promise<unknown> {
    const message = await this.receive()
    if (message.type === type) return message.payload
    throw invalid('unexpected-message', `a ${type} was due, and a ${quoted(message.type)} came`)
  }

  /** Waits until the peer hangs up, without another word. @throws as {@link receive} */
  async expectEnd(): Promise<void> {
    const message = await this.#next()
    if (message !== undefined) {
      throw invalid('unexpected-message', `the end was due, and a ${quoted(message.type)} came`)
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

  /** Sends without waiting: a reader that waited for its own answers to go out could wait for a peer that does too. */
  post(message: SOCMessage): void {
    this.#sender.send(message).catch((error: unknown) => {
      this.fail(error as Error)
    })
  }

  /** Ends the exchange: whoever waits for the peer gets this error. The first one counts. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#connection.destroy()
  }

  /** Closes, and waits until the kernel has what was sent. */
  async close(): Promise<void> {
    await this.#sender.close()
  }

  /** Gives everything back, whatever state it is in. */
  async dispose(): Promise<void> {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#connection.destroy()
    await this.#connection.whenClosed()
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

/** A message of the swarm. Go knows no ids here, so it has none; Go ignores the `ts`. */
export function swarmMessage(type: string, payload: object): SOCMessage {
  return newSOCMessage(type, payload, { id: '' })
}
