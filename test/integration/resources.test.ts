// Descriptors, threads and memory return to their baseline.

import { createHash } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Worker } from 'node:worker_threads'

import { BufferedSender } from '../../lib/endpoints/buffered-sender.js'
import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { openSockets, threads } from '../support/descriptors.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair } from '../support/pair.js'
import { until } from '../support/wait.js'

// A sanitizer keeps freed memory back, so resident memory says nothing then.
const sanitized = process.env['SANITIZED'] === '1'

describe('1,000 connections, one after the other', () => {
  it('leave no descriptor and no memory behind', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const cycle = async (): Promise<void> => {
      const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
      const receiver = new Receiver(server, 'r')
      const sender = new Sender(client, 's')
      await sender.send(newSOCMessage('a', 'x'.repeat(1000)))
      expect((await receiver.next()).done).toBe(false)
      await sender.close()
      expect((await receiver.next()).done).toBe(true)
      await server.whenClosed()
    }
    for (let i = 0; i < 100; ++i) await cycle()
    const sockets = openSockets()
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 1000; ++i) await cycle()
    expect(openSockets()).toBe(sockets)
    expect(listener.stats).toMatchObject({ accepted: 1100, open: 0 })
    if (!sanitized) expect(process.memoryUsage.rss() - before).toBeLessThan(48 << 20)
    listener.close()
    await until(() => openSockets() < sockets)
  }, 60_000)
})

describe('a reader that stalls', () => {
  it('costs the sender no memory, however long it lasts', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    const payload = { text: 'x'.repeat(200) }
    let refused = 0
    const push = async (ms: number): Promise<void> => {
      const end = performance.now() + ms
      while (performance.now() < end) {
        try {
          for (;;) sender.send(newSOCMessage('a', payload))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
          ++refused
        }
        await new Promise(setImmediate)
      }
    }
    await push(500)
    const before = process.memoryUsage()
    await push(2000)
    const after = process.memoryUsage()
    expect(refused).toBeGreaterThan(10)
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(8 << 20)
    if (!sanitized) expect(after.rss - before.rss).toBeLessThan(48 << 20) // with the garbage of this test itself
    client.destroy()
  })
})

describe('back-pressure', () => {
  it('delivers every byte to a reader that keeps stopping', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 60_000 })
    const sent = createHash('sha256')
    const received = createHash('sha256')
    const sending = (async () => {
      for (let i = 0; i < 300; ++i) {
        const batch = Array.from({ length: 100 }, (_, k) => newSOCMessage('a', { i, k, text: 'é'.repeat(k) }))
        for (const message of batch) sent.update(message.rawPayload ?? '')
        await sender.sendBatch(batch)
      }
      await sender.close()
    })()
    let count = 0
    for await (const message of new Receiver(server, 'r')) {
      received.update(message.rawPayload ?? '')
      if (++count % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await sending
    expect(count).toBe(30_000)
    expect(received.digest('hex')).toBe(sent.digest('hex'))
  })
})

const worker = new URL('../../out/test/support/children/busy-worker.js', import.meta.url)

describe('a worker thread that is terminated', () => {
  it.each(['accepting', 'dialling', 'sending', 'receiving', 'waiting', 'idle'])(
    'while %s leaves no descriptor and no thread behind',
    async (what) => {
      const directory = temporaryDirectory()
      const run = async (i: number): Promise<void> => {
        const running = new Worker(worker, { workerData: { what, directory: `${directory}/${i}` } })
        onTestFinished(() => void running.terminate())
        await new Promise((resolve, reject) => {
          running.once('message', resolve)
          running.once('error', reject)
        })
        // At some moment of its work, another one each time.
        await new Promise((resolve) => setTimeout(resolve, i % 7))
        await running.terminate()
      }
      for (let i = 0; i < 5; ++i) await run(i)
      const sockets = openSockets()
      const running = threads()
      for (let i = 5; i < 45; ++i) await run(i)
      await until(() => openSockets() <= sockets && threads() <= running)
    },
    60_000,
  )
})
