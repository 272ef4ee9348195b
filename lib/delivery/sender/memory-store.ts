// Messages of an acknowledged sender that exist only in this process. They are laid out as lines when they are sent, or
// at once if no message is ever dropped to make room.

import { IpcError } from '../../base/errors.js'
import { queueMicrotask } from '../../base/globals.js'
import { indexAtLeast, itself } from '../../base/sorted.js'
import { MessageQueue } from '../../endpoints/message-queue.js'
import { sizeBound, type SOCMessage } from '../../message/message.js'
import { returnSlab } from '../../wire/slabs.js'
import { newSession } from '../protocol/control.js'
import { messagesOf } from '../protocol/lines.js'
import { LineDraft, type Drafted, type Refused } from './line-draft.js'
import { Completion, type DropReason, type Outcome, type SendResult } from './outcome.js'
import { Run } from './run.js'
import type { Store, StoreEvents, StoreLimits } from './store.js'

/** A run, and the sends that its messages belong to. */
class MemoryRun extends Run {
  readonly drafted: Drafted<Completion>

  constructor(drafted: Drafted<Completion>) {
    super(drafted.first, drafted.count, drafted.lines)
    this.drafted = drafted
  }

  /** Calls `visit` with each owner of the messages [begin, end), and how many of them it has. */
  forEachOwner(begin: number, end: number, visit: (owner: Completion, messages: number) => void): void {
    const { owners, ends } = this.drafted
    let low = indexAtLeast(ends, begin + 1, itself)
    for (let from = begin; from < end; ++low) {
      const to = Math.min(end, ends[low] as number)
      visit(owners[low] as Completion, to - from)
      from = to
    }
  }
}

export class MemoryStore implements Store {
  /** No message survives the process. */
  readonly recordedThrough = Infinity
  readonly session = newSession()
  readonly #name: string
  readonly #queue: MessageQueue<Completion>
  readonly #events: StoreEvents
  readonly #draft = new LineDraft<Completion>()
  /** Laid out but not taken yet. */
  #ready: Drafted<Completion>[] = []
  /** Number of the next line. */
  #next = 1
  /** Messages found to be invalid, not reported yet. */
  #refused: Refused<Completion>[] = []
  #released = 0

  constructor(name: string, { maxMessages, maxBytes, onFull }: StoreLimits, events: StoreEvents) {
    this.#name = name
    this.#events = events
    this.#queue = new MessageQueue(maxMessages, maxBytes, onFull, (message, owner) => {
      this.#dropForRoom(message, owner)
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
    const owner = new Completion(messages.length)
    this.#events.onAccepted(messages.length)
    if (queue.onFull === 'reject') {
      queue.pass(messages.length, bytes)
      for (let next = 0; next < messages.length;) {
        next = this.#draft.addRun(messages, next, owner)
        if (this.#draft.full) this.#layOut()
      }
    } else {
      for (const message of messages) {
        if (!queue.push(message, owner)) this.#dropForRoom(message, owner)
      }
    }
    this.#events.onReady()
    return owner.promise
  }

  take(): Run | undefined {
    while (this.#ready.length === 0 && this.#draft.count + this.#queue.waiting > 0) {
      this.#queue.takeWhile((message, owner) => this.#draft.add(message, owner))
      this.#layOut()
    }
    const drafted = this.#ready.shift()
    return drafted === undefined ? undefined : new MemoryRun(drafted)
  }

  release(run: Run, begin: number, end: number, { status, reason }: Outcome): void {
    if (!(run instanceof MemoryRun)) return
    const { bytes, slab } = run.drafted
    this.#released += end - begin
    // The bytes stop counting when their memory is returned.
    const whole = run.left === 0
    this.#queue.release(end - begin, whole ? bytes : 0)
    if (whole && slab !== undefined && !run.held) returnSlab(slab)
    run.forEachOwner(begin, end, (owner, messages) => {
      owner.settle(status, messages, reason)
    })
  }

  settle(): number {
    const released = this.#released
    this.#released = 0
    return released
  }

  abandon(error: IpcError, reason: DropReason, sent: readonly Run[]): void {
    this.#layOut()
    this.#reportRefused()
    const runs = [...sent, ...this.#ready.map((drafted) => new MemoryRun(drafted))]
    this.#ready = []
    let count = 0
    const lost: SOCMessage[] = []
    const told: [Completion, number][] = []
    for (const run of runs) {
      if (!(run instanceof MemoryRun)) continue
      count += run.left
      this.#queue.release(run.left, run.drafted.bytes)
      // The slab is not returned to the pool: the connection may still write from it.
      run.forEachUnsettled((lines, first, last) => {
        for (const message of messagesOf(lines)) lost.push(message)
        run.forEachOwner(first - run.first, last - run.first + 1, (owner, messages) => {
          told.push([owner, messages])
        })
      })
      run.settle(0, run.count)
    }
    const { messages, owners } = this.#queue.clear()
    count += messages.length
    for (const message of messages) lost.push(message)
    for (const owner of owners) told.push([owner, 1])
    if (count > 0) this.#events.onDropped(count, reason, error, lost)
    for (const [owner, dropped] of told) owner.drop(error, dropped)
  }

  flush(): Promise<void> {
    this.#layOut()
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** Makes the drafted messages ready to be sent. */
  #layOut(): void {
    if (this.#draft.count === 0) return
    const drafted = this.#draft.finish(this.#next)
    this.#next += drafted.count
    if (drafted.count > 0) this.#ready.push(drafted)
    if (drafted.refused.length > 0) this.#refuse(drafted.refused)
  }

  /** Reports refused messages in a microtask. They count as pending until then. */
  #refuse(refused: readonly Refused<Completion>[]): void {
    if (this.#refused.length === 0) {
      queueMicrotask(() => {
        this.#reportRefused()
      })
    }
    this.#refused.push(...refused)
  }

  #reportRefused(): void {
    const refused = this.#refused
    this.#refused = []
    for (const { message } of refused) this.#queue.release(1, sizeBound(message))
    for (const { message, owner, error } of refused) {
      owner.drop(error)
      this.#events.onDropped(1, 'invalid', error, [message])
    }
  }

  #dropForRoom(message: SOCMessage, owner: Completion): void {
    // Its number shows the receiver that a message is missing.
    ++this.#next
    const error = this.#fullError()
    this.#events.onDropped(1, 'full', error, [message])
    owner.drop(error)
  }

  #fullError(): IpcError {
    const { length, bytes, onFull } = this.#queue
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.#name}: ${length} messages (about ${bytes} bytes) wait for their acknowledgement, and there is no room for more`,
      { reason: onFull },
    )
  }
}
