// Sockets of Node's around descriptors that came from the addon. Node's module for them is loaded when one is first
// wanted: that takes milliseconds, and a program that imports this package may never connect.

import type { Socket } from 'node:net'

/** Where arriving bytes go: always into the same buffer. A callback that answers false stops reading. */
export interface OnRead {
  readonly buffer: Uint8Array
  readonly callback: (this: Socket, size: number) => boolean
}

/** A socket that tells its owner of its events itself: thousands of sockets with three listeners each take memory. */
export interface OwnedSocket<Owner> extends Socket {
  readonly owner: Owner
}

/** What an owner is told. */
export interface SocketOwner {
  socketEnded(): void
  socketFailed(error: Error): void
  socketClosed(): void
}

type SocketOptions = ConstructorParameters<typeof Socket>[0]
type OwnedSocketClass = new (
  descriptor: number,
  onread: OnRead,
  owner: SocketOwner,
) => OwnedSocket<SocketOwner>

let ownedSocketClass: OwnedSocketClass | undefined

function defineOwnedSocket(): OwnedSocketClass {
  const { Socket } = process.getBuiltinModule('node:net')
  return class extends Socket {
    readonly owner: SocketOwner

    constructor(descriptor: number, onread: OnRead, owner: SocketOwner) {
      super({ fd: descriptor, onread } as SocketOptions)
      this.owner = owner
    }

    override emit(event: string | symbol, ...values: unknown[]): boolean {
      if (event === 'error') {
        this.owner.socketFailed(values[0] as Error)
        return true
      }
      const heard = super.emit(event, ...values)
      if (event === 'end') this.owner.socketEnded()
      else if (event === 'close') this.owner.socketClosed()
      return heard
    }
  }
}

/** Takes the descriptor over; reads nothing before it is told to. */
export function createSocket(descriptor: number, onread: OnRead): Socket {
  const { Socket } = process.getBuiltinModule('node:net')
  return new Socket({ fd: descriptor, onread } as SocketOptions)
}

/** The same, for an owner who wants to be told. */
export function createOwnedSocket<Owner extends SocketOwner>(
  descriptor: number,
  onread: OnRead,
  owner: Owner,
): OwnedSocket<Owner> {
  const Class = (ownedSocketClass ??= defineOwnedSocket())
  const socket = new Class(descriptor, onread, owner) as OwnedSocket<Owner>
  socket.pause()
  return socket
}
