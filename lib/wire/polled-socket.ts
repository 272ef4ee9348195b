// A connection whose readiness the addon tells: it reads straight into the thread's window, and takes a fraction of the
// memory and time of a socket of Node's.

import { constants } from 'node:os'

import { pollWords } from './busy-poll.js'
import { closeStream, passOn, passOnRest, type ConnectionSocket, type SocketEvents } from './socket.js'
import { NO_ROOM, NOTHING_RECEIVED, Progress, WRITABLE } from '../binding/abi.js'
import { addon, type NativeReadiness } from '../binding/addon.js'
import { systemError, toSystemError } from '../binding/native-error.js'
import { progress, withRoom } from './read-window.js'

/** Those that wait for something, by descriptor. */
const waiting: (PolledSocket<unknown> | undefined)[] = []
let started = false

function start(readiness: NativeReadiness): void {
  if (started) return
  readiness.start((descriptor, records) => {
    const socket = waiting[descriptor]
    if (records === WRITABLE) socket?.onWritable()
    else socket?.onRead(records)
  }, pollWords)
  started = true
}

/** The peer has gone without reading all; that is told when all that it sent has been read. */
const RESET = -constants.errno.ECONNRESET

/** What the kernel has not taken yet. */
interface PendingWrite {
  readonly bytes: Buffer
  readonly done: (error?: Error | null) => void
  at: number
}

export class PolledSocket<Owner> implements ConnectionSocket {
  readonly descriptor: number
  readonly #readiness: NativeReadiness
  readonly #owner: Owner
  readonly #events: SocketEvents<Owner>
  #reading = false
  #ended = false
  #closed = false
  #pending: PendingWrite | undefined

  constructor(readiness: NativeReadiness, descriptor: number, owner: Owner, events: SocketEvents<Owner>) {
    this.#readiness = readiness
    this.descriptor = descriptor
    this.#owner = owner
    this.#events = events
  }

  get destroyed(): boolean {
    return this.#closed
  }

  resume(): void {
    if (this.#closed || this.#ended || this.#reading) return
    this.#reading = true
    this.#want()
  }

  pause(): void {
    if (!this.#reading) return
    this.#reading = false
    this.#want()
  }

  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.#pending = { bytes, done, at: 0 }
    if (this.#closed) this.#giveUpWriting()
    else this.#want()
  }

  destroy(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#reading = false
    waiting[this.descriptor] = undefined
    closeStream(this.descriptor)
    this.#readiness.close(this.descriptor)
    this.#giveUpWriting()
    process.nextTick(() => {
      if (error !== undefined) this.#events.onFailure(this.#owner, error)
      this.#events.onClose(this.#owner)
    })
  }

  /** The addon has read; answers as {@link Addon.readRecords} does. */
  onRead(records: number): void {
    if (!this.#reading) return
    // No function is made where there is room, as there mostly is.
    const count = records === NO_ROOM ? withRoom(records, () => addon.readRecords(this.descriptor)) : records
    const received = progress[Progress.received] as number
    if (received > 0) {
      const more = passOn(this.descriptor, count, this.#owner, this.#events)
      if (!more && !this.#closed) this.pause()
    } else if (received === 0 || received === RESET) {
      this.#end()
    } else if (received !== NOTHING_RECEIVED) {
      this.destroy(systemError(received, 'recv'))
    }
  }

  /** The kernel takes bytes again; perhaps not. */
  onWritable(): void {
    const pending = this.#pending
    if (pending === undefined) return
    const { bytes, done } = pending
    const written = addon.writeBatch(this.descriptor, bytes, pending.at, bytes.length)
    pending.at += Math.max(written, 0)
    if (written >= 0 && pending.at < bytes.length) return
    this.#pending = undefined
    // More to write is likely to come of it. A peer that has gone may have left something to read.
    if (written >= 0) done()
    else done(systemError(written, 'send'))
    if (this.#closed || this.#pending !== undefined) return
    if (this.#ended) this.destroy()
    else this.#want()
  }

  #end(): void {
    this.#ended = true
    this.#reading = false
    passOnRest(this.descriptor, this.#owner, this.#events)
    this.#events.onEnd(this.#owner)
    this.#want()
    // Whoever takes the last message may answer it, and what the peer may still read goes out first.
    if (this.#pending === undefined) {
      setImmediate(() => {
        if (this.#pending === undefined) this.destroy()
      })
    }
  }

  #giveUpWriting(): void {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    process.nextTick(pending.done, new Error('the socket was closed'))
  }

  #want(): void {
    if (this.#closed) return
    const writing = this.#pending !== undefined
    try {
      start(this.#readiness)
      this.#readiness.want(this.descriptor, this.#reading, writing)
    } catch (error) {
      this.destroy(toSystemError(error))
      return
    }
    waiting[this.descriptor] = this.#reading || writing ? (this as PolledSocket<unknown>) : undefined
  }
}
