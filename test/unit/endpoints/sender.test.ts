// What a sender promises while its connection lives.

import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { socketIn } from '../../support/platform.js'
import { servePlainly } from '../../support/plain-server.js'
import { rejectionOf } from '../../support/wait.js'
import { idsFrom, numbered } from '../../support/messages.js'

const large = 'x'.repeat(100_000)

describe('send', () => {
  it('sends what the receiver gets', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    await new Sender(client, 's').send(
      newSOCMessage('soc_event', { é: [1, null, 'x'] }, { id: 'i', timestamp: 9 }),
    )
    const { value } = await receiver.next()
    expect(value?.toJSON()).toEqual({ type: 'soc_event', id: 'i', ts: 9, payload: { é: [1, null, 'x'] } })
  })

  it('sends half a surrogate pair as an escape, so that it arrives as it was', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new Sender(client, 's')
    const half = 'a\ud800b\udc00'
    const envelope = { id: half, timestamp: 9, meta: { [half]: half } }
    const messages = [
      newSOCMessage(half, { [half]: half }, envelope),
      newSOCMessage('a', rawJSON('"\\ud800"'), { id: 'i', timestamp: 9 }),
    ]
    for (const message of messages) {
      await sender.send(message)
      const { value } = await receiver.next()
      expect(value?.toJSON()).toEqual(message.toJSON())
    }
  })

  it('keeps the order of sends that are not awaited, of any kind', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new Sender(client, 's')
    const sends = Array.from({ length: 3000 }, (_, i) => {
      const payload =
        i % 3 === 0 ? { i } : i % 3 === 1 ? rawJSON(`{"i":${i}}`) : rawJSON(Buffer.from(`{"i":${i}}`))
      return sender.send(newSOCMessage('a', payload, { id: String(i) }))
    })
    const ids = await idsFrom(receiver, 3000)
    await Promise.all(sends)
    expect(ids).toEqual(Array.from({ length: 3000 }, (_, i) => String(i)))
  })

  it('never mixes the frames of two senders on one connection', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    // How long 40 MB take is not the point.
    const senders = ['s1', 's2'].map(
      (name) => new Sender(client, name, { timeoutMs: 120_000, maxPendingBytes: 64 << 20 }),
    )
    const sends = senders.flatMap((sender) => numbered(200, 0, large).map((message) => sender.send(message)))
    const ids = await idsFrom(receiver, 400)
    await Promise.all(sends)
    expect(ids.filter((id) => id === '0')).toHaveLength(2)
    expect(receiver.stats).toMatchObject({ received: 400, invalid: 0 })
  })

  it('has a frame of 1 MiB taken whole', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const payload = 'y'.repeat((1 << 20) - 100)
    const sent = new Sender(client, 's').send(newSOCMessage('a', payload, { id: '1' }))
    expect((await receiver.next()).value?.payload).toBe(payload)
    await sent
  })

  it('refuses raw text that is not one JSON value on one line, and only that', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new Sender(client, 's')
    const bad = ['{', '1,"type":"b"', '1}\n{"type":"b"', '{"a":\n1}', '"\u0001"', '', ' ', '1 2']
    const sends = [
      sender.send(newSOCMessage('a', 1, { id: 'first' })),
      ...bad.filter((text) => text !== '').map((text) => sender.send(newSOCMessage('a', rawJSON(text)))),
      sender.send(newSOCMessage('a', rawJSON('[1]'), { id: 'between' })),
      sender.send(newSOCMessage('a', rawJSON(Buffer.from([0x22, 0xff, 0x22])))),
      sender.send(newSOCMessage('a', 2, { id: 'last' })),
    ]
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(3)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
      }
    }
    await sender.close()
    expect(await idsFrom(receiver, 10)).toEqual(['first', 'between', 'last'])
  })

  it.each<[string, string | Buffer, string, string]>([
    ['half a value', '{', 'not-json', 'ERR_IPC_INVALID_MESSAGE'],
    ['two lines', '{"a":\n1}', 'not-json', 'ERR_IPC_INVALID_MESSAGE'],
    ['another message', '1}\n{"type":"b"', 'not-json', 'ERR_IPC_INVALID_MESSAGE'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'not-utf8', 'ERR_IPC_INVALID_MESSAGE'],
    ['256 levels', '['.repeat(256) + ']'.repeat(256), 'too-deep', 'ERR_IPC_INVALID_MESSAGE'],
  ])('names the reason for which it refuses %s', async (_what, text, reason, code) => {
    const { client } = await connectedPair()
    const refused = new Sender(client, 's').send(newSOCMessage('a', rawJSON(text)))
    expect(await rejectionOf(refused)).toMatchObject({ code, reason })
  })

  it('takes line breaks around raw JSON', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const texts = ['{"a":1}\n', '{"a":1}\r\n', '\n\t {"a":1} \r', ' {"a":1}\n\n ']
    for (const text of texts) {
      await sender.send(newSOCMessage('a', rawJSON(text)))
      await sender.send(newSOCMessage('a', rawJSON(Buffer.from(text))))
    }
    const receiver = new Receiver(server, 'r')
    for (let i = 0; i < texts.length * 2; ++i) {
      expect((await receiver.next()).value?.rawPayload).toBe('{"a":1}')
    }
  })

  it('refuses a value of more levels than a receiver takes, and only that', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const nested = (levels: number): unknown =>
      JSON.parse('[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2))
    const shallow = Array.from({ length: 400 }, () => [{}, []])
    const sender = new Sender(client, 's')
    const outcomes = await Promise.allSettled([
      sender.send(newSOCMessage('a', nested(254), { id: '254' })),
      sender.send(newSOCMessage('a', nested(256), { id: '256' })),
      sender.send(newSOCMessage('a', [nested(254)], { id: '255' })),
      sender.send(newSOCMessage('a', shallow, { id: 'shallow' })),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: { code: 'ERR_IPC_INVALID_MESSAGE', reason: 'too-deep' } })
    expect(await idsFrom(receiver, 3)).toEqual(['254', '255', 'shallow'])
  })

  it('cannot be tricked into other keys by raw text', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's')
    for (const text of ['1,"x":2', '1,"TYPE":"soc_incident"', '1 , "peer":{}', '{},"ts":0']) {
      expect(await rejectionOf(sender.send(newSOCMessage('a', rawJSON(text))))).toMatchObject({
        code: 'ERR_IPC_INVALID_MESSAGE',
      })
    }
    await sender.send(newSOCMessage('a', rawJSON(' {"x":1}\t')))
  })

  it('refuses a message over the limit without hurting others', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new Sender(client, 's')
    const tooLarge = newSOCMessage('a', 'x'.repeat(1 << 20))
    const outcomes = await Promise.allSettled([
      sender.send(newSOCMessage('a', 1, { id: '0' })),
      sender.send(tooLarge),
      sender.sendBatch([tooLarge]),
      sender.send(newSOCMessage('a', 1, { id: '1' })),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(await idsFrom(receiver, 2)).toEqual(['0', '1'])
  })

  it('sends what stands before it at once', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const tooLarge = newSOCMessage('a', 'x'.repeat(1 << 20))
    await rejectionOf(new Sender(client, 's').sendBatch([newSOCMessage('a', 1, { id: 'ok' }), tooLarge]))
    expect((await receiver.next()).value?.id).toBe('ok')
  })

  it('names a message of another copy of the package', async () => {
    const { client } = await connectedPair()
    const foreign = { [Symbol.for('sentinel-ipc.SOCMessage')]: true } as unknown as SOCMessage
    const error = await rejectionOf(new Sender(client, 's').send(foreign))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toMatch(/another copy/)
  })

  it('refuses what is no message with a TypeError', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's')
    expect(await rejectionOf(sender.send({ type: 'a' } as SOCMessage))).toBeInstanceOf(TypeError)
    expect(await rejectionOf(sender.sendBatch([{ type: 'a' } as SOCMessage]))).toBeInstanceOf(TypeError)
  })
})

describe('a peer that takes nothing', () => {
  it('makes a send wait, then time out, and gives the connection up', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 200 })
    const sends = numbered(20, 0, large).map((message) => sender.send(message))
    const outcomes = await Promise.allSettled(sends)
    const late = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(late.length).toBeGreaterThan(0)
    expect(late[0]?.reason).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(await rejectionOf(sender.send(newSOCMessage('a')))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(client.closed).toBe(true)
    // Whole messages, then at most one that is torn: never another one after it.
    const receiver = new Receiver(server, 'r')
    const ids: string[] = []
    let torn = 0
    for (let done = false; !done;) {
      try {
        const result = await receiver.next()
        done = result.done === true
        if (result.value !== undefined) ids.push(result.value.id)
      } catch (error) {
        expect(error).toMatchObject({ reason: 'truncated' })
        ++torn
      }
    }
    expect(ids).toEqual(ids.map((_, i) => String(i)))
    expect(torn).toBeLessThanOrEqual(1)
  })

  it('has at most maxPending sends wait', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's', { maxPending: 5 })
    const sends = numbered(50, 0, large).map((message) => sender.send(message))
    const full = await Promise.race(
      sends.map((send) =>
        send.then(
          () => new Promise(() => undefined),
          (error: unknown) => error,
        ),
      ),
    )
    expect(full).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
    client.destroy()
    await Promise.allSettled(sends)
  })

  it('goes on where it was when the peer takes again', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const sent = sender.sendBatch(numbered(100, 0, large))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const receiver = new Receiver(server, 'r')
    expect(await idsFrom(receiver, 100)).toEqual(numbered(100).map((message) => message.id))
    await sent
  })
})

describe('AbortSignal', () => {
  it('refuses to begin when it has fired', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const error = await rejectionOf(sender.send(newSOCMessage('a'), { signal: AbortSignal.abort('why') }))
    expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED', cause: 'why' })
    await sender.close()
    expect((await new Receiver(server, 'r').next()).done).toBe(true)
  })

  it('withdraws a send of which nothing was written', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const first = sender.sendBatch(numbered(20, 0, large))
    const controller = new AbortController()
    const second = sender.send(newSOCMessage('a', 1, { id: 'withdrawn' }), { signal: controller.signal })
    const third = sender.send(newSOCMessage('a', 1, { id: 'third' }))
    controller.abort()
    expect(await rejectionOf(second)).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    const ids = await idsFrom(new Receiver(server, 'r'), 21)
    await Promise.all([first, third])
    expect(ids.at(-1)).toBe('third')
  })
})

describe('close', () => {
  it('has nothing to complain of when nothing was under way', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    server.destroy()
    await server.whenClosed()
    client.destroy()
    await sender.close()
  })

  it('does not wait longer than its time for a send that waits longer', async () => {
    const { client } = await connectedPair()
    const sends = numbered(20, 0, large).map((message) =>
      new Sender(client, 's', { timeoutMs: Infinity }).send(message),
    )
    const settled = Promise.allSettled(sends)
    const begin = performance.now()
    await client.close().catch(() => undefined)
    expect(performance.now() - begin).toBeLessThan(15_000)
    await settled
  })

  it('waits for the sends under way', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new Sender(client, 's')
    const sent = sender.sendBatch(numbered(300, 0, large))
    const closed = sender.close()
    expect(await idsFrom(receiver, 301)).toHaveLength(300)
    await Promise.all([sent, closed, sender.close()])
    expect(client.closed).toBe(true)
    expect(await rejectionOf(sender.send(newSOCMessage('a')))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('tells when something did not get out', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 100 })
    const sent = sender.sendBatch(numbered(20, 0, large))
    const [send, close] = await Promise.allSettled([sent, sender.close()])
    expect(send).toMatchObject({ status: 'rejected', reason: { code: 'ERR_IPC_TIMEOUT' } })
    expect(close.status).toBe('rejected')
    expect(client.closed).toBe(true)
  })

  it('happens at the end of a block with await using', async () => {
    const { client } = await connectedPair()
    await new Sender(client, 's')[Symbol.asyncDispose]()
    expect(client.closed).toBe(true)
  })
})

describe('the wire', () => {
  it('is plain lines to any reader', async () => {
    const directory = temporaryDirectory()
    const path = socketIn(directory)
    let accept!: (socket: Socket) => void
    const accepted = new Promise<Socket>((resolve) => (accept = resolve))
    await servePlainly(path, accept)
    const client = await dial('test', { path })
    const sender = new Sender(client, 's')
    await sender.sendBatch([
      newSOCMessage('soc_event', { a: '<é>' }, { id: '1', timestamp: 2 }),
      newSOCMessage('soc_heartbeat', undefined, { id: '', timestamp: 3 }),
    ])
    await sender.close()
    const bytes: Buffer[] = []
    for await (const chunk of await accepted) bytes.push(chunk as Buffer)
    expect(Buffer.concat(bytes).toString()).toBe(
      '{"type":"soc_event","id":"1","ts":2,"payload":{"a":"<é>"}}\n{"type":"soc_heartbeat","ts":3}\n',
    )
  })
})
