import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { BufferedSender } from '../../lib/buffered-sender.js'
import { BUFFER_SIZE, newSOCMessage, rawJSON, type SOCMessage } from '../../lib/message.js'
import { Receiver } from '../../lib/receiver.js'
import { connectedPair } from '../support/pair.js'
import { rejectionOf, until } from '../support/wait.js'

const large = 'x'.repeat(100_000)

function fill(sender: BufferedSender, payload: unknown): unknown {
  for (let i = 0; i < 100_000; ++i) {
    try {
      sender.send(newSOCMessage('a', payload, { id: String(i) }))
    } catch (error) {
      return error
    }
  }
  throw new Error('the buffer never filled')
}

function sums(sender: BufferedSender): boolean {
  const { accepted, written, pending, dropped } = sender.stats
  return accepted === written + pending + dropped
}

async function allIds(receiver: Receiver): Promise<string[]> {
  const ids: string[] = []
  for await (const message of receiver) ids.push(message.id)
  return ids
}

describe('send', () => {
  it('takes messages at once and writes them when the tick is over', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new BufferedSender(client, 's')
    for (let i = 0; i < 1000; ++i) sender.send(newSOCMessage('a', { i }, { id: String(i) }))
    expect(sender.pending).toBe(1000)
    expect(sender.stats).toEqual({ accepted: 1000, written: 0, pending: 1000, dropped: 0 })
    await sender.close()
    expect(await allIds(receiver)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
    expect(sender.stats).toEqual({ accepted: 1000, written: 1000, pending: 0, dropped: 0 })
  })

  it('throws ERR_IPC_BUFFER_FULL at its bound and keeps what it took', async () => {
    const { client, server } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    expect(fill(sender, 1)).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
    expect(sender.pending).toBe(BUFFER_SIZE)
    const ids = allIds(new Receiver(server, 'r'))
    await sender.close()
    expect(await ids).toHaveLength(BUFFER_SIZE)
  })

  it('is bounded in bytes too', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's', { maxBytes: 1 << 20 })
    expect(fill(sender, large)).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
    expect(sender.pending).toBe(10)
    client.destroy()
  })

  it('holds back while the peer takes nothing, and goes on when it does', async () => {
    const { client, server } = await connectedPair()
    const sender = new BufferedSender(client, 's', { capacity: 50 })
    fill(sender, large)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(sender.pending).toBeGreaterThan(40)
    expect(sums(sender)).toBe(true)
    const ids = allIds(new Receiver(server, 'r'))
    await sender.flush()
    expect(sender.pending).toBe(0)
    await sender.close()
    expect(await ids).toEqual(Array.from({ length: 50 }, (_, i) => String(i)))
  })

  it('refuses a message over the limit at once', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    expect(() => {
      sender.send(newSOCMessage('a', 'x'.repeat(1 << 20)))
    }).toThrow(expect.objectContaining({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' }))
    expect(() => {
      sender.send({} as SOCMessage)
    }).toThrow(TypeError)
    expect(sender.stats.accepted).toBe(0)
  })

  it('counts and reports raw text that is no JSON, and writes the rest', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const dropped: [string | undefined, string][] = []
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages, error) => dropped.push([messages[0]?.id, error.code]),
    })
    sender.send(newSOCMessage('a', 1, { id: '0' }))
    sender.send(newSOCMessage('a', rawJSON('{'), { id: 'bad' }))
    sender.send(newSOCMessage('a', rawJSON('{}'), { id: '1' }))
    await sender.flush()
    expect(dropped).toEqual([['bad', 'ERR_IPC_INVALID_MESSAGE']])
    expect(sender.stats).toEqual({ accepted: 3, written: 2, pending: 0, dropped: 1 })
    await sender.close()
    expect(await allIds(receiver)).toEqual(['0', '1'])
  })
})

describe('a lost connection', () => {
  it('has what is pending counted and reported, and later sends refused', async () => {
    const { client, server } = await connectedPair()
    let reported = 0
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages, error) => {
        expect(error.code).toBe('ERR_IPC_CLOSED')
        reported += messages.length
      },
    })
    fill(sender, 'x'.repeat(1000))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const flushed = rejectionOf(sender.flush())
    server.destroy()
    expect(await flushed).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    const { dropped } = sender.stats
    expect(dropped).toBeGreaterThan(0)
    expect(reported).toBe(dropped)
    expect(sums(sender)).toBe(true)
    expect(() => {
      sender.send(newSOCMessage('a'))
    }).toThrow(expect.objectContaining({ code: 'ERR_IPC_CLOSED' }))
    expect(await rejectionOf(sender.close())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })
})

describe('close', () => {
  it('gives up after its time, and counts and reports what is left', async () => {
    const { client } = await connectedPair()
    let reported = 0
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages, error) => {
        expect(error.code).toBe('ERR_IPC_TIMEOUT')
        reported += messages.length
      },
    })
    fill(sender, large)
    expect(await rejectionOf(sender.close({ timeoutMs: 100 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(client.closed).toBe(true)
    expect(reported).toBe(sender.stats.dropped)
    expect(sums(sender)).toBe(true)
  })

  it('refuses sends afterwards with a typed error, and may be called again', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    await Promise.all([sender.close(), sender.close()])
    await sender[Symbol.asyncDispose]()
    expect(() => {
      sender.send(newSOCMessage('a'))
    }).toThrow(expect.objectContaining({ code: 'ERR_IPC_CLOSED' }))
  })
})

describe('misuse', () => {
  it.each([{ capacity: 0 }, { maxBytes: -1 }, { capacity: 1.5 }])('refuses %j', async (options) => {
    const { client } = await connectedPair()
    expect(() => new BufferedSender(client, 's', options)).toThrow(RangeError)
  })
})

describe('the counters', () => {
  it('add up at every moment, whatever is sent and however the peer behaves', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(fc.constant('small'), fc.constant('large'), fc.constant('bad'), fc.constant('turn')),
          {
            maxLength: 60,
          },
        ),
        fc.boolean(),
        async (steps, lost) => {
          const { client, server } = await connectedPair()
          const sender = new BufferedSender(client, 's', { capacity: 20 })
          for (const step of steps) {
            if (step === 'turn') await new Promise(setImmediate)
            else {
              try {
                sender.send(newSOCMessage('a', step === 'bad' ? rawJSON('{') : step === 'large' ? large : 1))
              } catch (error) {
                expect(error).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
              }
            }
            expect(sums(sender)).toBe(true)
          }
          const received = lost ? undefined : allIds(new Receiver(server, 'r'))
          if (lost) server.destroy()
          await sender.close().catch(() => undefined)
          await until(() => sender.pending === 0)
          expect(sums(sender)).toBe(true)
          if (received !== undefined) expect(await received).toHaveLength(sender.stats.written)
        },
      ),
      { numRuns: 30 },
    )
  })
})
