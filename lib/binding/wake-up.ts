// Sockets of Node's on which threads of the addon say that they have something. Node's module for them is loaded when one
// is first wanted, as that takes milliseconds.

import type { Socket } from 'node:net'

/** Where arriving bytes go: always into the same buffer. A callback that answers false stops reading. */
export interface OnRead {
  readonly buffer: Uint8Array
  readonly callback: (this: Socket, size: number) => boolean
}

/** Takes the descriptor over; reads nothing before it is told to. */
export function createWakeUp(descriptor: number, onread: OnRead): Socket {
  const { Socket } = process.getBuiltinModule('node:net')
  return new Socket({ fd: descriptor, onread } as ConstructorParameters<typeof Socket>[0])
}
