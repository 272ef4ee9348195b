// What a connection is charged for, and when that ends.

import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import type { ListenOptions } from '../../../lib/connection/listen-options.js'
import type { Listener } from '../../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { AcknowledgingReceiverOptions } from '../../../lib/delivery/receiver/options.js'
import { Receiver, type ReceiverOptions } from '../../../lib/endpoints/receiver.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { Spool } from '../../../lib/spool/spool.js'
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

describe('the connection of an acknowledging receiver is charged', () => {
  async function acknowledging(
    options?: AcknowledgingReceiverOptions,
    listenOptions?: ListenOptions,
  ): Promise<{ raw: Socket; server: Connection; listener: Listener; receiver: AcknowledgingReceiver }> {
    const listener = await listening(temporaryDirectory(), listenOptions)
    const raw = connect(listener.address)
    raw.on('error', () => undefined)
    const server = await listener.accept()
    onTestFinished(() => {
      raw.destroy()
      server.destroy()
    })
    return { raw, server, listener, receiver: new AcknowledgingReceiver(server, 'r', options) }
  }

  it('for messages that wait and that are in hand, until the last one of their read is settled', async () => {
    const { raw, listener, receiver } = await acknowledging({ autoAck: false })
    raw.write(LINE.repeat(20))
    await until(() => receiver.stats.waiting === 20)
    const { heldBytes } = listener.stats
    expect(heldBytes).toBeGreaterThan(20 * LINE.length)
    const messages: SOCMessage[] = []
    while (messages.length < 20) messages.push((await receiver.next()).value as SOCMessage)
    expect(listener.stats.heldBytes).toBe(heldBytes)
    receiver.acknowledge(messages.slice(0, 10))
    for (const message of messages.slice(10)) message.release()
    expect(listener.stats.heldBytes).toBe(heldBytes)
    for (let i = 0; i < 10; ++i) ((await receiver.next()).value as SOCMessage).reject('bad')
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for messages that are being kept as dead letters', async () => {
    const deadLetters = await Spool.open({ directory: join(temporaryDirectory(), 'letters') })
    onTestFinished(() => deadLetters.close())
    const { raw, listener, receiver } = await acknowledging({ autoAck: false, deadLetters })
    raw.write(LINE)
    ;((await receiver.next()).value as SOCMessage).reject('bad')
    expect(listener.stats.heldBytes).toBeGreaterThan(LINE.length)
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for what its peer has left behind, and no longer once this side has closed it', async () => {
    const { raw, server, listener, receiver } = await acknowledging()
    raw.write(LINE.repeat(10))
    await until(() => receiver.stats.waiting === 10)
    raw.destroy()
    await server.whenClosed()
    expect(listener.stats.heldBytes).toBeGreaterThan(10_000)
    while ((await receiver.next()).done !== true);
    expect(listener.stats.heldBytes).toBe(0)
    const other = await acknowledging({ autoAck: false })
    other.raw.write(LINE.repeat(10))
    await other.receiver.next()
    await other.receiver.close()
    expect(other.listener.stats.heldBytes).toBe(0)
  })

  it('so that messages in hand stop its user at the bound, and are not its silence', async () => {
    const { raw, listener, receiver } = await acknowledging(
      { autoAck: false, idleTimeoutMs: 100 },
      { maxBytesPerUser: 1 << 20 },
    )
    raw.write(LINE.repeat(4000))
    const inHand: SOCMessage[] = []
    void (async () => {
      for await (const message of receiver) inHand.push(message)
    })().catch(() => undefined)
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(400)
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
    const before = inHand.length
    expect(before).toBeLessThan(2000)
    receiver.acknowledge(inHand)
    await until(() => inHand.length > before)
  })

  it('for invalid lines, of all connections of its user together', async () => {
    const { raw, receiver } = await acknowledging({}, { maxInvalidPerSecondPerUser: 5 })
    raw.write('x\n'.repeat(10))
    let error: unknown
    for (let i = 0; i < 20 && (error as { reason?: string } | undefined)?.reason !== 'too-many-invalid'; ++i)
      error = await rejectionOf(receiver.next())
    expect(String(error)).toContain('maxInvalidPerSecondPerUser')
  })
})
