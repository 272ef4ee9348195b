// Messages of an acknowledged sender that are kept in a spool as numbered lines. They are sent only once durable;
// otherwise a crash could reuse a number for another message.
//
//     in use ──a call of the spool throws, or its disk fails for good──> failed   (nothing is taken, read or settled any more)

import { clearInterval, queueMicrotask, setInterval } from '../../base/globals.js'
import { describeError, hasCode, IpcError, isIpcError, rejected } from '../../base/errors.js'
import type { IpcErrorReason } from '../../base/error-reasons.js'
import { Soon } from '../../base/soon.js'
import { priorityOf, type OnFull } from '../../endpoints/message-queue.js'
import type { SOCMessage } from '../../message/message.js'
import { RECORD_BYTES } from '../../spool/messages.js'
import type { SpoolLog } from '../../spool/spool-log.js'
import { messagesOf } from '../protocol/lines.js'
import { Completion, type SendResult } from './outcome.js'
import type { Run } from './run.js'
import { SpoolDraft, type DraftMark, type DraftRecord } from './spool-draft.js'
import { SpoolWindow } from './spool-window.js'
import type { Store, StoreEvents, StoreLimits } from './store.js'

const EXPIRE_EVERY_MS = 1000

export class SpoolStore implements Store {
  readonly #name: string
  readonly #spool: SpoolLog
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #onFull: OnFull
  readonly #events: StoreEvents
  readonly #draft: SpoolDraft
  readonly #window: SpoolWindow
  readonly #soon = new Soon(() => {
    this.#keep()
  })
  /** Appends that are not durable yet. */
  #keeping = new Set<Promise<void>>()
  #keepingMessages = 0
  #keepingBytes = 0
  readonly #expiry: NodeJS.Timeout
  /** Why the spool is no longer used. */
  #failure: IpcError | undefined

  constructor(
    name: string,
    spool: SpoolLog,
    { maxMessages, maxBytes, onFull }: StoreLimits,
    events: StoreEvents,
  ) {
    this.#name = name
    this.#spool = spool
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#onFull = onFull
    this.#events = events
    this.#draft = new SpoolDraft(spool.headerBytes, spool.overheadBytes)
    this.#window = new SpoolWindow(spool, maxMessages, maxBytes)
    spool.attach({
      onLost: (count, reason, error) => {
        this.#window.forget()
        events.onDropped(count, reason, error, [])
      },
      onMore: () => {
        this.#window.readOn()
        events.onReady()
      },
    })
    this.#expiry = setInterval(() => {
      this.#use('expire', undefined, () => {
        spool.expire(this.#window.taken)
      })
    }, EXPIRE_EVERY_MS).unref()
  }

  get session(): string {
    return this.#spool.session
  }

  get recordedThrough(): number {
    return this.#spool.recordedThrough ?? Infinity
  }

  get pending(): number {
    return this.#spool.messages + this.#draft.count
  }

  get roomy(): boolean {
    return (
      (this.#keepingMessages + this.#draft.count) * 2 <= this.#maxMessages &&
      (this.#keepingBytes + this.#draft.bytes) * 2 <= this.#maxBytes &&
      this.#spool.bytes * 2 <= this.#spool.maxBytes
    )
  }

  accept(messages: readonly SOCMessage[]): Promise<SendResult> {
    let before: DraftMark
    try {
      before = this.#draft.add(messages, this.#spool.next)
    } catch (error) {
      return rejected(error as Error)
    }
    const fits = this.#makeRoom(messages)
    if (!fits) this.#draft.rollBack(before)
    if (this.#failure !== undefined) return rejected(this.#failure)
    if (!fits && this.#onFull === 'reject') return rejected(this.#fullError())
    const owner = new Completion(messages.length)
    if (fits) {
      this.#admit(messages, owner, before)
    } else if (this.#onFull === 'shed' && messages.length > 1) {
      // One at a time, so that the important messages among them are accepted.
      for (const message of messages) this.#acceptOne(message, owner)
    } else {
      this.#dropNew(messages, owner)
    }
    return owner.promise
  }

  take(): Run | undefined {
    return this.#use('read', undefined, () => this.#window.take())
  }

  release(run: Run, begin: number, end: number): void {
    this.#window.release(run, end - begin)
    if (run.left === 0 && !run.held) this.#draft.recycle(run.lines)
  }

  settle(first: number, last: number, rejection?: string): number {
    return this.#use('settle', 0, () => this.#spool.settle(first, last, rejection))
  }

  abandon(): void {
    this.#keep()
  }

  async flush(): Promise<void> {
    this.#keep()
    await Promise.all(this.#keeping)
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry)
    await this.flush()
    await this.#spool.close()
  }

  #acceptOne(message: SOCMessage, owner: Completion): void {
    const before = this.#draft.add([message], this.#spool.next)
    if (this.#makeRoom([message])) {
      this.#admit([message], owner, before)
    } else {
      this.#draft.rollBack(before)
      this.#dropNew([message], owner)
    }
  }

  #admit(messages: readonly SOCMessage[], owner: Completion, before: DraftMark): void {
    this.#draft.assign(owner, before)
    this.#events.onAccepted(messages.length)
    if (this.#draft.bytes >= RECORD_BYTES) this.#keep()
    else this.#soon.ask()
  }

  #dropNew(messages: readonly SOCMessage[], owner: Completion): void {
    this.#events.onAccepted(messages.length)
    const error = this.#fullError()
    this.#events.onDropped(messages.length, 'full', error, messages)
    owner.drop(error, messages.length)
  }

  /** Returns whether the draft, with these messages at its end, fits. Other messages may be dropped for it. */
  #makeRoom(messages: readonly SOCMessage[]): boolean {
    return this.#use('makeRoom', false, () => this.#hasMadeRoom(messages))
  }

  #hasMadeRoom(messages: readonly SOCMessage[]): boolean {
    const needed = this.#draft.bytes
    if (
      this.#keepingMessages + this.#draft.count > this.#maxMessages ||
      this.#keepingBytes + needed > this.#maxBytes
    ) {
      return false
    }
    if (this.#spool.fits(needed)) return true
    if (this.#onFull !== 'drop-oldest' && this.#onFull !== 'shed') return false
    let below: number | undefined
    if (this.#onFull === 'shed') {
      below = rankOf(messages)
      if (below === undefined) return false
    }
    const dropped = this.#spool.makeRoom(needed, this.#window.taken, below)
    if (dropped > 0) {
      this.#window.forget()
      this.#events.onDropped(dropped, 'full', this.#fullError(), [])
    }
    return this.#spool.fits(needed)
  }

  /** Gives the draft to the spool. */
  #keep(): void {
    for (const record of this.#draft.take()) {
      const appended = this.#use('append', undefined, () => this.#spool.append(record))
      if (appended === undefined) {
        this.#giveUp(record, this.#failure)
        continue
      }
      const { first, durable } = appended
      this.#keepingMessages += record.count
      this.#keepingBytes += record.value.length
      const kept = durable.then(
        () => {
          this.#onKept(record, first)
        },
        (error: unknown) => {
          this.#onNotKept(record, error)
        },
      )
      this.#keeping.add(kept)
      void kept.finally(() => this.#keeping.delete(kept))
    }
  }

  #onKept(record: DraftRecord, first: number): void {
    this.#uncount(record)
    const lines = record.value.subarray(this.#spool.headerBytes)
    if (!this.#window.offer(first, record.count, lines)) this.#draft.recycle(record.value)
    for (const [owner, messages] of record.owners) owner.settle('spooled', messages)
    this.#events.onReady()
  }

  #onNotKept(record: DraftRecord, cause: unknown): void {
    this.#uncount(record)
    const reason = reasonOf(cause)
    if (reason === 'maybe-kept' || reason === 'spool-failed') this.#fail('append', cause)
    if (reason !== 'maybe-kept') {
      this.#giveUp(record, this.#failure ?? cause)
      return
    }
    // This process cannot know whether the messages were stored: they stay pending.
    const error = new IpcError('ERR_IPC_SYSTEM', `${this.#name}: ${describeError(cause)}`, { cause, reason })
    for (const [owner, count] of record.owners) owner.drop(error, count)
  }

  #giveUp(record: DraftRecord, cause: unknown): void {
    // A full disk gives the same error as `spool.add`; the sender continues.
    const code = hasCode(cause, 'ERR_IPC_BUFFER_FULL') ? cause.code : 'ERR_IPC_SYSTEM'
    const reason = reasonOf(cause)
    const error = new IpcError(
      code,
      `${this.#name}: the spool could not keep ${record.count} messages: ${describeError(cause)}`,
      { cause, ...(reason !== undefined && { reason }) },
    )
    const messages = messagesOf(record.value.subarray(this.#spool.headerBytes))
    this.#events.onDropped(record.count, 'storage', error, messages)
    for (const [owner, count] of record.owners) owner.drop(error, count)
  }

  /** Calls the spool. Returns `otherwise` if it throws, or has thrown before. */
  #use<Value>(what: string, otherwise: Value, call: () => Value): Value {
    if (this.#failure !== undefined) return otherwise
    try {
      return call()
    } catch (cause) {
      this.#fail(what, cause)
      return otherwise
    }
  }

  /** Stops using the spool, and reports the failure. */
  #fail(what: string, cause: unknown): void {
    if (this.#failure !== undefined) return
    const code = isIpcError(cause) ? cause.code : 'ERR_IPC_SYSTEM'
    const error = new IpcError(code, `${this.#name}: the spool failed (${what}): ${describeError(cause)}`, {
      cause,
      reason: 'spool-failed',
    })
    this.#failure = error
    clearInterval(this.#expiry)
    // In a microtask, because the state of this object may be inconsistent here.
    queueMicrotask(() => {
      this.#events.onFailed(error)
    })
  }

  #uncount({ count, value }: DraftRecord): void {
    this.#keepingMessages -= count
    this.#keepingBytes -= value.length
  }

  #fullError(): IpcError {
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.#name}: the spool is full (${this.#spool.messages} messages, ${this.#spool.bytes} bytes)`,
      { reason: this.#onFull },
    )
  }
}

function reasonOf(error: unknown): IpcErrorReason | undefined {
  return isIpcError(error) ? error.reason : undefined
}

/** Returns the priority that all messages have; undefined if their priorities differ. */
function rankOf(messages: readonly SOCMessage[]): number | undefined {
  const ranks = new Set(messages.map(({ type }) => priorityOf(type)))
  return ranks.size === 1 ? [...ranks][0] : undefined
}
