// A connection whose readiness the addon reports. It reads directly into the thread's window, and takes a fraction of
// the memory and time of a socket of Node.

import { constants } from 'node:os'

import { clearTimeout, nextTick, setImmediate, setTimeout } from '../base/globals.js'
import { pollWords } from './busy-poll.js'
import {
  closeStream,
  goOnWithKept,
  passOnAllKept,
  passOn,
  passOnKept,
  passOnRest,
  type AfterLines,
  type ConnectionSocket,
  type SocketEvents,
} from './socket.js'
import { NO_ROOM, NOTHING_RECEIVED, Progress, WRITABLE } from '../binding/abi.js'
import { addon } from '../binding/addon.js'
import { systemError, toSystemError } from '../binding/native-error.js'
import { threadWindow } from './read-window.js'

/** Shared by all sockets. Without it there are none. */
const { readiness } = addon
/** The sockets that wait for readiness, by descriptor. */
const waiting: (PolledSocket<unknown> | undefined)[] = []
let started = false

function start(): void {
  if (started) return
  readiness?.start((descriptor, records) => {
    const socket = waiting[descriptor]
    if (records === WRITABLE) socket?.onWritable()
    else socket?.onRead(records)
  }, pollWords)
  started = true
}

/** The peer has closed without reading everything. Reported when everything that it sent has been read. */
const RESET = -constants.errno.ECONNRESET

/**
 * Milliseconds until a write is tried again for which the kernel had no memory (ENOBUFS, ENOMEM): doubled each time. The
 * kernel reports such a socket as writable, so waiting for readiness would take all of the processor.
 */
const FIRST_REST_MS = 5
const LONGEST_REST_MS = 500

/** Bytes that the kernel has not taken yet. */
interface PendingWrite {
  readonly bytes: Buffer
  readonly done: (error?: Error | null) => void
  at: number
  /** Set while the write waits for this timer instead of for readiness. */
  rest: NodeJS.Timeout | undefined
  restMs: number
}

/**
 *     paused <──> reading ──> ended ──> finishing ──> closed      and from each state to `closed`
 *                  │   ^
 *                  v   │
 *     holding <──> draining ──> stopping ──> paused
 *        └─────────────────────────^
 *
 * `holding`: paused, and the addon keeps lines of the last read. `draining`: these lines are about to be handed over,
 * in this turn of the event loop or the next; then reading continues. `stopping`: the same, but then the state is
 * `paused` for good. `ended`: the peer sends no more, but may still read. `finishing`: the application has nothing more
 * to reply. Writing is independent of this state until `closed`.
 */
type State = 'paused' | 'reading' | 'holding' | 'draining' | 'stopping' | 'ended' | 'finishing' | 'closed'

export class PolledSocket<Owner> implements ConnectionSocket {
  readonly descriptor: number
  readonly #owner: Owner
  readonly #events: SocketEvents<Owner>
  #state: State = 'paused'
  #pending: PendingWrite | undefined
  #keepsAlive = true

  constructor(descriptor: number, owner: Owner, events: SocketEvents<Owner>) {
    this.descriptor = descriptor
    this.#owner = owner
    this.#events = events
  }

  get destroyed(): boolean {
    return this.#state === 'closed'
  }

  get keepsLines(): boolean {
    return this.#state === 'holding' || this.#state === 'draining' || this.#state === 'stopping'
  }

  resume(): void {
    if (this.#state === 'holding') {
      this.#state = 'draining'
      goOnWithKept(this)
    } else if (this.#state === 'paused') {
      this.#state = 'reading'
      this.#want()
    }
  }

  pause(): void {
    if (this.#state === 'draining') this.#state = 'holding'
    if (this.#state !== 'reading') return
    this.#state = 'paused'
    this.#want()
  }

  stop(): void {
    if (this.#state === 'stopping') return
    if (this.keepsLines) {
      this.#state = 'stopping'
      goOnWithKept(this)
    } else {
      this.pause()
      this.#events.onStopped(this.#owner)
    }
  }

  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.#pending = { bytes, done, at: 0, rest: undefined, restMs: FIRST_REST_MS }
    if (this.#state === 'closed') this.#giveUpWriting()
    else this.#want()
  }

  writeNow(): void {
    if (!this.destroyed && this.#pending !== undefined) this.#writePending(this.#pending)
  }

  unref(): void {
    this.#keepsAlive = false
    this.#pending?.rest?.unref()
    if (!this.destroyed) readiness?.keepAlive(this.descriptor, false)
  }

  ref(): void {
    this.#keepsAlive = true
    this.#pending?.rest?.ref()
    if (!this.destroyed) readiness?.keepAlive(this.descriptor, true)
  }

  destroy(error?: Error): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    waiting[this.descriptor] = undefined
    closeStream(this.descriptor)
    readiness?.close(this.descriptor)
    this.#giveUpWriting()
    nextTick(() => {
      if (error !== undefined) this.#events.onFailure(this.#owner, error)
      this.#events.onClose(this.#owner)
    })
  }

  /** Called when the addon has read. `records` is the result of {@link Addon.readRecords}. */
  onRead(records: number): void {
    if (this.#state !== 'reading') return
    // The closure is made only if there is no room, which is rare.
    const count =
      records === NO_ROOM ? threadWindow.withRoom(records, () => addon.readRecords(this.descriptor)) : records
    const received = threadWindow.progress[Progress.received] as number
    if (received > 0) {
      this.#goOn(passOn(this.descriptor, count, this.#owner, this.#events))
    } else if (received === 0 || received === RESET) {
      this.#end()
    } else if (received !== NOTHING_RECEIVED) {
      this.destroy(systemError(received, 'recv'))
    }
  }

  takeKept(): void {
    if (this.#state === 'stopping' && passOnAllKept(this, this.#owner, this.#events)) {
      this.#state = 'paused'
      this.#events.onStopped(this.#owner)
    }
    if (this.#state !== 'draining') return
    this.#state = 'reading'
    this.#goOn(passOnKept(this.descriptor, this.#owner, this.#events))
  }

  /** Continues after the owner has taken lines. It may have closed this socket meanwhile. */
  #goOn(after: AfterLines): void {
    if (this.#state !== 'reading') return
    if (after === 'waiting') {
      this.#state = 'draining'
      goOnWithKept(this)
    } else {
      this.#state = after
    }
    this.#want()
  }

  /** Called when the kernel reports that it accepts bytes again. */
  onWritable(): void {
    const pending = this.#pending
    if (pending === undefined) return
    const before = pending.at
    this.#writePending(pending)
    if (this.#pending === pending && pending.at === before) this.#rest(pending)
  }

  #rest(pending: PendingWrite): void {
    pending.rest = setTimeout(() => {
      pending.rest = undefined
      this.onWritable()
      if (this.#pending === pending) this.#want()
    }, pending.restMs)
    if (!this.#keepsAlive) pending.rest.unref()
    pending.restMs = Math.min(2 * pending.restMs, LONGEST_REST_MS)
    this.#want()
  }

  #writePending(pending: PendingWrite): void {
    const { bytes, done } = pending
    const written = addon.writeBatch(this.descriptor, bytes, pending.at, bytes.length)
    pending.at += Math.max(written, 0)
    if (written > 0) pending.restMs = FIRST_REST_MS
    if (written >= 0 && pending.at < bytes.length) return
    this.#endPending(pending)
    // `done` is likely to write more. A peer that is gone may have left something to read.
    if (written >= 0) done()
    else done(systemError(written, 'send'))
    if (this.#pending !== undefined) return
    if (this.#state === 'finishing') this.destroy()
    else this.#want()
  }

  finish(): void {
    if (this.#state !== 'ended') return
    this.#state = 'finishing'
    // The application may reply to the last message in this tick.
    if (this.#pending !== undefined) return
    setImmediate(() => {
      if (this.#pending === undefined) this.destroy()
    })
  }

  #end(): void {
    this.#state = 'ended'
    passOnRest(this.descriptor, this.#owner, this.#events)
    const keep = this.#events.onEnd(this.#owner)
    this.#want()
    if (!keep || this.#peerIsGone()) this.finish()
  }

  /** Whether the peer has not only stopped sending, but cannot read either. */
  #peerIsGone(): boolean {
    return !this.destroyed && addon.findGone(Int32Array.of(this.descriptor)).length > 0
  }

  #giveUpWriting(): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#endPending(pending)
    nextTick(pending.done, new Error('the socket was closed'))
  }

  #endPending(pending: PendingWrite): void {
    this.#pending = undefined
    clearTimeout(pending.rest)
  }

  #want(): void {
    if (this.#state === 'closed') return
    const reading = this.#state === 'reading'
    const writing = this.#pending !== undefined && this.#pending.rest === undefined
    try {
      start()
      readiness?.want(this.descriptor, reading, writing)
    } catch (error) {
      this.destroy(toSystemError(error))
      return
    }
    waiting[this.descriptor] = reading || writing ? (this as PolledSocket<unknown>) : undefined
  }
}
