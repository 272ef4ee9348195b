// A process with a listener, and a connection that is read from at both ends. Ends by itself if all of them are unref'd.

import { dial, listen, Receiver } from 'sentinel-ipc'

interface Order {
  readonly directory: string
  readonly unref: readonly ('listener' | 'client' | 'server')[]
  /** Calls `ref` on it again. */
  readonly ref?: 'listener' | 'client' | 'server'
}

const { directory, unref, ref } = JSON.parse(process.argv[2] ?? '{}') as Order

const listener = await listen('unref', { directory })
const [client, server] = await Promise.all([dial('unref', { directory }), listener.accept()])
const ends = { listener, client, server }
for (const name of unref.slice(1)) ends[name].unref()
void new Receiver(client, 'c').next()
void new Receiver(server, 's').next()
// One of them while it is being waited for already.
for (const name of unref.slice(0, 1)) ends[name].unref()
if (ref !== undefined) ends[ref].ref()
process.send?.('ready')
process.disconnect()
