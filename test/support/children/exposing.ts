// A service that exposes its counts: sends itself messages at a steady rate, asks itself requests, and turns strangers away.

import { setInterval } from 'node:timers'
import { dial, Endpoint, exposeStats, listen, newSOCMessage, serve } from 'sentinel-ipc'

interface Order {
  readonly name: string
  readonly directory: string
  /** Messages every 10 ms. */
  readonly batch?: number
}

const { name, directory, batch = 10 } = JSON.parse(process.argv[2] ?? '{}') as Order
await exposeStats(name, { directory })
const listener = await listen(name, { directory })
serve(listener, async (connection) => {
  const endpoint = new Endpoint(connection, 'server')
  endpoint.respond('ask', () => 'reply')
  for await (const message of endpoint.messages) if (message.type === 'end') break
})
const endpoint = new Endpoint(await dial(name, { directory }), 'client')
setInterval(() => {
  for (let n = 0; n < batch; ++n) void endpoint.send(newSOCMessage('soc_event', { n }))
  void endpoint.request('ask')
}, 10)
process.send?.({ exposing: true })
