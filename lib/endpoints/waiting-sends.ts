// Sends that wait for the writer to be free. No part of them is on the wire, so each can be withdrawn, and none waits
// longer than its time-out. Bounded in number and in bytes. Must not know the wire.

import { offAbort, onAbort } from '../base/abort.js'
import { abortedError, IpcError } from '../base/errors.js'
import { monotonicMs } from '../base/globals.js'
import { sizeBound, type SOCMessage } from '../message/message.js'
import { Deadline } from '../wire/deadline.js'

export interface WaitingSendLimits {
  readonly timeoutMs: number
  readonly maxPending: number
  readonly maxPendingBytes: number
}

export interface WaitingSend {
  /** Empty once the send has been withdrawn. */
  messages: readonly SOCMessage[]
  /** The writer has the messages before this index. */
  next: number
  /** Whether it still waits. */
  waiting: boolean
  /** Counted only if it has to wait. */
  bytes: number
  /** On a clock that excludes stalls of this process: see `#dueAtOf`. */
  readonly dueAt: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Sends that no longer wait are removed when there are at least this many, and more than waiting ones. */
const COMPACT_AT = 64

export class WaitingSends {
  readonly #name: string
  readonly #limits: WaitingSendLimits
  #sends: WaitingSend[] = []
  #head = 0
  /** How many of `#sends` wait, and the bytes of their messages. */
  #length = 0
  #bytes = 0
  readonly #deadline = new Deadline(() => {
    this.#rejectLate()
  })

  constructor(name: string, limits: WaitingSendLimits) {
    this.#name = name
    this.#limits = limits
  }

  get length(): number {
    return this.#length
  }

  /** The oldest send. */
  get first(): WaitingSend | undefined {
    while (this.#sends[this.#head]?.waiting === false) ++this.#head
    return this.#sends[this.#head]
  }

  /**
   * Adds a send; `onFirst` is called if no other waits, and serves it. The writer, the signal or the time-out settles
   * the promise.
   */
  add(messages: readonly SOCMessage[], signal: AbortSignal | undefined, onFirst: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const alone = this.#length === 0
      const bytes = alone ? 0 : bytesOf(messages)
      const full = alone ? undefined : this.#fullError(bytes)
      if (full !== undefined) {
        reject(full)
        return
      }
      const dueAt = monotonicMs() + this.#limits.timeoutMs - this.#deadline.movedMs()
      const send =
        signal === undefined
          ? { messages, next: 0, waiting: true, bytes, dueAt, resolve, reject }
          : this.#abortable({ messages, next: 0, waiting: true, bytes, dueAt, resolve, reject }, signal)
      this.#push(send)
      if (!alone) return
      onFirst()
      if (send.waiting) this.#bytes += send.bytes = bytesOf(messages)
    })
  }

  /** Resolves when the writer has all sends that wait now; rejects if the writer fails before. */
  idle(): Promise<void> {
    const last = this.#sends.at(-1)
    if (this.#length === 0 || last === undefined) return Promise.resolve()
    const { dueAt } = last
    return new Promise((resolve, reject) => {
      this.#push({ messages: [], next: 0, waiting: true, bytes: 0, dueAt, resolve, reject })
    })
  }

  /** Removes a send that the writer has, or that was withdrawn. */
  remove(send: WaitingSend): void {
    if (!send.waiting) return
    send.waiting = false
    --this.#length
    this.#bytes -= send.bytes
    if (this.#length === 0) {
      this.#sends.length = 0
      this.#head = 0
      this.#deadline.clear()
    } else if (this.#sends.length > 2 * this.#length + COMPACT_AT) {
      this.#sends = this.#all()
      this.#head = 0
    }
  }

  fail(error: IpcError): void {
    const waiting = this.#all()
    for (const send of waiting) this.remove(send)
    for (const send of waiting) send.reject(error)
  }

  /** Times out waiting sends, oldest first: all of them have the same time-out. */
  armTimer(): void {
    const oldest = this.first
    if (oldest === undefined || oldest.dueAt === Infinity) return
    this.#deadline.set(Math.max(0, this.#dueAtOf(oldest) - monotonicMs()))
  }

  /** Returns the due time of a send, moved by the stalls of this process while it waited. */
  #dueAtOf(send: WaitingSend): number {
    return send.dueAt + this.#deadline.movedMs()
  }

  #all(): WaitingSend[] {
    return this.#sends.filter((send) => send.waiting)
  }

  #push(send: WaitingSend): void {
    this.#sends.push(send)
    ++this.#length
    this.#bytes += send.bytes
  }

  #fullError(bytes: number): IpcError | undefined {
    const { maxPending, maxPendingBytes } = this.#limits
    const sends = this.#length
    if (sends < maxPending && this.#bytes + bytes <= maxPendingBytes) return undefined
    const held = `${sends} sends of about ${this.#bytes} bytes`
    const bounds = `maxPending ${maxPending}, maxPendingBytes ${maxPendingBytes}`
    return new IpcError(
      'ERR_IPC_BUFFER_FULL',
      `${this.#name}: ${held} wait for the peer to read (${bounds}); await sends before making more`,
    )
  }

  #abortable(inner: WaitingSend, signal: AbortSignal): WaitingSend {
    const withdraw = (): void => {
      send.messages = []
      this.remove(send)
      inner.reject(abortedError(signal, `send of ${this.#name}`))
    }
    const send: WaitingSend = {
      ...inner,
      resolve: () => {
        offAbort(signal, withdraw)
        inner.resolve()
      },
      reject: (error) => {
        offAbort(signal, withdraw)
        inner.reject(error)
      },
    }
    onAbort(signal, withdraw)
    return send
  }

  #rejectLate(): void {
    const now = monotonicMs()
    const late = this.#all().filter((send) => this.#dueAtOf(send) <= now)
    for (const send of late) this.remove(send)
    this.armTimer()
    const why = `${this.#name}: the peer read nothing for ${this.#limits.timeoutMs} ms`
    for (const send of late) send.reject(new IpcError('ERR_IPC_TIMEOUT', why))
  }
}

function bytesOf(messages: readonly SOCMessage[]): number {
  return messages.reduce((sum, message) => sum + sizeBound(message), 0)
}
