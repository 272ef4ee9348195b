// The end of one connection: its reason, its error, and everything that waits for it. Made when first needed, because
// thousands of connections may be open and idle.

import { IpcError } from '../base/errors.js'
import { Waiters } from '../base/waiters.js'
import type { CloseReason } from '../observe/lifecycle.js'
import { watchPeerExit, type PeerExitWatch } from '../peer/exit-watch.js'

export class ConnectionEnd {
  /** The first reason that was given. */
  reason: CloseReason | undefined
  /** The error that ends the connection, or that it ended with. */
  error: Error | undefined
  /** Whether `destroy` was called: then no handler begins any more. */
  destroyed = false
  /** The result of the first call of `close`. */
  closing: Promise<void> | undefined
  #listeners: Set<() => void> | undefined
  #peerExit: PeerExitWatch | undefined
  /** Calls of `takeKeptLines` that wait until the reader has the lines that were read. */
  #stopped: Waiters | undefined

  /** Notes why the connection ends, unless a reason is known already. */
  because(reason: CloseReason): void {
    this.reason ??= reason
  }

  closedError(address: string): IpcError {
    return new IpcError('ERR_IPC_CLOSED', `the connection to ${address} is closed`, { cause: this.error })
  }

  addListener(listener: () => void): void {
    ;(this.#listeners ??= new Set()).add(listener)
  }

  removeListener(listener: () => void): void {
    this.#listeners?.delete(listener)
  }

  /** Calls the listeners, each once. */
  callListeners(): void {
    for (const listener of this.#listeners ?? []) listener()
    this.#listeners = undefined
  }

  /** Whether the process of the peer is watched. */
  get watchesPeer(): boolean {
    return this.#peerExit !== undefined
  }

  /** Watches the process at the other end of a descriptor. @throws {IpcError} ERR_IPC_SYSTEM */
  peerExited(descriptor: number): AbortSignal {
    return (this.#peerExit ??= watchPeerExit(descriptor)).signal
  }

  endPeerWatch(): void {
    this.#peerExit?.connectionEnded()
  }

  /** Resolves when {@link stopped} is called. */
  untilStopped(): Promise<void> {
    return (this.#stopped ??= new Waiters()).wait()
  }

  /** Call when the reader has the lines that were read, and gets no more. */
  stopped(): void {
    this.#stopped?.wake()
  }
}
