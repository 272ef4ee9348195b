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
import type { EndpointOptions } from '../../../lib/services/endpoint-options.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening, rawTo } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const LINE = '{"type":"a","payload":"'.padEnd(1000, 'x') + '"}\n'

async function accepted(
  listener: Listener,
  options?: ReceiverOptions,
): Promise<{ raw: Socket; server: Connection; receiver: Receiver }> {
  const { raw, server } = await rawTo(listener)
  return { raw, server, receiver: new Receiver(server, 'r', options) }
}

const BOUND = 1 << 20
/** The longest line, with the window that it came in. */
const LINE_ROOM = (1 << 20) + (1 << 17)
const LONG_LINES = 30

/** Connections that have begun a long line each before the account is full, and then send the rest. */
async function beginLongLines(listener: Listener, serve: (server: Connection) => void): Promise<void> {
  const begun = 20_000
  const peers: Socket[] = []
  for (let i = 0; i < LONG_LINES; ++i) {
    const { raw, server } = await rawTo(listener)
    serve(server)
    raw.resume()
    raw.write(`{"type":"ask","id":"${i}","payload":"`.padEnd(begun, 'x'))
    peers.push(raw)
  }
  await until(() => listener.stats.heldBytes >= LONG_LINES * begun)
  for (const raw of peers) raw.write(`${'x'.repeat(900_000)}"}\n`)
}

/** Finishes the messages in hand whenever no more arrive. In the end every line has been handed out. */
async function finishInTurns<Item>(
  listener: Listener,
  items: Item[],
  finish: (item: Item) => void,
): Promise<void> {
  let finished = 0
  while (finished < LONG_LINES) {
    await until(() => items.length > 0)
    await sleep(20)
    expect(listener.stats.heldBytes).toBeLessThanOrEqual(2 * BOUND + LINE_ROOM)
    for (const item of items.splice(0)) {
      finish(item)
      ++finished
    }
  }
  await until(() => listener.stats.heldBytes === 0)
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

describe('the connection of an acknowledging receiver is charged', () => {
  async function acknowledging(
    options?: AcknowledgingReceiverOptions,
    listenOptions?: ListenOptions,
  ): Promise<{ raw: Socket; server: Connection; listener: Listener; receiver: AcknowledgingReceiver }> {
    const listener = await listening(temporaryDirectory(), listenOptions)
    const { raw, server } = await rawTo(listener)
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

  it('for all that a message keeps alive, which may be much more than its line', async () => {
    const { raw, listener, receiver } = await acknowledging()
    raw.write('{"type":"\u00e9"}\n')
    await until(() => receiver.stats.waiting === 1)
    expect(listener.stats.heldBytes).toBeGreaterThan(8000)
    await receiver.next()
    void receiver.next()
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

  it('so that one message in hand of each connection takes at most twice the bound and one line', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: BOUND })
    const inHand: { readonly receiver: AcknowledgingReceiver; readonly message: SOCMessage }[] = []
    await beginLongLines(listener, (server) => {
      const receiver = new AcknowledgingReceiver(server, 'r', { autoAck: false })
      void receiver.next().then(({ value }) => value && inHand.push({ receiver, message: value }))
    })
    await finishInTurns(listener, inHand, ({ receiver, message }) => {
      receiver.acknowledge(message)
    })
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

describe('the connection of an endpoint is charged', () => {
  const REQUEST = LINE.replace('"type":"a"', '"type":"ask","id":"ID"')

  async function endpoint(
    options?: EndpointOptions,
    listenOptions?: ListenOptions,
  ): Promise<{ raw: Socket; server: Connection; listener: Listener; replier: Endpoint }> {
    const listener = await listening(temporaryDirectory(), listenOptions)
    const { raw, server } = await rawTo(listener)
    return { raw, server, listener, replier: new Endpoint(server, 'e', options) }
  }

  it('for requests, until their handlers have finished', async () => {
    const { raw, listener, replier } = await endpoint()
    const finish: (() => void)[] = []
    replier.respond('ask', () => new Promise<void>((resolve) => finish.push(resolve)))
    for (let i = 0; i < 10; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => finish.length === 10)
    await until(() => listener.stats.heldBytes > 10 * LINE.length)
    for (const each of finish) each()
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for messages, until they are read', async () => {
    const { raw, listener, replier } = await endpoint()
    raw.write(LINE.repeat(10))
    await until(() => listener.stats.heldBytes > 10 * LINE.length)
    for (let i = 0; i < 10; ++i) expect((await replier.messages.next()).value?.type).toBe('a')
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for replies that the peer does not read, and no longer once this side has closed it', async () => {
    const { raw, server, listener, replier } = await endpoint()
    raw.pause()
    replier.respond('ask', () => 'x'.repeat(100_000))
    for (let i = 0; i < 20; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => listener.stats.heldBytes > 500_000)
    server.destroy()
    await server.whenClosed()
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for the rest of a read that its queue has no room for', async () => {
    const { raw, listener, replier } = await endpoint({ maxPendingBytes: 1 })
    raw.write(LINE)
    expect((await replier.messages.next()).value?.type).toBe('a')
    raw.write(LINE.repeat(20))
    await until(() => listener.stats.heldBytes > 20 * LINE.length)
    for (let i = 0; i < 20; ++i) expect((await replier.messages.next()).value?.type).toBe('a')
    await until(() => listener.stats.heldBytes === 0)
  })

  it('so that handlers stop their user at the bound', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    const finish: (() => void)[] = []
    replier.respond('ask', () => new Promise<void>((resolve) => finish.push(resolve)))
    for (let i = 0; i < 4000; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(100)
    const before = finish.length
    expect(before).toBeLessThan(2000)
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
    for (const each of finish.splice(0)) each()
    await until(() => finish.length > 0)
  })

  it('so that one request at work of each connection takes at most twice the bound and one line', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: BOUND })
    const atWork: (() => void)[] = []
    await beginLongLines(listener, (server) => {
      new Endpoint(server, 'e').respond('ask', () => new Promise<void>((resolve) => atWork.push(resolve)))
    })
    await finishInTurns(listener, atWork, (finish) => {
      finish()
    })
  })

  it('so that messages left behind by a loop over them keep no request from its handler', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    replier.respond('ask', () => 1)
    raw.resume()
    raw.write(LINE.repeat(3000))
    for await (const message of replier.messages) {
      expect(message.type).toBe('a')
      await until(() => listener.stats.usersOverBudget === 1)
      break
    }
    raw.write(REQUEST.replace('ID', 'last'))
    await until(() => replier.stats.handled === 1)
  })

  it('so that messages that are not read are dropped at the bound, and keep no request from its handler', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    replier.respond('ask', () => 1)
    raw.resume()
    for (let i = 0; i < 3000; ++i) raw.write(LINE)
    raw.write(REQUEST.replace('ID', 'last'))
    await until(() => replier.stats.handled === 1)
    expect(replier.stats.dropped).toBeGreaterThan(1000)
    expect(listener.stats).toMatchObject({ usersOverBudget: 1 })
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
  })
})
