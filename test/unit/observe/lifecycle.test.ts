// What happens to listeners, connections, senders and receivers, as events of one shape.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dialWithRetry } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import type { LifecycleEvent } from '../../../lib/observe/lifecycle.js'
import { temporaryDirectory } from '../../support/directory.js'
import { numbered } from '../../support/messages.js'
import { connectedPair, listening } from '../../support/pair.js'
import { self } from '../../support/platform.js'
import { until } from '../../support/wait.js'

function recorder(): { events: LifecycleEvent[]; onEvent: (event: LifecycleEvent) => void } {
  const events: LifecycleEvent[] = []
  return { events, onEvent: (event) => events.push(event) }
}

const typesOf = (events: readonly LifecycleEvent[]): string[] =>
  events.map(({ role, type }) => `${role} ${type}`)

describe('a listener', () => {
  it('reports itself and its connections, with what they came to', async () => {
    const { events, onEvent } = recorder()
    const { listener, client, server } = await connectedPair({ onEvent })
    const slept = 2
    await new Promise((resolve) => setTimeout(resolve, slept + 1)) // timers may fire a millisecond early
    const sender = new Sender(client, 's')
    const receiver = new Receiver(server, 'r')
    await sender.send(newSOCMessage('a', 'x'))
    await receiver.next()
    await new Sender(server, 's').send(newSOCMessage('b'))
    await sender.close()
    await receiver.next()
    await server.whenClosed()
    listener.close()
    await until(() => events.length === 4)
    const { address } = listener
    const connection = { role: 'connection', name: address, address, connection: server.id }
    expect(events).toMatchObject([
      { role: 'listener', name: address, address, connection: undefined, type: 'listening' },
      { ...connection, type: 'connected', peer: self },
      { ...connection, type: 'closed', reason: 'peer-closed', counts: { linesIn: 1 } },
      { role: 'listener', type: 'closed', accepted: 1, refused: 0 },
    ])
    const { counts } = events[2] as LifecycleEvent & { type: 'closed' }
    expect(counts?.bytesIn).toBe(receiver.stats.bytes)
    expect(counts?.bytesOut).toBeGreaterThan(10)
    expect(counts?.durationMs).toBeLessThanOrEqual(server.ageMs)
    expect(counts?.durationMs).toBeGreaterThanOrEqual(slept)
  })

  it('reports a lost address', async () => {
    const { events, onEvent } = recorder()
    const listener = await listening(temporaryDirectory(), { onEvent })
    const { rmSync } = await import('node:fs')
    rmSync(listener.address)
    listener.check()
    await until(() => events.length === 2)
    expect(events[1]).toMatchObject({ type: 'address-lost', found: 'nothing', reclaimed: false })
  })

  it('reports a user who holds too much, and that it no longer does', async () => {
    const { events, onEvent } = recorder()
    const listener = await listening(temporaryDirectory(), { onEvent, maxBytesPerUser: 1 << 20 })
    const line = '{"type":"a","payload":"'.padEnd(1000, 'x') + '"}\n'
    const receivers = await Promise.all(
      [1, 2, 3].map(async () => {
        const raw = connect(listener.address)
        raw.on('error', () => undefined)
        onTestFinished(() => {
          raw.destroy()
        })
        raw.end(line.repeat(1000))
        return new Receiver(await listener.accept(), 'r')
      }),
    )
    await until(() => events.some(({ type }) => type === 'paused'))
    await Promise.all(receivers.map(async (receiver) => { while ((await receiver.next()).done !== true); })) // prettier-ignore
    await until(() => events.some(({ type }) => type === 'resumed'))
    const of = events.filter(({ role, type }) => role === 'listener' && type !== 'listening')
    const user = process.getuid?.() as number
    expect(of[0]).toMatchObject({ type: 'paused', reason: 'user-budget', user })
    expect(of[1]).toMatchObject({ type: 'resumed', user })
  })
})

describe('a dialled connection', () => {
  it('reports retries, and that it was lost', async () => {
    const { events, onEvent } = recorder()
    const directory = temporaryDirectory()
    const dialling = dialWithRetry('test', 3, { directory, onEvent })
    await until(() => events.length > 0)
    const listener = await listening(directory)
    const [client, server] = await Promise.all([dialling, listener.accept()])
    expect(typesOf(events)).toEqual(['connection retrying', 'connection connected'])
    expect(events[0]).toMatchObject({ connection: undefined, tries: 1, delayMs: 500 })
    new Receiver(client, 'r', { idleTimeoutMs: 20 })
    await client.whenClosed()
    await until(() => events.length === 3)
    expect(events[2]).toMatchObject({ type: 'lost', reason: 'idle', connection: client.id })
    server.destroy()
  })
})

describe('a sender', () => {
  it.each(['sender', 'buffered-sender'] as const)(
    '(%s) reports that it waits, and no longer',
    async (role) => {
      const { events, onEvent } = recorder()
      const { client, server } = await connectedPair()
      const many = numbered(100, 0, 'x'.repeat(20_000))
      let done: Promise<unknown>
      if (role === 'sender') {
        const sender = new Sender(client, 'flow', { onEvent })
        done = Promise.all(many.map((message) => sender.send(message))).then(() => sender.close())
      } else {
        const sender = new BufferedSender(client, 'flow', { onEvent })
        for (const message of many) sender.send(message)
        done = sender.close()
      }
      await until(() => events.length > 0)
      const receiver = new Receiver(server, 'r')
      while ((await receiver.next()).done !== true);
      await done
      await until(() => events.at(-1)?.type === 'closed')
      expect([...new Set(typesOf(events))]).toEqual([`${role} paused`, `${role} drained`, `${role} closed`])
      expect(events[0]).toMatchObject({ name: 'flow', reason: 'peer', connection: client.id })
    },
  )

  it.each(['sender', 'buffered-sender'] as const)(
    '(%s) reports that its connection was lost',
    async (role) => {
      const { events, onEvent } = recorder()
      const { client, server } = await connectedPair()
      const Kind = role === 'sender' ? Sender : BufferedSender
      const sender = new Kind(client, 'flow', { onEvent })
      server.destroy()
      client.destroy()
      await until(() => events.length === 1)
      expect(events[0]).toMatchObject({ role, type: 'lost', error: { code: 'ERR_IPC_CLOSED' } })
      await sender.close()
      expect(events).toHaveLength(1)
    },
  )

  it('reports its retries', async () => {
    const { events, onEvent } = recorder()
    const { client, server, listener } = await connectedPair()
    const sender = new Sender(client, 'flow', { onEvent })
    listener.close()
    server.destroy()
    client.destroy()
    await sender.sendWithRetry(newSOCMessage('a')).catch(() => undefined)
    expect(typesOf(events)).toEqual(['sender lost', 'sender retrying', 'sender retrying'])
    expect(events[2]).toMatchObject({ tries: 2, delayMs: 200, error: { code: 'ERR_IPC_NOT_LISTENING' } })
  })
})

describe('a receiver', () => {
  it('reports that it waits for the application, and its end', async () => {
    const { events, onEvent } = recorder()
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r', { onEvent })
    const sent = new Sender(client, 's').sendBatch(numbered(100, 0, 'x'.repeat(20_000)))
    await until(() => events.length === 1)
    for (let i = 0; i < 100; ++i) await receiver.next()
    await sent
    client.destroy()
    expect((await receiver.next()).done).toBe(true)
    await until(() => events.at(-1)?.type === 'closed')
    expect([...new Set(typesOf(events))]).toEqual(['receiver paused', 'receiver resumed', 'receiver closed'])
    expect(events[0]).toMatchObject({ name: 'r', reason: 'application', connection: server.id })
  })

  it('reports why the connection was lost', async () => {
    const { events, onEvent } = recorder()
    const { server } = await connectedPair()
    const receiver = new Receiver(server, 'r', { onEvent, firstMessageTimeoutMs: 10 })
    await receiver.next().catch(() => undefined)
    await until(() => events.length === 1)
    expect(events[0]).toMatchObject({ type: 'lost', error: { reason: 'no-first-message' } })
  })
})

describe('events', () => {
  it('are published on a diagnostics channel too, and a callback that throws changes nothing', async () => {
    const published: LifecycleEvent[] = []
    const onMessage = (event: unknown): void => {
      published.push(event as LifecycleEvent)
    }
    const errors: unknown[] = []
    const onError = (error: unknown): void => {
      errors.push(error)
    }
    subscribe('sentinel-ipc:lifecycle', onMessage)
    subscribe('sentinel-ipc:user-error', onError)
    onTestFinished(() => {
      unsubscribe('sentinel-ipc:lifecycle', onMessage)
      unsubscribe('sentinel-ipc:user-error', onError)
    })
    const thrown = new Error('mine')
    const listener = await listen('test', {
      directory: temporaryDirectory(),
      onEvent: () => {
        throw thrown
      },
    })
    listener.close()
    await until(() => errors.length === 2)
    // Connections of earlier tests may end meanwhile.
    const ours = published.filter(({ role }) => role === 'listener')
    expect(typesOf(ours)).toEqual(['listener listening', 'listener closed'])
    expect(errors).toEqual(Array.from({ length: 2 }, () => ({ callback: 'onEvent', error: thrown })))
  })
})
