// Tells when the process behind a connection has ended, by a native thread that waits on pidfds for this whole thread of
// JavaScript.

import { addon, type NativePeerWatcher } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'
import { createWakeUp } from '../binding/wake-up.js'

/** A watch on one process. */
export interface PeerExitWatch {
  /** Fires when the process has ended. */
  readonly signal: AbortSignal
  /** The connection has ended: nobody will ask any more. */
  connectionEnded(): void
}

const ID_BYTES = 8
const controllers = new Map<number, AbortController>()
let nextId = 1
let watcher: NativePeerWatcher | undefined

function startWatcher(): NativePeerWatcher {
  const started = new addon.PeerWatcher()
  const buffer = Buffer.allocUnsafeSlow(ID_BYTES * 512)
  const wakeUp = createWakeUp(started.takeNotifyDescriptor(), {
    buffer,
    callback: (size) => {
      for (let at = 0; at < size; at += ID_BYTES) fire(Number(buffer.readBigUInt64LE(at)))
      return true
    },
  })
  wakeUp.resume()
  wakeUp.unref() // to be told of the end of others is no reason to go on
  return started
}

function fire(id: number): void {
  const controller = controllers.get(id)
  controllers.delete(id)
  controller?.abort()
}

/**
 * Watches the process at the other end of a connected descriptor. Where the system cannot tell (Linux before 6.5), the
 * signal fires when the connection ends instead.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM when descriptors or memory have run out
 */
export function watchPeerExit(descriptor: number): PeerExitWatch {
  const controller = new AbortController()
  const id = nextId++
  let state
  try {
    watcher ??= startWatcher()
    controllers.set(id, controller)
    state = watcher.watch(id, descriptor)
  } catch (error) {
    controllers.delete(id)
    throw fromNative(error)
  }
  if (state === 'ended') fire(id)
  return {
    signal: controller.signal,
    connectionEnded: () => {
      if (state === 'not-supported') fire(id)
      else if (controllers.delete(id)) watcher?.forget(id)
    },
  }
}
