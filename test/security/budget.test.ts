// What a peer that was let in can make a receiver or a sender hold, and for how long.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { hasCode } from '../../lib/base/errors.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { connectedPair, rawToReceiver } from '../support/pair.js'
import { numbered } from '../support/messages.js'
import { rejectionOf, until } from '../support/wait.js'

/** More than one read takes. */
const BURST_BYTES = 200_000

/** Takes everything, and counts it; what the application does that the README shows. */
async function drain(receiver: Receiver): Promise<{ messages: number; errors: string[] }> {
  const errors: string[] = []
  for (let messages = 0; ;) {
    try {
      if ((await receiver.next()).done === true) return { messages, errors }
      ++messages
    } catch (error) {
      errors.push(
        hasCode(error, 'ERR_IPC_INVALID_MESSAGE', 'ERR_IPC_CLOSED') ? (error.reason ?? '') : 'other',
      )
    }
  }
}

describe('a receiver that is not read', () => {
  it.each([
    ['messages', '{"type":"a"}\n'],
    ['messages that are not ASCII', '{"type":"é"}\n'],
    ['garbage', 'x\n'],
  ])('stops in the middle of a read of tiny %s, and loses none', async (_what, line) => {
    const { raw, receiver } = await rawToReceiver({ maxInvalid: Infinity })
    const lines = Math.floor(BURST_BYTES / Buffer.byteLength(line))
    raw.write(line.repeat(lines))
    await until(() => receiver.stats.received + receiver.stats.invalid > 0)
    await sleep(100)
    const { received, invalid } = receiver.stats
    // At most 512 KiB of memory: 192 bytes a message and 96 a refused line, rounded up to a step of 1024 lines.
    expect(received).toBeLessThan(4096)
    expect(invalid).toBeLessThan(7168)
    const draining = drain(receiver)
    await until(() => receiver.stats.received + receiver.stats.invalid === lines)
    raw.end()
    const { messages, errors } = await draining
    expect(messages + errors.length).toBe(lines)
  })

  // 3072 lines are three whole steps of one read: nothing of it is left when reading stops.
  it.each([3072, 20_000])('keeps its %i lines while other connections are read', async (lines) => {
    const one = await rawToReceiver()
    const other = await rawToReceiver()
    one.raw.end(Array.from({ length: lines }, (_, i) => `{"type":"a","ts":${i}}\n`).join(''))
    await until(() => one.receiver.stats.received > 0)
    for (let i = 0; i < 50; ++i) {
      other.raw.write('{"type":"b","payload":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')
      await sleep(1)
      other.raw.write('"}\n')
      expect((await other.receiver.next()).value?.type).toBe('b')
    }
    let next = 0
    for await (const { timestamp } of one.receiver) expect(timestamp).toBe(next++)
    expect(next).toBe(lines)
  })

  it('costs a few bytes for each refused line, not an error', async () => {
    const { raw, receiver } = await rawToReceiver({ maxInvalid: Infinity })
    global.gc?.()
    const before = process.memoryUsage().heapUsed
    raw.write('x\n'.repeat(BURST_BYTES / 2))
    await until(() => receiver.stats.invalid > 1000)
    await sleep(50)
    // An error with its stack takes more than 400 bytes.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 << 20)
  })
})

describe('invalid lines', () => {
  it('end the connection after a thousand by default', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write('x\n'.repeat(1000))
    await until(() => receiver.stats.invalid === 1000)
    expect(server.closed).toBe(false)
    raw.write('x\n')
    const { errors } = await drain(receiver)
    await server.whenClosed()
    expect(errors).toHaveLength(1002)
    expect(errors.at(-1)).toBe('too-many-invalid')
  })
})

describe('a peer that does not finish a message', () => {
  it('is hung up on, although it sends a byte now and then', async () => {
    const { raw, receiver, server } = await rawToReceiver({ idleTimeoutMs: 2000, messageTimeoutMs: 150 })
    raw.write('{"type":"a"}\n{"type":"')
    expect((await receiver.next()).value?.type).toBe('a')
    const drip = setInterval(() => raw.write('x'), 10)
    onTestFinished(() => {
      clearInterval(drip)
    })
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'unfinished-message',
    })
    await server.whenClosed()
  })

  it('is another one than a peer whose messages end in time, wherever its writes end', async () => {
    const { raw, receiver } = await rawToReceiver({ messageTimeoutMs: 150 })
    const draining = drain(receiver)
    raw.write('{"type":"a"')
    for (let i = 0; i < 40; ++i) {
      await sleep(10)
      raw.write('}\n{"type":"a"')
    }
    raw.end('}\n')
    expect(await draining).toEqual({ messages: 41, errors: [] })
  })

  it('is not one that this side has stopped reading', async () => {
    const { raw, receiver } = await rawToReceiver({ messageTimeoutMs: 100 })
    raw.write(`${'{"type":"a"}\n'.repeat(5000)}{"type":"b"`)
    await until(() => receiver.stats.received > 1000)
    await sleep(250)
    raw.end('}\n')
    expect(await drain(receiver)).toEqual({ messages: 5001, errors: [] })
  })

  it('is not one whose message this side has stopped reading in the middle', async () => {
    const { raw, receiver } = await rawToReceiver({ messageTimeoutMs: 100 })
    // Each read ends within a line, also the one that fills the queue.
    raw.write(`{"type":"a","payload":"${'x'.repeat(20_000)}"}\n`.repeat(60))
    await until(() => receiver.stats.received > 20)
    await sleep(250)
    raw.end()
    expect(await drain(receiver)).toEqual({ messages: 60, errors: [] })
  })
})

describe('the silence of a peer', () => {
  it('is not that of this process, which stands still', async () => {
    const { raw, receiver } = await rawToReceiver({ idleTimeoutMs: 200 })
    raw.write('{"type":"a"}\n')
    expect((await receiver.next()).value?.type).toBe('a')
    raw.write('{"type":"b"}\n')
    for (const end = performance.now() + 500; performance.now() < end;);
    expect((await receiver.next()).value?.type).toBe('b')
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason: 'idle' })
  })
})

describe('sends to a peer that reads nothing', () => {
  it('are bounded in bytes', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's', { maxPendingBytes: 1 << 20 })
    const sends = numbered(50, 0, 'x'.repeat(100_000)).map((message) => sender.send(message))
    const refused = sends.map((send) =>
      send.then(
        () => false,
        (error: unknown) => hasCode(error, 'ERR_IPC_BUFFER_FULL'),
      ),
    )
    client.destroy()
    // What the kernel and the writer have does not wait.
    const count = (await Promise.all(refused)).filter(Boolean).length
    expect(count).toBeGreaterThan(30)
    expect(count).toBeLessThan(42)
  })

  it('may be larger than the bound when they are alone', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's', { maxPendingBytes: 1 << 20 })
    const sent = sender.sendBatch(numbered(50, 0, 'x'.repeat(100_000)))
    const full = await rejectionOf(sender.send(newSOCMessage('a', 1)))
    expect(full).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
    expect((full as Error).message).toMatch(/maxPendingBytes 1048576/)
    const receiver = new Receiver(server, 'r')
    for (let i = 0; i < 50; ++i) await receiver.next()
    await sent
    await sender.send(newSOCMessage('a', 1))
  })

  it.each([{ maxPendingBytes: 0 }, { maxPending: 0.5 }])('refuses %j', async (options) => {
    const { client } = await connectedPair()
    expect(() => new Sender(client, 's', options)).toThrow(RangeError)
  })
})
