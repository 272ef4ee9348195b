// The addon waits for all connections itself: no event may get lost or reach another connection, and each has its turn.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import { dial } from '../../lib/connection/dial.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { startChild } from '../support/child.js'
import { openSockets } from '../support/descriptors.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair, listening } from '../support/pair.js'
import { until } from '../support/wait.js'

async function pairs(count: number): Promise<{ clients: Connection[]; servers: Connection[] }> {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const clients: Connection[] = []
  const servers: Connection[] = []
  for (let i = 0; i < count; ++i) {
    const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
    clients.push(client)
    servers.push(server)
  }
  return { clients, servers }
}

describe('a connection on which nothing has come yet', () => {
  it('gets what comes, among many others', async () => {
    const { clients, servers } = await pairs(300)
    const waiting = servers.map((server) => new Receiver(server, 'r').next())
    await sleep(20)
    await Promise.all(clients.map((client, i) => new Sender(client, 's').send(newSOCMessage('a', i))))
    const results = await Promise.all(waiting)
    expect(results.map(({ value }) => value?.payload)).toEqual(clients.map((_, i) => i))
    for (const connection of [...clients, ...servers]) connection.destroy()
  })

  it('gets what came before it was read, and the end after it', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.send(newSOCMessage('a', 1))
    await sender.close()
    await sleep(20)
    const receiver = new Receiver(server, 'r')
    expect((await receiver.next()).value?.payload).toBe(1)
    expect((await receiver.next()).done).toBe(true)
  })

  it('tells that its peer has gone', async () => {
    const { client, server } = await connectedPair()
    const next = new Receiver(server, 'r').next()
    client.destroy()
    expect((await next).done).toBe(true)
    await server.whenClosed()
    expect(server.closed).toBe(true)
  })

  it('can be destroyed while a caller waits, and its descriptor reused', async () => {
    const sockets = openSockets()
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    for (let i = 0; i < 200; ++i) {
      const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
      const next = new Receiver(server, 'r').next()
      // Every other time with unread bytes under way.
      if (i % 2 === 0) await new Sender(client, 's').send(newSOCMessage('a', i))
      server.destroy()
      if (i % 3 === 0) await sleep(0)
      const result = await next
      if (result.done !== true) expect(result.value.payload).toBe(i)
      client.destroy()
      await Promise.all([server.whenClosed(), client.whenClosed()])
    }
    listener.close()
    await until(() => openSockets() <= sockets)
  })

  it('can write, also more than the kernel takes', async () => {
    const { client, server } = await connectedPair()
    const text = 'x'.repeat(1 << 19)
    const sent = new Sender(server, 's').sendBatch([newSOCMessage('a', text), newSOCMessage('a', text)])
    const receiver = new Receiver(client, 'r')
    for (let i = 0; i < 2; ++i) expect((await receiver.next()).value?.payload).toBe(text)
    await sent
  })

  it('goes on waiting when a write has to wait too', async () => {
    const { client, server, listener } = await connectedPair()
    const answer = new Receiver(server, 'answers').next()
    const sending = new Sender(server, 's').send(newSOCMessage('a', 'x'.repeat(900_000)))
    const receiver = new Receiver(client, 'r')
    expect((await receiver.next()).done).toBe(false)
    await sending
    await new Sender(client, 'c').send(newSOCMessage('a', 'an answer'))
    expect((await answer).value?.payload).toBe('an answer')
    client.destroy()
    await server.whenClosed()
    expect(listener.stats.open).toBe(0)
  })

  it('ends when its peer goes without reading what was written', async () => {
    const { client, server, listener } = await connectedPair()
    const next = new Receiver(server, 'r').next()
    const sending = new Sender(server, 's').send(newSOCMessage('a', 'x'.repeat(900_000)))
    client.destroy()
    await expect(sending).rejects.toMatchObject({ code: 'ERR_IPC_CLOSED' })
    await next.catch(() => undefined)
    await server.whenClosed()
    expect(listener.stats.open).toBe(0)
  })

  it('gets its turn among thousands whose first bytes come at once, and so do others', async () => {
    const { clients, servers } = await pairs(1000)
    let turns = 0
    const counting = setInterval(() => {
      ++turns
    }, 0)
    const waiting = servers.map((server) => new Receiver(server, 'r').next())
    for (const [i, client] of clients.entries()) void new Sender(client, 's').send(newSOCMessage('a', i))
    const results = await Promise.all(waiting)
    clearInterval(counting)
    expect(results.map(({ value }) => value?.payload)).toEqual(clients.map((_, i) => i))
    expect(turns).toBeGreaterThan(1)
    for (const connection of [...clients, ...servers]) connection.destroy()
  }, 60_000)

  it('keeps a process alive that waits for it, and lets it end then', async () => {
    const directory = temporaryDirectory()
    const child = startChild('waiting', { directory, connections: 3 })
    expect(await child.report()).toBe('listening')
    const senders: Sender[] = []
    for (let i = 0; i < 3; ++i) senders.push(new Sender(await dial('test', { directory }), 's'))
    expect(await child.report()).toBe('waiting')
    await sleep(100)
    expect(child.process.exitCode).toBe(null)
    for (const [i, sender] of senders.entries()) {
      for (let k = 0; k < i; ++k) await sender.send(newSOCMessage('a', 1))
      await sender.close()
    }
    expect(await child.report()).toEqual([0, 1, 2])
    expect((await child.exited)[0]).toBe(0)
  })
})
