// The requests of the peer: finds their handlers, runs these, and replies with what they return or throw.

import { describeError, IpcError } from '../base/errors.js'
import { callback } from '../base/options.js'
import { isThenable } from '../base/user-code.js'
import type { SOCMessage } from '../message/message.js'
import type { Outbox } from './outbox.js'
import * as wire from './reply.js'
import { RunningHandlers, type RequestContext, type RunningHandler } from './running-handlers.js'

/**
 * Handles a request. The result, or the value that its promise resolves with, becomes the value of the reply: any JSON
 * value, `rawJSON` or undefined. An error that it throws becomes the error of the reply: its `code` and `message`,
 * never its stack.
 */
export type RequestHandler<T = unknown, Reply = unknown> = (
  message: SOCMessage<T>,
  context: RequestContext,
) => Reply | Promise<Reply>

export class IncomingRequests {
  readonly #name: string
  readonly #outbox: Outbox
  readonly #onFinished: () => void
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #running: RunningHandlers
  #closed = false
  #handled = 0
  #refused = 0
  #unsentReplies = 0

  /** @param onFinished called when a handler has finished */
  constructor(name: string, outbox: Outbox, maxBytes: number, onFinished: () => void) {
    this.#name = name
    this.#outbox = outbox
    this.#onFinished = onFinished
    this.#running = new RunningHandlers(maxBytes)
  }

  /** Running handlers. */
  get size(): number {
    return this.#running.size
  }

  get bytes(): number {
    return this.#running.bytes
  }

  get handled(): number {
    return this.#handled
  }

  get refused(): number {
    return this.#refused
  }

  get unsentReplies(): number {
    return this.#unsentReplies
  }

  /** @throws TypeError if the type has a handler already, or the handler is not a function */
  respond(type: string, handler: RequestHandler): void {
    callback(handler, `handler of ${type}`)
    if (this.#handlers.has(type)) throw new TypeError(`${this.#name}: ${type} has a handler already`)
    this.#handlers.set(type, handler)
  }

  /** Refuses all further requests. */
  stop(): void {
    this.#closed = true
  }

  /** Begins another run: the messages taken from now on belong to it, and it keeps this much memory alive. */
  beginRun(bytes: number): void {
    this.#running.beginRun(bytes)
  }

  /**
   * Handles or refuses a message if it is a request; returns false if it is not. Once the connection is closed, no
   * handler begins, even for requests that were read before: their replies cannot be sent, and the signals of the
   * handlers have fired.
   */
  take(message: SOCMessage): boolean {
    const handler = this.#handlers.get(message.type)
    const { id } = message
    if (!id.startsWith(wire.REQUEST_ID_PREFIX) && (handler === undefined || id === '')) return false
    const { unknownType, duplicateId, full, closed } = wire.ReplyErrorCode
    if (handler === undefined) this.#refuse(id, unknownType, `there is no handler for ${message.type}`)
    else if (this.#closed || this.#outbox.closed) this.#refuse(id, closed, 'the peer is closing')
    else if (this.#running.has(id)) this.#refuse(id, duplicateId, 'a request with this id is being handled')
    else if (!this.#running.fits()) this.#refuse(id, full, 'too many requests are being handled')
    else this.#handle(message, handler, this.#running.start(id))
    return true
  }

  /** Handles the peer's message that withdraws a request. */
  takeCancellation(message: SOCMessage): void {
    const id = wire.cancelledRequest(message)
    if (id === undefined || !this.#running.has(id)) return
    this.#running.cancel(id, new IpcError('ERR_IPC_ABORTED', `${this.#name}: the peer withdrew the request`))
  }

  /** Fires the signals of all handlers. */
  cancelAll(reason: IpcError): void {
    this.#running.cancelAll(reason)
  }

  #handle(message: SOCMessage, handler: RequestHandler, running: RunningHandler): void {
    ++this.#handled
    try {
      const result = handler(message, running)
      if (isThenable(result)) {
        result.then(
          (value: unknown) => {
            this.#finish(running, value)
          },
          (error: unknown) => {
            this.#finishWithError(running, error)
          },
        )
      } else {
        this.#finish(running, result)
      }
    } catch (error) {
      this.#finishWithError(running, error)
    }
  }

  #finish(running: RunningHandler, value: unknown): void {
    if (running.finished) return
    let reply: SOCMessage | undefined
    try {
      // May run toJSON of the value, so it comes before any state changes.
      if (!running.cancelled) reply = wire.valueReply(running.id, value)
    } catch (error) {
      reply = wire.errorReply(running.id, wire.ReplyErrorCode.invalid, describeError(error))
    }
    this.#end(running, reply)
  }

  #finishWithError(running: RunningHandler, thrown: unknown): void {
    if (running.finished) return
    const { code, message } = wire.remoteErrorOf(thrown)
    this.#end(running, running.cancelled ? undefined : wire.errorReply(running.id, code, message))
  }

  #end(running: RunningHandler, reply: SOCMessage | undefined): void {
    this.#running.finish(running)
    if (reply !== undefined) this.#reply(running.id, reply)
    this.#onFinished()
  }

  #refuse(id: string, code: string, why: string): void {
    ++this.#refused
    this.#write(wire.errorReply(id, code, why))
  }

  /** Sends the reply of a handler; an error in its place if it does not fit or cannot be sent. */
  #reply(id: string, reply: SOCMessage): void {
    if (this.#outbox.fits(reply)) this.#write(reply, id)
    else this.#refuse(id, wire.ReplyErrorCode.full, 'too many replies wait to be read')
  }

  /** `id` is the id of the request if an error may be sent in place of a reply that cannot be sent. */
  #write(message: SOCMessage, id?: string): void {
    this.#outbox.post(message, (error) => {
      if (id !== undefined && error instanceof IpcError && isAboutTheMessage(error)) {
        this.#write(wire.errorReply(id, error.code, error.message))
      } else {
        ++this.#unsentReplies
      }
    })
  }
}

/** Whether the failure concerns this message only, so that another message can still be sent. */
function isAboutTheMessage({ code }: IpcError): boolean {
  return code === 'ERR_IPC_MESSAGE_TOO_LARGE' || code === 'ERR_IPC_INVALID_MESSAGE'
}
