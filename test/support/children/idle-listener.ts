// Accepts connections on which nothing arrives, with a receiver on each that waits for a message. After each round,
// collects garbage and reports the memory of the heap in use. Must be started with --expose-gc.

import { listen, Receiver } from 'sentinel-ipc'

const { directory, connections } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  /** Connections in a round. */
  connections: number
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('the process must be started with --expose-gc')
  // What the first one makes unreachable, such as the memory behind a buffer, goes with the second.
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

const listener = await listen('idle', { directory })
const open: Receiver[] = []
process.send?.(listener.address)
for await (const connection of listener) {
  const receiver = new Receiver(connection, 'idle')
  void receiver.next()
  open.push(receiver)
  if (open.length % connections === 0) process.send?.(heapBytes())
}
