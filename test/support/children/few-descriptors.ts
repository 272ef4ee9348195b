// Serves 150 clients of another process with room for far fewer at a time, by the limit that it sets itself.

import { fork } from 'node:child_process'
import { dial, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'
import { openSync, closeSync } from 'node:fs'

const order = JSON.parse(process.argv[2] ?? '{}') as { directory: string; clients?: number }
const CLIENTS = 150

if (order.clients === undefined) {
  const listener = await listen('test', { directory: order.directory })
  const clients = fork(process.argv[1] ?? '', [JSON.stringify({ ...order, clients: CLIENTS })])
  // Descriptors of our own until none is left but a few; RLIMIT_NOFILE cannot be set from JavaScript.
  const ballast: number[] = []
  for (let full = false; !full;) {
    try {
      ballast.push(openSync('/dev/null', 'r'))
    } catch {
      full = true
    }
    if (ballast.length >= 200_000) break
  }
  const free = 40
  for (const descriptor of ballast.splice(0, free)) closeSync(descriptor)
  let served = 0
  let messages = 0
  for await (const connection of listener) {
    void (async () => {
      for await (const message of new Receiver(connection, 'r')) messages += message.timestamp > 0 ? 1 : 0
      if (++served === CLIENTS) {
        for (const descriptor of ballast) closeSync(descriptor)
        process.send?.({ served, messages, exhausted: listener.stats.exhausted })
        listener.close()
        clients.kill('SIGKILL')
        process.disconnect()
      }
    })()
  }
} else {
  const { clients } = order
  await Promise.all(
    Array.from({ length: clients }, async () => {
      const connection = await dial('test', { directory: order.directory, timeoutMs: 30_000 })
      const sender = new Sender(connection, 's', { timeoutMs: 30_000 })
      await sender.send(newSOCMessage('a', 1))
      await new Promise((resolve) => setTimeout(resolve, 50))
      await sender.close()
    }),
  )
}
