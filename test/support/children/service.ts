// One end of a service in a process: a server of requests, one with few descriptors, clients of it, or a subscriber.

import { closeSync, openSync } from 'node:fs'
import {
  dial,
  Endpoint,
  listen,
  newSOCMessage,
  Receiver,
  Sender,
  serve,
  type ServerStats,
} from 'sentinel-ipc'

interface Order {
  readonly role: 'replier' | 'crowded' | 'clients' | 'subscriber'
  readonly directory: string
  readonly count?: number
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order
const { directory, count = 0 } = order
const report = (what: object): void => void process.send?.(what)

/** Replies to `echo` at once, to `slow` after a while, to `never` never; closes on request. */
async function replier(): Promise<void> {
  const server = serve(await listen('test', { directory }), async (connection) => {
    const endpoint = new Endpoint(connection, 'replier')
    endpoint.respond('echo', ({ payload }) => payload)
    endpoint.respond('slow', async ({ payload }) => {
      await new Promise((resolve) => setTimeout(resolve, 100))
      return payload
    })
    endpoint.respond('never', () => new Promise(() => undefined))
    await endpoint.whenClosed()
  })
  process.once('message', () => {
    void server.close({ timeoutMs: 5000 }).then((result) => {
      report(result)
      process.disconnect()
    })
  })
  report({ ready: true })
}

/** Serves `count` clients with room for far fewer at a time, by the limit that it sets itself. */
async function crowded(): Promise<void> {
  const listener = await listen('test', { directory })
  let messages = 0
  const server = serve(listener, async (connection) => {
    for await (const { timestamp } of new Receiver(connection, 'crowded')) messages += timestamp > 0 ? 1 : 0
  })
  report({ ready: true })
  await new Promise((resolve) => process.once('message', resolve))
  const ballast: number[] = []
  for (let full = false; !full && ballast.length < 200_000;) {
    try {
      ballast.push(openSync('/dev/null', 'r'))
    } catch {
      full = true
    }
  }
  for (const descriptor of ballast.splice(0, 40)) closeSync(descriptor)
  report({ crowded: true })
  let stats: ServerStats
  do {
    await new Promise((resolve) => setTimeout(resolve, 20))
    stats = server.stats
  } while (stats.served < count)
  for (const descriptor of ballast) closeSync(descriptor)
  report({ messages, stats, exhausted: listener.stats.exhausted })
  await server.close()
  process.disconnect()
}

async function clients(): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const sender = new Sender(await dial('test', { directory, timeoutMs: 30_000 }), 's', {
        timeoutMs: 30_000,
      })
      await sender.send(newSOCMessage('a', 1))
      await new Promise((resolve) => setTimeout(resolve, 50))
      await sender.close()
    }),
  )
  process.disconnect()
}

/** Reads to the end; then reports how many messages came, and the last of them. */
async function subscriber(): Promise<void> {
  const receiver = new Receiver(await dial('test', { directory }), 'subscriber')
  report({ ready: true })
  let received = 0
  let last = -1
  let sorted = true
  for await (const batch of receiver.batches()) {
    received += batch.length
    for (const { id } of batch) {
      sorted &&= Number(id) > last
      last = Number(id)
    }
  }
  report({ received, last, sorted })
  process.disconnect()
}

const roles = { replier, crowded, clients, subscriber }
await roles[order.role]()
