// The contract of what carries a connection, and what its two kinds share: what arrives is read into the thread's window,
// and comes as records of checked lines. polled-socket.ts and node-socket.ts keep it.

import { Progress } from '../binding/abi.js'
import { addon } from '../binding/addon.js'
import { progress, settleWindow, withRoom } from './read-window.js'

/** What the owner is told. One object serves all owners of a kind. */
export interface SocketEvents<Owner> {
  /**
   * Something has come: `count` lines stand in the window, and their records in `records`, until this returns. `received`
   * is how many bytes have arrived since the last time. False: no more for now.
   */
  readonly onRecords: (owner: Owner, count: number, received: number) => boolean
  /** The peer sends no more. */
  readonly onEnd: (owner: Owner) => void
  /** It has failed, and `onClose` comes next. */
  readonly onFailure: (owner: Owner, error: Error) => void
  readonly onClose: (owner: Owner) => void
}

/** Made around a descriptor as it came from the addon, which then belongs to it. */
export interface ConnectionSocket {
  readonly descriptor: number
  readonly destroyed: boolean
  /** Reads from now on, after {@link openStream}. */
  resume(): void
  /** Reads no more for now. */
  pause(): void
  /**
   * Writes as soon as the kernel takes it; `done` is called, with an error or without, also when it never gets out. One
   * write at a time.
   */
  write(bytes: Buffer, done: (error?: Error | null) => void): void
  /** Lets the process end although this socket waits for something. */
  unref(): void
  /** Undoes `unref`. */
  ref(): void
  /** Closes at once. */
  destroy(error?: Error): void
}

/** Before the first read: how long a line may be. */
export function openStream(descriptor: number, maxLineBytes: number): void {
  addon.openReader(descriptor, maxLineBytes)
}

/** The stream whose lines are being passed on: one at a time, and nothing else happens meanwhile. */
let passing = -1
/** It has been closed by whoever takes them. */
let closing = false

/** Before the descriptor is closed. What a read has brought is passed on all the same. */
export function closeStream(descriptor: number): void {
  if (descriptor === passing) closing = true
  else addon.closeReader(descriptor)
}

/** Passes on what came of a read, step by step. False: no more for now. */
export function passOn<Owner>(
  descriptor: number,
  count: number,
  owner: Owner,
  events: SocketEvents<Owner>,
): boolean {
  passing = descriptor
  try {
    let wanted = events.onRecords(owner, count, Math.max(0, progress[Progress.received] as number))
    while (progress[Progress.more] === 1) {
      wanted = events.onRecords(owner, addon.moreRecords(descriptor), 0)
    }
    return wanted
  } finally {
    passing = -1
    if (closing) addon.closeReader(descriptor)
    closing = false
    settleWindow()
  }
}

/** Passes on what a stream has left at its end. */
export function passOnRest<Owner>(descriptor: number, owner: Owner, events: SocketEvents<Owner>): void {
  const finish = (): number => addon.finishRecords(descriptor)
  const count = withRoom(finish(), finish)
  try {
    if (count > 0) events.onRecords(owner, count, 0)
  } finally {
    settleWindow()
  }
}
