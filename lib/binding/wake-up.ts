// Sockets of Node on which threads of the addon wake the event loop. Node's module for them is loaded when the first
// one is made, because that takes milliseconds.

import type { Socket } from 'node:net'

/** Where arriving bytes go: always into the same buffer. A callback that returns false stops reading. */
export interface OnRead {
  readonly buffer: Uint8Array
  readonly callback: (this: Socket, size: number) => boolean
}

/** Takes the descriptor over. Reads nothing before `resume`. */
export function createWakeUp(descriptor: number, onread: OnRead): Socket {
  const { Socket } = process.getBuiltinModule('node:net')
  return new Socket({ fd: descriptor, onread } as ConstructorParameters<typeof Socket>[0])
}
