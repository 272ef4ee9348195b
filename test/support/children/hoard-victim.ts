// A process that serves connections: replies to `ping`, and takes no more of a connection after `hold`. With `acknowledging`, it
// keeps a message of type `work` in hand instead. Reports its memory and its listener's counts when asked.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { AcknowledgingReceiver, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'
import type { Connection, ListenOptions } from 'sentinel-ipc'

const { directory, options, acknowledging } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  options: ListenOptions
  acknowledging: boolean
}
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const listener = await listen('victim', { directory, ...options })
/** What the application has yet to take, and means to. */
const held: Pick<Receiver, 'next'>[] = []
/** Errors by their code, or the reason behind it. */
const endings: Record<string, number> = {}

function receiverOf(connection: Connection): Pick<Receiver, 'next'> {
  // Asking for the next message accepts the one before.
  return acknowledging ? new AcknowledgingReceiver(connection, 'victim') : new Receiver(connection, 'victim')
}

async function serve(connection: Connection): Promise<void> {
  const receiver = receiverOf(connection)
  const sender = new Sender(connection, 'victim')
  for (;;) {
    try {
      const { value, done } = await receiver.next()
      if (done === true) return
      if (value.type === 'hold' || value.type === 'work') {
        held.push(receiver)
        return
      }
      await sender.send(newSOCMessage('pong', value.rawPayload?.length ?? 0))
    } catch (error) {
      const { code, reason, cause } = error as { code: string; reason?: string; cause?: { reason?: string } }
      const why = code === 'ERR_IPC_INVALID_MESSAGE' ? code : (cause?.reason ?? reason ?? code)
      endings[why] = (endings[why] ?? 0) + 1
    }
  }
}

void (async () => {
  for await (const connection of listener) void serve(connection)
})()

process.on('message', (question) => {
  if (question === 'take') {
    for (const receiver of held.splice(0)) {
      void (async () => {
        while ((await receiver.next()).done !== true);
      })().catch(() => undefined)
    }
  }
  collect()
  // V8 frees the memory of buffers on another thread.
  setTimeout(() => {
    process.send?.({ rss: process.memoryUsage.rss(), stats: listener.stats, endings })
  }, 50)
})
process.send?.({ address: listener.address })
