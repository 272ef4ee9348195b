// BufferedSender: its bounds, drops, counters and closing.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { UserErrorEvent } from '../../../lib/base/user-code.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { BUFFER_SIZE } from '../../../lib/endpoints/message-queue.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { heard } from '../../support/audit.js'
import { connectedPair } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const large = 'x'.repeat(100_000)
const none = { full: 0, invalid: 0, closed: 0, timeout: 0 }

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
  const { accepted, written, pending, dropped, droppedBy } = sender.stats
  const byReason = droppedBy.full + droppedBy.invalid + droppedBy.closed + droppedBy.timeout
  return accepted === written + pending + dropped && dropped === byReason
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
    expect(sender.stats).toEqual({ accepted: 1000, written: 0, pending: 1000, dropped: 0, droppedBy: none })
    await sender.close()
    expect(await allIds(receiver)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
    expect(sender.stats).toEqual({ accepted: 1000, written: 1000, pending: 0, dropped: 0, droppedBy: none })
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
    expect(sender.stats).toEqual({
      accepted: 3,
      written: 2,
      pending: 0,
      dropped: 1,
      droppedBy: { ...none, invalid: 1 },
    })
    await sender.close()
    expect(await allIds(receiver)).toEqual(['0', '1'])
  })
})

describe('a lost connection', () => {
  it('is no success when it is destroyed here', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    sender.send(newSOCMessage('a'))
    sender.send(newSOCMessage('a'))
    client.destroy()
    await client.whenClosed()
    expect(sender.stats).toMatchObject({ accepted: 2, written: 0, pending: 0, dropped: 2 })
  })

  it('may be reported to a callback that sends on it', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const notes = new Sender(client, 'notes')
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages) => {
        // The end of the test may cross the news that it was sent.
        notes.send(newSOCMessage('a', 1, { id: `dropped ${messages.length}` })).catch(() => undefined)
      },
    })
    sender.send(newSOCMessage('a', rawJSON('{')))
    sender.send(newSOCMessage('a', rawJSON('{}'), { id: 'kept' }))
    expect((await receiver.next()).value?.id).toBe('kept')
    expect((await receiver.next()).value?.id).toBe('dropped 1')
  })

  it('has what is pending counted and reported, and later sends refused', async () => {
    const { client, server } = await connectedPair()
    let reported = 0
    const codes = new Set<string>()
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages, error) => {
        codes.add(error.code)
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
    expect(codes).toEqual(new Set(['ERR_IPC_CLOSED']))
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
    const codes = new Set<string>()
    const sender = new BufferedSender(client, 's', {
      onDrop: (messages, error) => {
        codes.add(error.code)
        reported += messages.length
      },
    })
    fill(sender, large)
    expect(await rejectionOf(sender.close({ timeoutMs: 100 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(client.closed).toBe(true)
    expect(reported).toBe(sender.stats.dropped)
    expect(codes).toEqual(new Set(['ERR_IPC_TIMEOUT']))
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

describe('onDrop', () => {
  it('may throw: the message that makes room is taken, the sums hold, and the error is published', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const errors = heard<UserErrorEvent>('sentinel-ipc:user-error')
    const sender = new BufferedSender(client, 's', {
      capacity: 2,
      onFull: 'drop-oldest',
      onDrop: () => {
        throw new Error('a bug in the callback')
      },
    })
    for (const id of ['0', '1', '2', '3']) sender.send(newSOCMessage('a', 1, { id }))
    expect(sums(sender)).toBe(true)
    await sender.close()
    expect(await allIds(receiver)).toEqual(['2', '3'])
    expect(errors).toMatchObject([{ callback: 'onDrop' }, { callback: 'onDrop' }])
  })

  it('may throw when the connection is lost: flush and drained reject all the same', async () => {
    const { client } = await connectedPair()
    const errors = heard<UserErrorEvent>('sentinel-ipc:user-error')
    const sender = new BufferedSender(client, 's', {
      capacity: 2,
      onDrop: () => {
        throw new Error('a bug in the callback')
      },
    })
    sender.send(newSOCMessage('a', large))
    sender.send(newSOCMessage('a', large))
    const waits = [rejectionOf(sender.flush()), rejectionOf(sender.drained())]
    client.destroy()
    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(errors).toMatchObject([{ callback: 'onDrop' }])
  })

  it('is not called inside send(), but when the counts are right', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const counts: boolean[] = []
    const sender: BufferedSender = new BufferedSender(client, 's', {
      capacity: 2,
      onFull: 'drop-oldest',
      onDrop: () => counts.push(sums(sender)),
    })
    for (const id of ['0', '1', '2']) sender.send(newSOCMessage('a', 1, { id }))
    expect(counts).toEqual([])
    await sender.close()
    expect(counts).toEqual([true])
    expect(await allIds(receiver)).toEqual(['1', '2'])
  })
})

describe('a full buffer', () => {
  const types = ['soc_heartbeat', 'soc_event', 'soc_incident'] as const

  it.each([
    ['drop-oldest', ['20', '21', '22', '23', '24', '25', '26', '27', '28', '29']],
    ['drop-newest', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']],
    ['shed', ['2', '5', '8', '11', '14', '17', '20', '23', '26', '29']],
  ] as const)('keeps with %s what it should, and counts and reports the rest', async (onFull, kept) => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const dropped: string[] = []
    let asExpected = 0
    const sender = new BufferedSender(client, 's', {
      capacity: 10,
      onFull,
      onDrop: (messages, error) => {
        if (error.code === 'ERR_IPC_BUFFER_FULL' && error.reason === onFull) ++asExpected
        dropped.push(...messages.map((message) => message.id))
      },
    })
    for (let i = 0; i < 30; ++i) sender.send(newSOCMessage(types[i % 3] as string, 1, { id: String(i) }))
    expect(sender.stats).toMatchObject({ accepted: 30, pending: 10, dropped: 20, droppedBy: { full: 20 } })
    await sender.close()
    expect(asExpected).toBe(20)
    expect(await allIds(receiver)).toEqual(kept)
    expect([...dropped, ...kept].sort()).toEqual(Array.from({ length: 30 }, (_, i) => String(i)).sort())
  })

  it('sheds as many small ones as a large important one needs, or none', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const sender = new BufferedSender(client, 's', { maxBytes: 110_000, onFull: 'shed' })
    for (let i = 0; i < 100; ++i) sender.send(newSOCMessage('soc_event', 'x'.repeat(800), { id: String(i) }))
    sender.send(newSOCMessage('soc_incident', large, { id: 'incident' }))
    sender.send(newSOCMessage('soc_incident', large, { id: 'too much' }))
    await sender.close()
    const ids = await allIds(receiver)
    expect(ids.at(-1)).toBe('incident')
    expect(ids.length).toBeLessThan(100)
    expect(sums(sender)).toBe(true)
  })

  it('can be waited for', async () => {
    const { client, server } = await connectedPair()
    const sender = new BufferedSender(client, 's', { capacity: 50 })
    await sender.drained()
    fill(sender, large)
    let roomy = false
    const drained = sender.drained().then(() => (roomy = true))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(roomy).toBe(false)
    const ids = allIds(new Receiver(server, 'r'))
    await drained
    expect(sender.pending).toBeLessThanOrEqual(25)
    await sender.close()
    expect(await ids).toHaveLength(50)
    expect(await rejectionOf(sender.drained())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('ends the wait when the connection is lost', async () => {
    const { client, server } = await connectedPair()
    const sender = new BufferedSender(client, 's', { capacity: 50 })
    fill(sender, large)
    const drained = rejectionOf(sender.drained())
    server.destroy()
    expect(await drained).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })
})

describe('misuse', () => {
  it('refuses an unknown policy', async () => {
    const { client } = await connectedPair()
    expect(() => new BufferedSender(client, 's', { onFull: 'forget' as 'shed' })).toThrow(TypeError)
  })

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
        fc.constantFrom('reject' as const, 'drop-oldest' as const, 'drop-newest' as const, 'shed' as const),
        async (steps, lost, onFull) => {
          const { client, server } = await connectedPair()
          const sender = new BufferedSender(client, 's', { capacity: 20, onFull })
          const types = ['soc_event', 'soc_heartbeat', 'soc_incident']
          let sent = 0
          for (const step of steps) {
            if (step === 'turn') await new Promise(setImmediate)
            else {
              try {
                const payload = step === 'bad' ? rawJSON('{') : step === 'large' ? large : 1
                sender.send(newSOCMessage(types[sent++ % 3] as string, payload))
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
