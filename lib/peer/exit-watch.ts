// Reports the end of the process behind a connection. One native thread waits on the pidfds of all watches of this
// JavaScript thread.

import type { AbortController } from '../base/globals.js'
import { userAbortController } from '../base/user-signal.js'
import { addon, type NativePeerWatcher } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'
import { createWakeUp } from '../binding/wake-up.js'

/** A watch on one process. */
export interface PeerExitWatch {
  /** Fires when the process has ended. */
  readonly signal: AbortSignal
  /** Ends the watch with its connection. */
  connectionEnded(): void
}

const ID_BYTES = 8
/** Ids read at a time. */
const MOST_IDS = 512

/** The watches of this thread, and the native thread behind them. */
class PeerExitWatcher {
  readonly #native: NativePeerWatcher = new addon.PeerWatcher()
  readonly #controllers = new Map<number, AbortController>()
  #nextId = 1

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(ID_BYTES * MOST_IDS)
    const wakeUp = createWakeUp(this.#native.takeNotifyDescriptor(), {
      buffer,
      // Ids are never torn: each is written whole, and the buffer holds whole ones.
      callback: (size) => {
        for (let at = 0; at < size; at += ID_BYTES) this.#fire(Number(buffer.readBigUInt64LE(at)))
        return true
      },
    })
    wakeUp.resume()
    wakeUp.unref() // watching other processes must not keep this one alive
  }

  watch(descriptor: number): PeerExitWatch {
    const controller = userAbortController('listener on peerExited')
    const id = this.#nextId++
    const state = this.#native.watch(id, descriptor)
    if (state === 'ended') controller.abort()
    else this.#controllers.set(id, controller)
    return {
      signal: controller.signal,
      connectionEnded: () => {
        if (state === 'not-supported') this.#fire(id)
        else if (this.#controllers.delete(id)) this.#native.forget(id)
      },
    }
  }

  #fire(id: number): void {
    const controller = this.#controllers.get(id)
    this.#controllers.delete(id)
    controller?.abort()
  }
}

let watcher: PeerExitWatcher | undefined

/**
 * Watches the process at the other end of a connected descriptor. Where the system cannot report its end (Linux before
 * 6.5), the signal fires when the connection ends instead.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM when descriptors or memory have run out
 */
export function watchPeerExit(descriptor: number): PeerExitWatch {
  try {
    watcher ??= new PeerExitWatcher()
    return watcher.watch(descriptor)
  } catch (error) {
    throw fromNative(error)
  }
}
