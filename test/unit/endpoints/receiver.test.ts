// Taking messages from a receiver, and its life with the connection.

import { describe, expect, it } from 'vitest'

import { MAX_MESSAGE_BYTES } from '../../../lib/message/envelope.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { connectedPair, rawToReceiver } from '../../support/pair.js'
import { self } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

const good = '{"type":"soc_event","id":"7","ts":5,"payload":{"a":1}}'

describe('taking messages', () => {
  it('serves several calls under way in their order', async () => {
    const { raw, receiver } = await rawToReceiver()
    const calls = [receiver.next(), receiver.next(), receiver.next(), receiver.next()]
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\n{"type":"a","id":"3"}\n')
    const results = await Promise.all(calls)
    expect(results.map((result) => result.value?.id)).toEqual(['1', '2', '3', undefined])
  })

  it('gives runs of messages with batches(), and goes on where next() was', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\nbad\n{"type":"a","id":"3"}\n')
    expect((await receiver.next()).value?.id).toBe('1')
    const batches = receiver.batches()
    expect((await batches.next()).value?.map((message) => message.id)).toEqual(['2'])
    expect(await rejectionOf(batches.next())).toMatchObject({ reason: 'not-json' })
    expect((await batches.next()).value?.map((message) => message.id)).toEqual(['3'])
    expect((await batches.next()).done).toBe(true)
  })

  it('closes the connection when a loop is left', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write(`${good}\n`)
    for await (const message of receiver) {
      expect(message.id).toBe('7')
      break
    }
    expect(server.closed).toBe(true)
  })

  it('tells on each message who sent it', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.end('{"type":"a","peer":{"uid":0},"uid":0}\n')
    const message = (await receiver.next()).value
    expect(message?.peer).toBe(server.peer)
    expect(message?.peer).toMatchObject(self)
  })

  it('hands out ids and payloads that do not hold the whole read', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end('{"type":"a","id":"an id of more than thirteen","payload":"a payload of more than thirteen"}\n')
    const message = (await receiver.next()).value
    expect(message?.id).toBe('an id of more than thirteen')
    expect(message?.rawPayload).toBe('"a payload of more than thirteen"')
    expect(message?.payload).toBe('a payload of more than thirteen')
  })

  it('stops reading while no messages are taken, and loses none', async () => {
    const { raw, receiver } = await rawToReceiver()
    const lines = 200_000
    let sent = 0
    const pump = (): void => {
      while (sent < lines && raw.write(`{"type":"a","id":"${sent++}"}\n`));
      if (sent < lines) raw.once('drain', pump)
      else raw.end()
    }
    pump()
    await until(() => receiver.stats.received >= 1024)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { received } = receiver.stats
    expect(received).toBeLessThan(50_000)
    let next = 0
    for await (const message of receiver) expect(message.id).toBe(String(next++))
    expect(next).toBe(lines)
  })
})

describe('a connection that is closed here', () => {
  it('is no fault of the peer', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write('{"type":"a"}\n{"type":')
    expect((await receiver.next()).value?.type).toBe('a')
    server.destroy()
    expect((await receiver.next()).done).toBe(true)
    expect(receiver.stats.invalid).toBe(0)
  })
})

describe('misuse', () => {
  it('of a second receiver does not disturb the first', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    expect(() => new Receiver(server, 'second', { idleTimeoutMs: 20 })).toThrow(TypeError)
    await new Promise((resolve) => setTimeout(resolve, 60))
    raw.end(`${good}\n`)
    expect((await receiver.next()).value?.id).toBe('7')
  })

  it('refuses a second receiver', async () => {
    const { client } = await connectedPair()
    new Receiver(client, 'first')
    expect(() => new Receiver(client, 'second')).toThrow(TypeError)
  })

  it.each([{ maxMessageBytes: 0 }, { maxMessageBytes: MAX_MESSAGE_BYTES + 1 }, { maxInvalid: NaN }])(
    'refuses %j',
    async (options) => {
      const { client } = await connectedPair()
      expect(() => new Receiver(client, 'r', options)).toThrow(RangeError)
    },
  )

  it('refuses an unknown onInvalid', async () => {
    const { client } = await connectedPair()
    expect(() => new Receiver(client, 'r', { onInvalid: 'ignore' as 'skip' })).toThrow(TypeError)
  })
})
