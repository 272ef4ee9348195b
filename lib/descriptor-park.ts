// Tells when something has arrived on a connected descriptor that is parked with the addon: one native thread waits for
// all of a thread of JavaScript. Must not know connections.

import type { Socket } from 'node:net'

import { addon, type NativePark } from './native.js'
import { createSocket } from './node-socket.js'

/** Somebody who waits for the first bytes on a parked descriptor. */
export interface Parked {
  readonly descriptor: number
  /** Bytes have arrived, or the peer has gone. Called once a watch; sometimes for nothing. */
  onReadable(): void
}

/** Descriptors that get their sockets in one turn of the event loop. */
const AT_ONCE = 64

/** The addon's, where it parks. */
const park: NativePark | undefined = addon.park
const wakeUpBytes = Buffer.allocUnsafeSlow(64)
/** Those who wait, by descriptor. */
const waiting: (Parked | undefined)[] = []
let count = 0
let wakeUp: Socket | undefined
/** Those that are ready and not yet told, in their order. */
let ready: number[] = []
let telling = false

function start(park: NativePark): Socket {
  const socket = createSocket(park.start(), {
    buffer: wakeUpBytes,
    callback: () => {
      ready = ready.concat(park.takeReady())
      tellSome()
      return true
    },
  })
  socket.resume()
  socket.unref() // until somebody waits
  return socket
}

/** Thousands may be ready at once: others have their turn in between. */
function tellSome(): void {
  if (telling) return
  const some = ready.slice(0, AT_ONCE)
  ready = ready.slice(AT_ONCE)
  if (ready.length > 0) {
    telling = true
    setImmediate(() => {
      telling = false
      tellSome()
    })
  }
  for (const descriptor of some) forgetParked(descriptor)?.onReadable()
}

/**
 * Nobody waits for it any more; it stays parked. Answers who did. What the addon still tells of it is passed over. Somebody
 * who waits keeps the process alive, as a socket that is read does.
 */
export function forgetParked(descriptor: number): Parked | undefined {
  const parked = waiting[descriptor]
  if (parked === undefined) return undefined
  waiting[descriptor] = undefined
  if (--count === 0) wakeUp?.unref()
  return parked
}

/** Connected descriptors are parked as they come from the addon. */
export const parks = park !== undefined

/** False when this descriptor cannot be watched, for want of descriptors or memory. */
export function watchParked(parked: Parked): boolean {
  if (park === undefined) return false
  try {
    wakeUp ??= start(park)
    park.watch(parked.descriptor)
  } catch {
    return false
  }
  if (waiting[parked.descriptor] === undefined && ++count === 1) wakeUp.ref()
  waiting[parked.descriptor] = parked
  return true
}

/** Takes a descriptor out of the park: it must be wrapped before anything else happens. */
export function unpark(descriptor: number): void {
  forgetParked(descriptor)
  park?.release(descriptor)
}

export function closeParked(descriptor: number): void {
  forgetParked(descriptor)
  park?.close(descriptor)
}
