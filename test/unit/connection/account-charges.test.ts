// What a connection is charged for, and when that ends; and what a full account stops.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import type { Listener } from '../../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import type { ReceiverOptions } from '../../../lib/endpoints/receiver-options.js'
import { LINE } from '../../support/account.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening, rawTo } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

async function accepted(
  listener: Listener,
  options?: ReceiverOptions,
): Promise<{ raw: Socket; server: Connection; receiver: Receiver }> {
  const { raw, server } = await rawTo(listener)
  return { raw, server, receiver: new Receiver(server, 'r', options) }
}

async function drain(receiver: Receiver): Promise<void> {
  while ((await receiver.next()).done !== true);
}

describe('a connection is charged', () => {
  it('for messages that wait, until they are taken', async () => {
    const listener = await listening(temporaryDirectory())
    const { raw, receiver } = await accepted(listener)
    raw.end(LINE.repeat(100))
    await until(() => listener.stats.heldBytes > 100_000)
    await drain(receiver)
    expect(listener.stats.heldBytes).toBe(0)
  })

  it.each(['{"type":"\u00e9"}\n', 'x\n{"type":"a"}\n'])('for all that %j keeps alive', async (lines) => {
    const listener = await listening(temporaryDirectory())
    const { raw, receiver } = await accepted(listener)
    raw.write(lines)
    await until(() => receiver.stats.received === 1)
    // A block of memory that others share; an object beside the refused line.
    expect(listener.stats.heldBytes).toBeGreaterThan(lines.includes('x') ? 700 : 8000)
    raw.end()
    await drain(receiver).catch(() => undefined)
    await drain(receiver)
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for a line whose end has not come, until it comes', async () => {
    const listener = await listening(temporaryDirectory())
    const { raw, receiver } = await accepted(listener)
    raw.write(LINE.slice(0, 700))
    await until(() => listener.stats.heldBytes === 700)
    raw.write(LINE.slice(700))
    expect((await receiver.next()).value?.type).toBe('a')
    void receiver.next()
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('no longer once this side has closed it', async () => {
    const listener = await listening(temporaryDirectory())
    const { raw, server } = await accepted(listener)
    raw.write(LINE.repeat(10) + LINE.slice(0, 500))
    await until(() => listener.stats.heldBytes > 10_000)
    await server.close()
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for what its peer has left behind, until that is taken', async () => {
    const listener = await listening(temporaryDirectory())
    const { raw, server, receiver } = await accepted(listener)
    raw.write(LINE.repeat(10))
    await until(() => listener.stats.heldBytes > 10_000)
    raw.destroy()
    await server.whenClosed()
    expect(listener.stats.heldBytes).toBeGreaterThan(10_000)
    await drain(receiver)
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for what its peer has left behind, until the receiver is collected', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const listener = await listening(temporaryDirectory())
    await (async () => {
      const raw = connect(listener.address)
      const server = await listener.accept()
      new Receiver(server, 'dropped')
      raw.write(LINE.repeat(10))
      await until(() => listener.stats.heldBytes > 10_000)
      raw.destroy()
      await server.whenClosed()
    })()
    expect(listener.stats.heldBytes).toBeGreaterThan(10_000)
    await until(() => {
      collect()
      return listener.stats.heldBytes === 0
    })
  })
})

describe('a connection that its account stops', () => {
  it('has not been silent if it is the application that must act', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: 1 << 20 })
    const hoarders = await Promise.all([1, 2, 3].map(() => accepted(listener)))
    for (const { raw } of hoarders) raw.write(LINE.repeat(1000))
    await until(() => listener.stats.usersOverBudget === 1)
    const { raw, receiver } = await accepted(listener, { idleTimeoutMs: 100, messageTimeoutMs: 100 })
    // Not read while it is not asked for messages.
    raw.write(LINE.slice(0, 500))
    await sleep(300)
    const next = receiver.next()
    raw.write(LINE.slice(500))
    expect((await next).value?.type).toBe('a')
  })

  it('is late if lines that have not ended fill the account', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: 1 << 20 })
    const hoarders = await Promise.all(
      [1, 2, 3].map(() => accepted(listener, { messageTimeoutMs: 300, maxMessageBytes: 900_000 })),
    )
    const ends = hoarders.map(({ receiver }) => rejectionOf(receiver.next()))
    for (const { raw } of hoarders) raw.write('{"type":"'.padEnd(500_000, 'x'))
    const reasons = (await Promise.all(ends)).map((error) => (error as { reason?: string }).reason)
    expect(reasons).toEqual(Array.from({ length: 3 }, () => 'unfinished-message'))
    await until(() => listener.stats.heldBytes === 0)
  })
})

describe('a full account', () => {
  it('lets connections that the application reads go on, however many it does not read', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: 1 << 20 })
    const unread = await Promise.all(Array.from({ length: 40 }, () => accepted(listener)))
    // Some end within a line, which must not make room for more either.
    for (const { raw } of unread) raw.write(LINE.repeat(400) + LINE.slice(0, 500))
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(100)
    for (const maxInvalid of [1, 2]) {
      const { raw, receiver } = await accepted(listener, { maxInvalid })
      for (let i = 0; i < 5; ++i) {
        raw.write(LINE)
        expect((await receiver.next()).value?.type).toBe('a')
      }
    }
    expect(listener.stats).toMatchObject({ usersOverBudget: 1 })
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
  })

  it('lets an acknowledging receiver that is read go on as well', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: 1 << 20 })
    const unread = await Promise.all(Array.from({ length: 20 }, () => rawTo(listener)))
    for (const { raw, server } of unread) {
      new AcknowledgingReceiver(server, 'unread')
      raw.write(LINE.repeat(400))
    }
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(100)
    const { raw, server } = await rawTo(listener)
    const receiver = new AcknowledgingReceiver(server, 'read')
    for (let i = 0; i < 5; ++i) {
      raw.write(LINE)
      expect((await receiver.next()).value?.type).toBe('a')
    }
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
  })
})
