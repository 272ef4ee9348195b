// A worker thread that is always in the middle of a call, so that terminate() strikes there.

import { dial, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'
import { parentPort, workerData } from 'node:worker_threads'

const { what, directory } = workerData as { what: string; directory: string }
const listener = await listen('test', { directory })
let received = 0
const started = (): void => parentPort?.postMessage({ received })

async function hammer(): Promise<void> {
  for (;;) {
    const dialled = await Promise.all(Array.from({ length: 20 }, () => dial('test', { directory })))
    await new Promise(setImmediate)
    if (what === 'dialling') for (const connection of dialled) connection.destroy()
    else await Promise.all(dialled.map((connection) => connection.whenClosed()))
  }
}

async function acceptAll(): Promise<void> {
  for await (const connection of listener) {
    if (what === 'dialling') void drain(connection)
    else connection.destroy()
  }
}

async function drain(connection: Parameters<typeof addReceiver>[0]): Promise<void> {
  for await (const batch of addReceiver(connection).batches()) received += batch.length
}

function addReceiver(connection: Awaited<ReturnType<typeof dial>>): Receiver {
  return new Receiver(connection, 'worker')
}

if (what === 'idle') {
  started()
  await new Promise(() => setInterval(() => undefined, 1000))
} else if (what === 'waiting') {
  const receivers: Receiver[] = []
  for (let i = 0; i < 20; ++i) {
    const [, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    receivers.push(addReceiver(server))
  }
  started()
  await Promise.all(receivers.map((receiver) => receiver.next()))
} else if (what === 'accepting' || what === 'dialling') {
  // Dialled connections end only when they notice: give them a reader each.
  started()
  await Promise.all([acceptAll(), what === 'dialling' ? hammer() : dialAndRead()])
} else {
  const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
  const sender = new Sender(client, 'worker')
  const sending = (async () => {
    for (;;)
      await sender.sendBatch(Array.from({ length: 50 }, (_, i) => newSOCMessage('a', 'x'.repeat(i * 100))))
  })()
  started()
  if (what === 'receiving') await Promise.all([sending, drain(server)])
  else {
    // Read slowly, so that the sender is mostly blocked.
    for await (const batch of addReceiver(server).batches()) {
      received += batch.length
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
}

async function dialAndRead(): Promise<void> {
  for (;;) {
    const dialled = await Promise.all(Array.from({ length: 20 }, () => dial('test', { directory })))
    await Promise.all(dialled.map((connection) => drain(connection)))
  }
}
