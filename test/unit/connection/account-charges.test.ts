// What a connection is charged for, and when that ends.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import type { Listener } from '../../../lib/connection/listener.js'
import { Receiver, type ReceiverOptions } from '../../../lib/endpoints/receiver.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const LINE = '{"type":"a","payload":"'.padEnd(1000, 'x') + '"}\n'

async function accepted(
  listener: Listener,
  options?: ReceiverOptions,
): Promise<{ raw: Socket; server: Connection; receiver: Receiver }> {
  const raw = connect(listener.address)
  raw.on('error', () => undefined)
  const server = await listener.accept()
  onTestFinished(() => {
    raw.destroy()
    server.destroy()
  })
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
    // Its first bytes may be read in a turn of its own; what the account holds keeps the rest waiting.
    raw.write(LINE.slice(0, 500))
    const next = receiver.next()
    await sleep(300)
    raw.write(LINE.slice(500))
    for (const hoarder of hoarders) {
      void drain(hoarder.receiver).catch(() => undefined)
      hoarder.raw.end()
    }
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
