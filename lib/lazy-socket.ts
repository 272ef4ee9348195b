// A connected descriptor that becomes a socket of Node's when it has to: when the first bytes arrive for somebody who
// reads, or something must be written later. Until then it is parked, which takes far less memory and time: an idle
// connection, or one that only sends, never needs one. Must not know what the bytes mean.

import type { Socket } from 'node:net'

import { closeParked, forgetParked, parks, unpark, watchParked, type Parked } from './descriptor-park.js'
import { createOwnedSocket, type OwnedSocket, type SocketOwner } from './node-socket.js'
import { readArea } from './read-window.js'

/** What the owner is told. One object serves all owners of a kind. */
export interface SocketEvents<Owner> {
  /** So many bytes stand at the start of the read area, until this returns. False: no more for now. */
  readonly onBytes: (owner: Owner, size: number) => boolean
  /** The peer sends no more. */
  readonly onEnd: (owner: Owner) => void
  /** It has failed, and `onClose` comes next. */
  readonly onFailure: (owner: Owner, error: Error) => void
  readonly onClose: (owner: Owner) => void
}

// One function for all sockets, as thousands of closures would take memory. Node calls it on the socket.
const onread = {
  buffer: readArea,
  callback(this: Socket, size: number): boolean {
    return (this as OwnedSocket<LazySocket<unknown>>).owner.bytesArrived(size)
  },
}

export class LazySocket<Owner> implements Parked, SocketOwner {
  readonly descriptor: number
  readonly #owner: Owner
  readonly #events: SocketEvents<Owner>
  #socket: Socket | undefined
  #reading = false
  #closed = false

  /** Takes over a descriptor as it came from the addon. */
  constructor(descriptor: number, owner: Owner, events: SocketEvents<Owner>) {
    this.descriptor = descriptor
    this.#owner = owner
    this.#events = events
    // First of all, so that it has an owner whatever comes.
    if (!parks) this.#socket = createOwnedSocket(descriptor, onread, this)
  }

  get destroyed(): boolean {
    return this.#socket === undefined ? this.#closed : this.#socket.destroyed
  }

  /** Reads from now on. `soon`: bytes are expected before long, so the event loop shall bring them itself. */
  resume(soon = false): void {
    if (this.destroyed) return
    this.#reading = true
    if (this.#socket !== undefined) this.#socket.resume()
    else if (soon || !watchParked(this)) this.#materialized()
  }

  /** Reads no more for now. */
  pause(): void {
    this.#reading = false
    if (this.#socket !== undefined) this.#socket.pause()
    else forgetParked(this.descriptor)
  }

  /** Writes as soon as the kernel takes it; `done` is called, with an error or without, also when it never gets out. */
  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.#materialized().write(bytes, done)
  }

  destroy(error?: Error): void {
    if (this.#socket !== undefined) {
      this.#socket.destroy(error)
    } else if (!this.#closed) {
      this.#closed = true
      closeParked(this.descriptor)
      process.nextTick(() => {
        if (error !== undefined) this.socketFailed(error)
        this.socketClosed()
      })
    }
  }

  #materialized(): Socket {
    if (this.#socket !== undefined) return this.#socket
    unpark(this.descriptor)
    this.#socket = createOwnedSocket(this.descriptor, onread, this)
    // Whoever waited in the park goes on waiting here.
    if (this.#reading) this.#socket.resume()
    return this.#socket
  }

  onReadable(): void {
    if (this.#reading && !this.#closed) this.#materialized()
  }

  bytesArrived(size: number): boolean {
    return this.#events.onBytes(this.#owner, size)
  }

  socketEnded(): void {
    this.#events.onEnd(this.#owner)
  }

  socketFailed(error: Error): void {
    this.#events.onFailure(this.#owner, error)
  }

  socketClosed(): void {
    this.#events.onClose(this.#owner)
  }
}
