// Waits for connected descriptors with the addon, as commanded, and reports it. Ends by itself if none of the waits
// keeps the process alive.

import { createServer } from 'node:net'
import { join } from 'node:path'

import { addon } from '../../../lib/binding/addon.js'
import { resolvePolicy } from '../../../lib/peer/policy.js'

/** Calls of readiness, each with the number of a descriptor: 0 is the first of two. */
type Step = readonly [call: 'want' | 'keepAlive' | 'close', which: number, ...rest: boolean[]]

const { directory, steps } = JSON.parse(process.argv[2] ?? '{}') as { directory: string; steps: Step[] }
const path = join(directory, 'plain.sock')
/** Its ends of the connections keep no process alive: the loop may accept them before it stops, as Node 26's does. */
const server = createServer((socket) => socket.unref())
await new Promise<void>((resolve) => server.listen(path, resolve))
const { readiness } = addon
if (readiness === undefined) throw new Error('this system has no readiness')
const descriptors = [0, 1].map(() => {
  const client = addon.connect(path, resolvePolicy(undefined))
  if (!('descriptor' in client)) throw new Error(client.reason)
  return client.descriptor
})
readiness.start(() => undefined, new Int32Array(4))
for (const [call, which, ...rest] of steps) {
  const descriptor = descriptors[which] ?? -1
  try {
    if (call === 'want') readiness.want(descriptor, rest[0] ?? false, rest[1] ?? false)
    else if (call === 'keepAlive') readiness.keepAlive(descriptor, rest[0] ?? false)
    else readiness.close(descriptor)
  } catch (error) {
    process.send?.({ failed: (error as { syscall?: string }).syscall })
  }
}
server.unref()
process.send?.('done')
process.disconnect()
