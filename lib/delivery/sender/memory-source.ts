// Messages of an acknowledged sender that live in this process only. They are laid out as lines when they are sent, or at
// once where none is ever dropped to make room.

import { queueMicrotask } from '../../base/globals.js'
import { invalidPayload } from '../../message/envelope.js'
import { IpcError } from '../../base/errors.js'
import { MessageQueue, type OnFull } from '../../endpoints/message-queue.js'
import { sizeBound, type SOCMessage } from '../../message/message.js'
import { returnSlab } from '../../wire/slabs.js'
import { newSession } from '../protocol/control.js'
import { newRun, type Run } from './in-flight.js'
import { LineDraft, type Drafted } from './line-draft.js'
import { Receipt, type DropReason, type SendResult } from './receipt.js'
import type { Source, SourceEvents } from './source.js'
import { messagesOf, offsetOfLine } from './lines.js'

/** What belongs to a run in flight. */
interface Flight {
  readonly drafted: Drafted<Receipt>
  /** Index of the first receipt that is not settled. */
  at: number
}

export class MemorySource implements Source {
  readonly session = newSession()
  readonly highestBefore = 0
  readonly acknowledgedBefore = 0
  readonly oldest = undefined
  readonly #name: string
  readonly #queue: MessageQueue<Receipt>
  readonly #events: SourceEvents
  readonly #draft = new LineDraft<Receipt>()
  /** Laid out, and not in flight yet. */
  #ready: Drafted<Receipt>[] = []
  readonly #flights = new Map<Run, Flight>()
  /** Turned out not to be messages, and nobody has been told. */
  #refused: { readonly message: SOCMessage; readonly owner: Receipt }[] = []
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
    if (queue.onFull === 'reject') {
      queue.pass(messages.length, bytes)
      for (const message of messages) if (!this.#draft.add(message, receipt)) this.#layOut()
    } else {
      for (const message of messages) {
        if (!queue.push(message, receipt)) this.#dropForRoom(message, receipt)
      }
    }
    this.#events.onReady()
    return receipt.promise
  }

  take(next: number): Run | undefined {
    while (this.#ready.length === 0 && this.#draft.count + this.#queue.waiting > 0) {
      this.#queue.takeWhile((message, receipt) => this.#draft.add(message, receipt))
      this.#layOut()
    }
    const drafted = this.#ready.shift()
    if (drafted === undefined) return undefined
    const run = newRun(next + this.#skipped, drafted.count, drafted.lines)
    this.#skipped = 0
    this.#flights.set(run, { drafted, at: 0 })
    return run
  }

  release(run: Run, begin: number, end: number, status: 'acknowledged' | 'written'): void {
    const flight = this.#flights.get(run)
    if (flight === undefined) return
    const { owners, ends, bytes, slab } = flight.drafted
    this.#released += end - begin
    // What they come to is free when their memory is.
    const whole = end === run.count
    this.#queue.release(end - begin, whole ? bytes : 0)
    if (whole) {
      this.#flights.delete(run)
      if (slab !== undefined && !run.held) returnSlab(slab)
    }
    for (let i = begin; i < end;) {
      const last = ends[flight.at] as number
      const upTo = Math.min(end, last)
      ;(owners[flight.at] as Receipt).settle(status, upTo - i)
      if (upTo === last) ++flight.at
      i = upTo
    }
  }

  settle(): number {
    const released = this.#released
    this.#released = 0
    return released
  }

  abandon(error: IpcError, reason: DropReason): void {
    this.#layOut()
    this.#tellRefused()
    for (const drafted of this.#ready) {
      this.#flights.set(newRun(0, drafted.count, drafted.lines), { drafted, at: 0 })
    }
    this.#ready = []
    let count = 0
    const lost: SOCMessage[] = []
    const told: [Receipt, number][] = []
    for (const [run, { drafted, at }] of this.#flights) {
      const { begin, lines } = run
      count += run.count - begin
      this.#queue.release(run.count - begin, drafted.bytes)
      // Not given back: the connection may still write from it.
      for (const message of messagesOf(lines.subarray(offsetOfLine(lines, begin)))) lost.push(message)
      drafted.owners.slice(at).forEach((receipt, i) => {
        const from = i === 0 ? begin : (drafted.ends[at + i - 1] as number)
        told.push([receipt, (drafted.ends[at + i] as number) - from])
      })
    }
    this.#flights.clear()
    const { messages, owners } = this.#queue.clear()
    count += messages.length
    for (const message of messages) lost.push(message)
    for (const receipt of owners) told.push([receipt, 1])
    if (count > 0) this.#events.onDropped(count, reason, error, lost)
    for (const [receipt, dropped] of told) receipt.drop(error, dropped)
  }

  settled(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Makes what was drafted ready to be sent. */
  #layOut(): void {
    if (this.#draft.count === 0) return
    const drafted = this.#draft.finish()
    if (drafted.count > 0) this.#ready.push(drafted)
    if (drafted.refused.length > 0) this.#refuse(drafted.refused)
  }

  /** Tells when the present work is done, as it runs code of others. Until then they are pending. */
  #refuse(refused: readonly { readonly message: SOCMessage; readonly owner: Receipt }[]): void {
    if (this.#refused.length === 0) {
      queueMicrotask(() => {
        this.#tellRefused()
      })
    }
    this.#refused.push(...refused)
  }

  #tellRefused(): void {
    const refused = this.#refused
    if (refused.length === 0) return
    this.#refused = []
    const error = invalidPayload()
    for (const { message, owner } of refused) {
      this.#queue.release(1, sizeBound(message))
      owner.drop(error)
    }
    const messages = refused.map(({ message }) => message)
    this.#events.onDropped(messages.length, 'invalid', error, messages)
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
