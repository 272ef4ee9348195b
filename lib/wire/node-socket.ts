// A connection that is read by a socket of Node, as on Windows. Node's module for sockets is loaded with the first one:
// that takes milliseconds, and a program that imports this package may never connect.

import type { Socket } from 'node:net'

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
import { addon } from '../binding/addon.js'
import { threadWindow } from './read-window.js'

type SocketOptions = ConstructorParameters<typeof Socket>[0]

/**
 * A socket that reports its events to its owner itself: three listeners on each of thousands of sockets take memory.
 */
interface OwnedSocket extends Socket {
  readonly owner: NodeSocket<unknown>
}

type OwnedSocketClass = new (descriptor: number, owner: NodeSocket<unknown>) => OwnedSocket

const ARRIVAL_BYTES = 1 << 16

let ownedSocketClass: OwnedSocketClass | undefined

function defineOwnedSocket(): OwnedSocketClass {
  const { Socket } = process.getBuiltinModule('node:net')
  const arrivals = Buffer.allocUnsafeSlow(ARRIVAL_BYTES)
  // One function for all sockets: thousands of closures would take memory. Node calls it as a method of the socket.
  const onread = {
    buffer: arrivals,
    callback(this: Socket, size: number): boolean {
      return (this as OwnedSocket).owner.onArrival(arrivals, size)
    },
  }
  return class extends Socket {
    readonly owner: NodeSocket<unknown>

    constructor(descriptor: number, owner: NodeSocket<unknown>) {
      super({ fd: descriptor, onread } as SocketOptions)
      this.owner = owner
    }

    // Before the descriptor is closed: another connection may get its number before this one reports its end.
    override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
      closeStream(this.owner.descriptor)
      super._destroy(error, callback)
    }

    override emit(event: string | symbol, ...values: unknown[]): boolean {
      if (event === 'error') {
        this.owner.onFailure(values[0] as Error)
        return true
      }
      const heard = super.emit(event, ...values)
      if (event === 'end') this.owner.onEnd()
      else if (event === 'close') this.owner.onClose()
      return heard
    }
  }
}

export class NodeSocket<Owner> implements ConnectionSocket {
  readonly descriptor: number
  readonly #socket: Socket
  readonly #owner: Owner
  readonly #events: SocketEvents<Owner>
  /**
   * Lines of the last read that the addon keeps. They are handed over before reading goes on; `draining`: in this turn
   * of the event loop or the next.
   *
   *     none ──> holding <──> draining ──> none
   *       │          └───────────┴──> stopping ──> none      all are handed over, then reading has ended
   *       └──────────────────────^
   */
  #kept: 'none' | 'holding' | 'draining' | 'stopping' = 'none'

  constructor(descriptor: number, owner: Owner, events: SocketEvents<Owner>) {
    this.descriptor = descriptor
    this.#owner = owner
    this.#events = events
    const Class = (ownedSocketClass ??= defineOwnedSocket())
    this.#socket = new Class(descriptor, this as NodeSocket<unknown>)
    this.#socket.pause()
  }

  get destroyed(): boolean {
    return this.#socket.destroyed
  }

  get keepsLines(): boolean {
    return this.#kept !== 'none'
  }

  resume(): void {
    if (this.#kept === 'none') {
      this.#socket.resume()
    } else if (this.#kept === 'holding') {
      this.#kept = 'draining'
      goOnWithKept(this)
    }
  }

  pause(): void {
    if (this.#kept === 'draining') this.#kept = 'holding'
    this.#socket.pause()
  }

  stop(): void {
    this.#socket.pause()
    if (this.#kept === 'stopping') return
    if (this.#kept === 'none') {
      this.#events.onStopped(this.#owner)
    } else {
      this.#kept = 'stopping'
      goOnWithKept(this)
    }
  }

  write(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, done)
  }

  writeNow(): void {
    // libuv writes to a pipe in the background.
  }

  unref(): void {
    this.#socket.unref()
  }

  ref(): void {
    this.#socket.ref()
  }

  finish(): void {
    // Node's socket closes by itself at the end of the stream.
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error)
  }

  onArrival(arrivals: Uint8Array, size: number): boolean {
    const push = (): number => addon.pushRecords(this.descriptor, arrivals, size)
    return this.#goesOn(
      passOn(this.descriptor, threadWindow.withRoom(push(), push), this.#owner, this.#events),
    )
  }

  takeKept(): void {
    if (this.destroyed) return
    if (this.#kept === 'stopping' && passOnAllKept(this, this.#owner, this.#events)) {
      this.#kept = 'none'
      this.#events.onStopped(this.#owner)
    }
    if (this.#kept !== 'draining') return
    if (this.#goesOn(passOnKept(this.descriptor, this.#owner, this.#events))) this.#socket.resume()
  }

  /** Whether reading goes on after the owner has taken lines. */
  #goesOn(after: AfterLines): boolean {
    this.#kept = after === 'holding' ? 'holding' : after === 'waiting' ? 'draining' : 'none'
    if (after === 'waiting') goOnWithKept(this)
    return after === 'reading'
  }

  onEnd(): void {
    passOnRest(this.descriptor, this.#owner, this.#events)
    this.#events.onEnd(this.#owner)
  }

  onFailure(error: Error): void {
    this.#events.onFailure(this.#owner, error)
  }

  onClose(): void {
    this.#events.onClose(this.#owner)
  }
}
