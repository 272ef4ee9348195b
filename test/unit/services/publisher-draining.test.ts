// Servers whose handlers only publish: when they drain, subscribers get what was published before, and then the end.

import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Publisher } from '../../../lib/services/publisher.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { serve } from '../../../lib/services/server.js'
import type { Subscriber } from '../../../lib/services/subscriber.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

describe('a server whose handlers only publish', () => {
  it('drains: subscribers get what was published before, then the end', async () => {
    const directory = temporaryDirectory()
    const publisher = new Publisher({ maxPendingBytes: 64 << 20 })
    const server = serve(await listening(directory), async (connection) => {
      publisher.add(connection)
      await connection.whenClosed()
    })
    const client = await dial('test', { directory })
    await until(() => [...publisher.subscribers].length === 1)
    const [subscriber] = publisher.subscribers
    const count = 3000
    for (let i = 0; i < count; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000), { id: String(i) }))
    }
    await until(() => subscriber?.stats.pending !== 0)
    const closing = server.close()
    await until(() => [...publisher.subscribers].length === 0)
    publisher.publish(newSOCMessage('soc_event', 'too late', { id: 'late' }))
    const ids: string[] = []
    for await (const { id } of new Receiver(client, 'slow')) ids.push(id)
    expect(ids).toEqual(Array.from({ length: count }, (_, i) => String(i)))
    expect(await closing).toEqual({ served: 1, aborted: 0 })
  })

  it.each(['all of them keep it', 'the last one has given it up', 'the first one has given it up'])(
    'drains a connection of two publishers: %s',
    async (which) => {
      const directory = temporaryDirectory()
      const publishers = [0, 1].map(() => new Publisher({ maxPendingBytes: 64 << 20 }))
      const subscribers: Subscriber[] = []
      const server = serve(await listening(directory), async (connection) => {
        for (const publisher of publishers) subscribers.push(publisher.add(connection))
        await connection.whenClosed()
      })
      const client = await dial('test', { directory })
      await until(() => subscribers.length === 2)
      if (which.startsWith('the last')) subscribers.pop()?.unsubscribe()
      if (which.startsWith('the first')) subscribers.shift()?.unsubscribe()
      // More than the kernel takes, from each.
      const count = 1000
      for (const [n, publisher] of publishers.entries()) {
        for (let i = 0; i < count; ++i) {
          publisher.publish(newSOCMessage('soc_event', 'x'.repeat(1000), { id: `${n} ${i}` }))
        }
      }
      await until(() => subscribers.every(({ stats }) => stats.pending > 0))
      const closing = server.close({ timeoutMs: 20_000 })
      await until(() => publishers.every((publisher) => [...publisher.subscribers].length === 0))
      let received = 0
      for await (const message of new Receiver(client, 'slow')) if (message.id !== '') ++received
      expect(received).toBe(subscribers.length * count)
      expect(await closing).toEqual({ served: 1, aborted: 0 })
      expect(subscribers.map(({ stats }) => stats.dropped)).toEqual(subscribers.map(() => 0))
    },
    30_000,
  )

  it('leaves a connection alone that has an endpoint too, which still replies', async () => {
    const directory = temporaryDirectory()
    const publisher = new Publisher()
    let finish = (): void => undefined
    const finished = new Promise<void>((resolve) => (finish = resolve))
    const server = serve(await listening(directory), async (connection) => {
      publisher.add(connection)
      const endpoint = new Endpoint(connection, 'server')
      endpoint.respond('ask', async () => {
        await finished
        return 'late'
      })
      await endpoint.whenClosed()
    })
    const endpoint = new Endpoint(await dial('test', { directory }), 'client')
    const reply = endpoint.request<string>('ask')
    await until(() => [...publisher.subscribers].length === 1)
    const closing = server.close()
    await new Promise((resolve) => setTimeout(resolve, 100))
    finish()
    expect((await reply).payload).toBe('late')
    expect(await closing).toEqual({ served: 1, aborted: 0 })
    await endpoint.close()
  })

  it('gives a connection up after its time that is subscribed no more, as the handler holds it', async () => {
    const directory = temporaryDirectory()
    const publisher = new Publisher()
    const server = serve(await listening(directory), async (connection) => {
      publisher.add(connection).unsubscribe()
      await connection.whenClosed()
    })
    const client = await dial('test', { directory })
    onTestFinished(() => {
      client.destroy()
    })
    await until(() => server.stats.accepted === 1)
    expect(await server.close({ timeoutMs: 100 })).toEqual({ served: 0, aborted: 1 })
  })
})
