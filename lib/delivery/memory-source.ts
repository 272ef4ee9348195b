// Messages of an acknowledged sender that live in this process only.

import { IpcError } from '../errors.js'
import { MessageQueue, type OnFull } from '../message-queue.js'
import type { SOCMessage } from '../message.js'
import { newSession } from './control.js'
import { messageRun, type MessageRun, type Run } from './in-flight.js'
import { Receipt, type DropReason, type SendResult } from './receipt.js'
import type { Source, SourceEvents } from './source.js'

/** Messages that go into flight together. Those of a run cannot be dropped to make room any more. */
const RUN_MESSAGES = 128

export class MemorySource implements Source {
  readonly session = newSession()
  readonly highestBefore = 0
  readonly acknowledgedBefore = 0
  readonly oldest = undefined
  readonly #name: string
  readonly #queue: MessageQueue<Receipt>
  readonly #events: SourceEvents
  /** Receipts of the messages in flight. */
  readonly #receipts = new Map<MessageRun, Receipt[]>()
  /** Dropped since the last run: the numbers that the peer will find missing. */
  #skipped = 0
  #released = 0

  constructor(name: string, maxMessages: number, maxBytes: number, onFull: OnFull, events: SourceEvents) {
    this.#name = name
    this.#events = events
    this.#queue = new MessageQueue(maxMessages, maxBytes, onFull, (message, receipt) => {
      this.#dropForRoom(message, receipt)
    })
  }

  get pending(): number {
    return this.#queue.length
  }

  get roomy(): boolean {
    return this.#queue.roomy
  }

  accept(messages: readonly SOCMessage[], bytes: number): Promise<SendResult> {
    const queue = this.#queue
    if (queue.onFull === 'reject' && !queue.fits(messages.length, bytes)) {
      return Promise.reject(this.#fullError())
    }
    const receipt = new Receipt(messages.length)
    this.#events.onAccepted(messages.length)
    for (const message of messages) {
      if (!queue.push(message, receipt)) this.#dropForRoom(message, receipt)
    }
    this.#events.onReady()
    return receipt.promise
  }

  take(next: number): Run | undefined {
    if (this.#queue.waiting === 0) return undefined
    const { messages, owners } = this.#queue.takeRun(RUN_MESSAGES)
    const run = messageRun(next + this.#skipped, messages)
    this.#skipped = 0
    this.#receipts.set(run, owners)
    return run
  }

  release(released: Run, begin: number, end: number, status: 'acknowledged' | 'written'): void {
    const run = released as MessageRun
    const receipts = this.#receipts.get(run)
    if (receipts === undefined) return
    this.#released += end - begin
    for (let i = begin; i < end;) {
      const receipt = receipts[i] as Receipt
      let same = 0
      for (; i < end && receipts[i] === receipt; ++i, ++same) {
        this.#queue.release(run.messages[i] as SOCMessage)
      }
      receipt.settle(status, same)
    }
    if (end === run.messages.length) this.#receipts.delete(run)
  }

  settle(): number {
    const released = this.#released
    this.#released = 0
    return released
  }

  refuse(message: SOCMessage, index: number, run: MessageRun, error: IpcError): void {
    const [receipt] = this.#receipts.get(run)?.splice(index, 1) ?? []
    if (run.begin === run.messages.length) this.#receipts.delete(run)
    this.#queue.release(message)
    this.#events.onDropped(1, 'invalid', error, [message])
    receipt?.drop(error)
  }

  abandon(error: IpcError, reason: DropReason): void {
    const lost: SOCMessage[] = []
    const told: Receipt[] = []
    for (const [run, receipts] of this.#receipts) {
      for (const message of run.messages.slice(run.begin)) {
        this.#queue.release(message)
        lost.push(message)
      }
      told.push(...receipts.slice(run.begin))
    }
    this.#receipts.clear()
    const { messages, owners } = this.#queue.clear()
    if (lost.length + messages.length > 0) {
      this.#events.onDropped(lost.length + messages.length, reason, error, [...lost, ...messages])
    }
    for (const receipt of [...told, ...owners]) receipt.drop(error)
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #dropForRoom(message: SOCMessage, receipt: Receipt): void {
    ++this.#skipped
    const error = this.#fullError()
    this.#events.onDropped(1, 'full', error, [message])
    receipt.drop(error)
  }

  #fullError(): IpcError {
    const { length, bytes, onFull } = this.#queue
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.#name}: ${length} messages (about ${bytes} bytes) are not acknowledged`,
      { reason: onFull },
    )
  }
}
