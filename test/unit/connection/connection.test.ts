// A connection: its end, its destruction, its descriptor, and peers that have gone.

import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'

import type { CloseEvent } from '../../../lib/connection/audit.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { heard } from '../../support/audit.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('Connection', () => {
  it('is closed after close(), which may be called again', async () => {
    const { client, server } = await connectedPair()
    expect(client.closed).toBe(false)
    await Promise.all([client.close(), client.close()])
    await client.close()
    expect(client.closed).toBe(true)
    const receiver = new Receiver(server, 'r')
    expect((await receiver.next()).done).toBe(true)
    await server.whenClosed()
  })

  it('tells when it has ended, also to those who ask late', async () => {
    const { client } = await connectedPair()
    const early = client.whenClosed()
    client.destroy()
    await early
    await client.whenClosed()
  })

  it('carries messages both ways at once', async () => {
    const { client, server } = await connectedPair()
    const ends = [client, server].map((connection) => ({
      sender: new Sender(connection, 's'),
      receiver: new Receiver(connection, 'r'),
    }))
    await Promise.all(ends.map(({ sender }, i) => sender.send(newSOCMessage('a', i))))
    const received = await Promise.all(ends.map(({ receiver }) => receiver.next()))
    expect(received.map((result) => result.value?.payload)).toEqual([1, 0])
  })

  it('keeps what arrives until there is a receiver', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.send(newSOCMessage('a', 'early'))
    await sender.close()
    await new Promise((resolve) => setTimeout(resolve, 30))
    const receiver = new Receiver(server, 'r')
    expect((await receiver.next()).value?.payload).toBe('early')
    expect((await receiver.next()).done).toBe(true)
  })

  it('gives its place in the listener back, once', async () => {
    const { listener, client, server } = await connectedPair()
    expect(listener.stats.open).toBe(1)
    server.destroy()
    client.destroy()
    await until(() => listener.stats.open === 0)
    expect(listener.stats.open).toBe(0)
  })

  it('notices that its peer has gone even if it is not read or written, and releases its quota', async () => {
    const closes = heard<CloseEvent>('sentinel-ipc:close')
    const { listener, client, server } = await connectedPair()
    client.destroy()
    await server.whenClosed()
    expect(listener.stats.open).toBe(0)
    expect(closes.at(-1)).toMatchObject({ address: server.address, reason: 'peer-closed' })
  })

  it('notices it on the dialling side too, where only a sender is there', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.send(newSOCMessage('a', 1))
    server.destroy()
    await client.whenClosed()
    expect(await rejectionOf(sender.send(newSOCMessage('a', 2)))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('keeps what a peer left unread when it went, for as long as it takes', async () => {
    const { client, server } = await connectedPair()
    const beside = await connectedPair()
    await new Sender(client, 's').send(newSOCMessage('a', 'left'))
    client.destroy()
    beside.client.destroy()
    await beside.server.whenClosed() // so there has been a look at both
    expect(server.closed).toBe(false)
    const receiver = new Receiver(server, 'r')
    expect((await receiver.next()).value?.payload).toBe('left')
    expect((await receiver.next()).done).toBe(true)
    await server.whenClosed()
  })

  it('goes on with a peer that sends no more and still reads', async () => {
    const listener = await listening(temporaryDirectory())
    const raw = connect({ path: listener.address, allowHalfOpen: true }).end()
    const server = await listener.accept()
    const beside = await connectedPair()
    beside.client.destroy()
    await beside.server.whenClosed()
    expect(server.closed).toBe(false)
    const heardByPeer = once(raw, 'data')
    await new Sender(server, 's').send(newSOCMessage('a', 'still there'))
    expect(String(await heardByPeer)).toContain('still there')
    raw.destroy()
    await server.whenClosed()
  })

  it('lets a wait for its end be withdrawn', async () => {
    const { client } = await connectedPair()
    const controller = new AbortController()
    const withdrawn = rejectionOf(client.whenClosed({ signal: controller.signal }))
    const ended = client.whenClosed()
    controller.abort()
    expect(await withdrawn).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect(client.closed).toBe(false)
    client.destroy()
    await ended
  })

  it('can be used on either side after the listener is closed', async () => {
    const { listener, client, server } = await connectedPair()
    listener.close()
    const receiver = new Receiver(server, 'r')
    await new Sender(client, 's').send(newSOCMessage('a', 1))
    expect((await receiver.next()).value?.payload).toBe(1)
  })

  it('is closed at the end of a block with await using', async () => {
    const { client } = await connectedPair()
    await client[Symbol.asyncDispose]()
    expect(client.closed).toBe(true)
  })
})
