// Waits can be withdrawn without losing anything, and a peer that only stops sending still gets replies.

import { getEventListeners, once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening, rawToReceiver } from '../../support/pair.js'
import { numbered } from '../../support/messages.js'
import { rejectionOf } from '../../support/wait.js'

describe('next({ signal })', () => {
  it('loses no message when it is withdrawn', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const error = await rejectionOf(receiver.next({ signal: AbortSignal.timeout(20) }))
    expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED', message: 'next of r was aborted' })
    await rejectionOf(receiver.next({ signal: AbortSignal.timeout(20) }))
    const sender = new Sender(client, 's')
    for (let i = 0; i < 5; ++i) await sender.send(newSOCMessage('a', i))
    const signal = AbortSignal.timeout(10_000)
    for (let i = 0; i < 5; ++i) expect((await receiver.next({ signal })).value?.payload).toBe(i)
  })

  it('leaves the other waits in their order', async () => {
    const { raw, receiver } = await rawToReceiver()
    const [first, second] = [new AbortController(), new AbortController()]
    const waits = [
      receiver.next({ signal: first.signal }),
      receiver.next(),
      receiver.next({ signal: second.signal }),
      receiver.next(),
    ]
    const settled = Promise.allSettled(waits)
    second.abort()
    first.abort('enough')
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\n')
    const outcomes = (await settled).map((outcome): unknown =>
      outcome.status === 'fulfilled' ? outcome.value.value?.id : outcome.reason,
    )
    expect(outcomes).toEqual([
      expect.objectContaining({ code: 'ERR_IPC_ABORTED', cause: 'enough' }),
      '1',
      expect.objectContaining({ code: 'ERR_IPC_ABORTED' }),
      '2',
    ])
  })

  it('rejects at once if the signal has fired, and takes nothing', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.write('{"type":"a","id":"1"}\n')
    expect(await rejectionOf(receiver.next({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
    expect((await receiver.next()).value?.id).toBe('1')
  })
})

describe('a signal that many waits share', () => {
  it('has one listener of theirs, and none when they are over', async () => {
    const { client, server } = await connectedPair()
    const { signal } = new AbortController()
    const sender = new Sender(client, 's', { maxPendingBytes: 64 << 20 })
    const sends = numbered(30, 0, 'x'.repeat(100_000)).map((message) => sender.send(message, { signal }))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    const receiver = new Receiver(server, 'r')
    for (let i = 0; i < 30; ++i) await receiver.next({ signal })
    await Promise.all(sends)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('a peer that only stops sending', () => {
  it('gets the replies to all its requests, and then the end', async () => {
    const listener = await listening(temporaryDirectory())
    const client = connect({ path: listener.address, allowHalfOpen: true })
    const server = await listener.accept()
    const answering = (async () => {
      const sender = new Sender(server, 's')
      for await (const { payload } of new Receiver(server, 'r')) {
        await sleep(5)
        await sender.send(newSOCMessage('answer', payload, { id: '', timestamp: 0 }))
      }
    })()
    let answers = ''
    client.on('data', (bytes) => (answers += String(bytes)))
    client.end('{"type":"q","payload":1}\n{"type":"q","payload":2}\n{"type":"q","payload":3}\n')
    await once(client, 'end')
    await answering
    expect(answers).toBe([1, 2, 3].map((n) => `{"type":"answer","ts":0,"payload":${n}}\n`).join(''))
    await server.whenClosed()
  })

  it('is let go when it leaves before its messages have been taken', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\n')
    await sleep(50)
    expect(server.closed).toBe(false)
    raw.destroy()
    await server.whenClosed()
    expect((await receiver.next()).value?.id).toBe('1')
    expect((await receiver.next()).value?.id).toBe('2')
    expect((await receiver.next()).done).toBe(true)
  })
})

describe('a send that waits', () => {
  it('does not run out of time while this process stands still', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 300 })
    const sent = sender.sendBatch(numbered(60, 0, 'x'.repeat(20_000)))
    const receiver = new Receiver(server, 'r')
    for (const end = performance.now() + 900; performance.now() < end;);
    for (let i = 0; i < 60; ++i) expect((await receiver.next()).value?.id).toBe(String(i))
    await sent
  })

  it('still runs out of time when the peer reads nothing', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 300 })
    const sent = rejectionOf(sender.sendBatch(numbered(60, 0, 'x'.repeat(20_000))))
    for (const end = performance.now() + 900; performance.now() < end;);
    const begin = performance.now()
    expect(await sent).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(performance.now() - begin).toBeLessThan(2000)
  })
})
