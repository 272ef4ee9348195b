// What becomes of sends when the connection ends, and how a sender finds another.

import { describe, expect, it } from 'vitest'

import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { connectedPair, listening } from '../../support/pair.js'
import { rejectionOf } from '../../support/wait.js'
import { idsFrom, numbered } from '../../support/messages.js'

const large = 'x'.repeat(100_000)

describe('a peer that goes away', () => {
  it('rejects sends with ERR_IPC_CLOSED', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    server.destroy()
    await server.whenClosed()
    expect(await rejectionOf(sender.send(newSOCMessage('a')))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('rejects the sends that wait', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const sends = numbered(20, 0, large).map((message) => sender.send(message))
    server.destroy()
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'ERR_IPC_CLOSED' } })
  })
})

describe('a connection that is destroyed here', () => {
  it('rejects a send of which the kernel has a part', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's')
    const sent = sender.send(newSOCMessage('a', 'x'.repeat(1_000_000)))
    client.destroy()
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('rejects those that wait for their turn when it is closed', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const sends = numbered(200, 0, large).map((message) => sender.send(message))
    const outcomes = Promise.allSettled(sends)
    const closed = client.close()
    const ids = await idsFrom(new Receiver(server, 'r'), 200)
    await closed
    const kept = (await outcomes).filter((outcome) => outcome.status === 'fulfilled').length
    expect(ids).toHaveLength(kept)
    expect(kept).toBeLessThan(200)
  })
})

describe('a peer that goes after it has sent', () => {
  it('is read to the end although writing to it has failed', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.sendBatch(numbered(1300))
    await sender.close()
    const receiver = new Receiver(server, 'r')
    expect((await receiver.next()).value?.id).toBe('0')
    expect(await rejectionOf(new Sender(server, 'reply').send(newSOCMessage('a')))).toMatchObject({
      code: 'ERR_IPC_CLOSED',
    })
    expect(await idsFrom(receiver, 2000)).toHaveLength(1299)
    await server.whenClosed()
  })
})

describe('sendWithRetry', () => {
  it('dials once for all who find the connection dead', async () => {
    const { listener, client, server } = await connectedPair({}, { signal: AbortSignal.timeout(5000) })
    const sender = new Sender(client, 's')
    server.destroy()
    await server.whenClosed()
    client.destroy()
    const sends = Array.from({ length: 50 }, (_, i) =>
      sender.sendWithRetry(newSOCMessage('a', 1, { id: String(i) })),
    )
    const accepted = await listener.accept()
    expect(await idsFrom(new Receiver(accepted, 'r'), 50)).toEqual(numbered(50).map((message) => message.id))
    await Promise.all(sends)
    expect(listener.stats.accepted).toBe(2)
    await sender.close()
  })

  it('dials anew when the listener has come back', async () => {
    const { directory, listener: first, client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    server.destroy()
    first.close()
    await server.whenClosed()
    const second = await listening(directory)
    const [, accepted] = await Promise.all([
      sender.sendWithRetry(newSOCMessage('a', 1, { id: 'again' })),
      second.accept(),
    ])
    expect((await new Receiver(accepted, 'r').next()).value?.id).toBe('again')
    expect(sender.connection).not.toBe(client)
    await sender.close()
  })

  it('gives up after three tries with the last error', async () => {
    const { listener, client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    listener.close()
    server.destroy()
    await server.whenClosed()
    const begin = performance.now()
    const error = await rejectionOf(sender.sendWithRetry(newSOCMessage('a')))
    expect(error).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    expect(performance.now() - begin).toBeGreaterThan(290) // 100 + 200 ms
  })

  it('cannot dial where the other side did', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(server, 's')
    client.destroy()
    await client.whenClosed()
    expect(await rejectionOf(sender.sendWithRetry(newSOCMessage('a')))).toMatchObject({
      code: 'ERR_IPC_CLOSED',
    })
  })

  it('does not repeat what repeating cannot mend', async () => {
    const { client } = await connectedPair()
    const begin = performance.now()
    const error = await rejectionOf(new Sender(client, 's').sendWithRetry(newSOCMessage('a', rawJSON('{'))))
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(performance.now() - begin).toBeLessThan(90)
  })
})
