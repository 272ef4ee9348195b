// The socket of a connection: the contract that polled-socket.ts and node-socket.ts implement, and the way in which
// both hand the lines of a read to their owner.

import { queueMicrotask } from '../base/globals.js'
import { addon } from '../binding/addon.js'
import type { LineReading } from './line-reading.js'
import { threadWindow, type ReadWindow } from './read-window.js'
import { inNextTurn, type KeptLines } from './turn.js'

/** The callbacks for the owner of a socket. One object serves all owners of a kind. */
export interface SocketEvents<Owner> {
  /**
   * Lines have arrived: `count` of them stand in the thread's read window, described by its records, until this
   * returns. `received` is the number of bytes read since the last call. Returns false to stop reading for now.
   */
  readonly onRecords: (owner: Owner, count: number, received: number) => boolean
  /**
   * The peer sends no more. Returns true to keep the socket open for replies to a peer that still reads; the owner then
   * calls `finish`.
   */
  readonly onEnd: (owner: Owner) => boolean
  /** After `stop`: the lines that were read have been handed over, and no more are read. */
  readonly onStopped: (owner: Owner) => void
  /** The socket has failed. `onClose` is called next. */
  readonly onFailure: (owner: Owner, error: Error) => void
  readonly onClose: (owner: Owner) => void
}

/** A socket around a descriptor of the addon, which it owns from then on. */
export interface ConnectionSocket {
  readonly descriptor: number
  readonly destroyed: boolean
  /** Whether lines were read that the owner has not been given. */
  readonly keepsLines: boolean
  /** Starts reading; call {@link openStream} first. */
  resume(): void
  /** Stops reading for now. */
  pause(): void
  /**
   * Stops reading for good. Lines that were read are handed over first, whether or not the owner wants more; they may
   * take several turns of the event loop. Then `onStopped` is called: at once if there are none.
   */
  stop(): void
  /**
   * Writes when the kernel accepts the bytes. `done` is always called, with an error if they were not written. Only one
   * write may be pending.
   */
  write(bytes: Buffer, done: (error?: Error | null) => void): void
  /** Tries to write the waiting bytes at once, without the event loop. Does nothing on Windows. */
  writeNow(): void
  /** Allows the process to exit although this socket waits for something. */
  unref(): void
  /** Undoes `unref`. */
  ref(): void
  /** After the end of the stream: closes when the pending write is complete. */
  finish(): void
  /** Closes at once. */
  destroy(error?: Error): void
}

/** Sets the longest line of a stream, and the fields that the addon looks for, before the first read. */
export function openStream(descriptor: number, maxLineBytes: number, { fields }: LineReading): void {
  if (fields !== undefined) threadWindow.prepareFieldRows()
  addon.openReader(descriptor, maxLineBytes, fields?.pointers ?? NO_POINTERS)
}

const NO_POINTERS: readonly string[] = []

/** The state of a stream after its owner has taken lines. */
export type AfterLines =
  /** The owner wants more: continue to read. */
  | 'reading'
  /** The owner wants no more for now. */
  | 'paused'
  /** The same, and lines of the last read are kept: call {@link goOnWithKept} before reading on. */
  | 'holding'
  /** The owner wants more, but the turn is over. Lines of the last read are kept: call {@link goOnWithKept}. */
  | 'waiting'

/**
 * Hands the lines of one read to their owner, step by step. The owner may close the stream meanwhile; the addon needs
 * its reader until all steps are done, so the reader is closed afterwards.
 *
 *     idle ── handOver ──> delivering ── close ──> closing
 *       ^──────────────────────┴──────────────────────┘
 */
class LineDelivery {
  readonly #window: ReadWindow
  #state: 'idle' | 'delivering' | 'closing' = 'idle'
  #descriptor = -1

  constructor(window: ReadWindow) {
    this.#window = window
  }

  close(descriptor: number): void {
    if (this.#state !== 'idle' && descriptor === this.#descriptor) this.#state = 'closing'
    else addon.closeReader(descriptor)
  }

  handOver<Owner>(
    descriptor: number,
    count: number,
    owner: Owner,
    events: SocketEvents<Owner>,
    received: number,
    all: boolean,
  ): AfterLines {
    this.#state = 'delivering'
    this.#descriptor = descriptor
    const window = this.#window
    try {
      let wanted = events.onRecords(owner, count, received) || all
      // An owner that wants no more must not be given the rest of a read of thousands of lines.
      while (window.hasMore && wanted && !window.turnOver) {
        wanted = events.onRecords(owner, addon.moreRecords(descriptor), 0) || all
      }
      if (!window.hasMore) return wanted ? 'reading' : 'paused'
      addon.suspendRecords(descriptor)
      return wanted ? 'waiting' : 'holding'
    } finally {
      if (this.#isClosing()) addon.closeReader(descriptor)
      this.#state = 'idle'
      window.settle()
    }
  }

  handOverKept<Owner>(
    descriptor: number,
    owner: Owner,
    events: SocketEvents<Owner>,
    all: boolean,
  ): AfterLines {
    const more = (): number => addon.moreRecords(descriptor)
    return this.handOver(descriptor, this.#window.withRoom(more(), more), owner, events, 0, all)
  }

  handOverRest<Owner>(descriptor: number, owner: Owner, events: SocketEvents<Owner>): void {
    const finish = (): number => addon.finishRecords(descriptor)
    const count = this.#window.withRoom(finish(), finish)
    try {
      if (count > 0) events.onRecords(owner, count, 0)
    } finally {
      this.#window.settle()
    }
  }

  #isClosing(): boolean {
    return this.#state === 'closing'
  }
}

const delivery = new LineDelivery(threadWindow)

/** Call before the descriptor is closed. Lines that were read before are still handed over. */
export function closeStream(descriptor: number): void {
  delivery.close(descriptor)
}

/** Hands `count` lines of a read to the owner, and the rest of that read as far as the owner wants it. */
export function passOn<Owner>(
  descriptor: number,
  count: number,
  owner: Owner,
  events: SocketEvents<Owner>,
): AfterLines {
  return delivery.handOver(descriptor, count, owner, events, threadWindow.received, false)
}

/** Hands over the lines that were kept when the owner wanted no more. */
export function passOnKept<Owner>(descriptor: number, owner: Owner, events: SocketEvents<Owner>): AfterLines {
  return delivery.handOverKept(descriptor, owner, events, false)
}

/**
 * Hands over the lines that were kept, whether or not the owner wants more, because the socket is being stopped.
 * Returns true when it has none left: reading has ended. Returns false if some wait for the next turn, in which
 * `takeKept` is called again, or if the owner has closed the socket meanwhile.
 */
export function passOnAllKept<Owner>(
  socket: ConnectionSocket & KeptLines,
  owner: Owner,
  events: SocketEvents<Owner>,
): boolean {
  const after = delivery.handOverKept(socket.descriptor, owner, events, true)
  if (socket.destroyed) return false
  if (after !== 'waiting') return true
  goOnWithKept(socket)
  return false
}

/** Schedules the hand-over of kept lines: soon, or in the next turn if this one is over. */
export function goOnWithKept(lines: KeptLines): void {
  // Not at once: the window may have the lines of another connection just now.
  queueMicrotask(() => {
    if (threadWindow.turnOver) inNextTurn(lines)
    else lines.takeKept()
  })
}

/** Hands over the last line of a stream that has ended without a newline. */
export function passOnRest<Owner>(descriptor: number, owner: Owner, events: SocketEvents<Owner>): void {
  delivery.handOverRest(descriptor, owner, events)
}
