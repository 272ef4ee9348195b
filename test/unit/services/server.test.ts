// serve() and Server: one handler a connection, every failure confined to its connection, and a close that drains.

import { connect } from 'node:net'
import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { listen, type Listener } from '../../../lib/connection/listener.js'
import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { serve, type Server } from '../../../lib/services/server.js'
import type { ServeOptions } from '../../../lib/services/server-options.js'
import type { ConnectionHandler } from '../../../lib/services/serving.js'
import { IpcError } from '../../../lib/base/errors.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { heard } from '../../support/audit.js'
import { temporaryDirectory } from '../../support/directory.js'
import { until } from '../../support/wait.js'

interface Served {
  readonly directory: string
  readonly listener: Listener
  readonly server: Server
  readonly errors: { error: unknown; connection: Connection | undefined }[]
}

async function served(handler: ConnectionHandler, options: ServeOptions = {}): Promise<Served> {
  const directory = temporaryDirectory()
  const listener = await listen('test', { directory })
  const errors: Served['errors'] = []
  const server = serve(listener, handler, {
    onError: (error, connection) => errors.push({ error, connection }),
    ...options,
  })
  onTestFinished(async () => {
    await server.close({ timeoutMs: 1 })
  })
  return { directory, listener, server, errors }
}

const echo: ConnectionHandler = async (connection) => {
  const sender = new Sender(connection, 'echo')
  for await (const message of new Receiver(connection, 'echo', { maxMessageBytes: 1000 })) {
    await sender.send(message)
  }
}

async function echoed(directory: string, id: string): Promise<string | undefined> {
  const connection = await dial('test', { directory })
  await new Sender(connection, 'c').send(newSOCMessage('soc_event', 1, { id }))
  const { value } = await new Receiver(connection, 'c').next()
  connection.destroy()
  return value?.id
}

/** Unhandled rejections fail a vitest run by themselves; this makes the intent visible and the failure local. */
function unhandled(): unknown[] {
  const seen: unknown[] = []
  const listener = (error: unknown): void => {
    seen.push(error)
  }
  process.on('unhandledRejection', listener)
  onTestFinished(() => {
    process.off('unhandledRejection', listener)
  })
  return seen
}

describe('serve', () => {
  it('runs a handler a connection and closes the connection when it returns', async () => {
    const { directory, server } = await served(async (connection) => {
      await new Sender(connection, 's').send(newSOCMessage('soc_event', 'bye', { id: 'bye' }))
    })
    const receiver = new Receiver(await dial('test', { directory }), 'c')
    expect((await receiver.next()).value?.id).toBe('bye')
    expect((await receiver.next()).done).toBe(true)
    await until(() => server.stats.served === 1)
    expect(server.stats).toEqual({ accepted: 1, open: 0, served: 1, failed: 0, aborted: 0, acceptErrors: 0 })
  })

  it.each([
    ['garbage', 'no message\n'],
    ['a line past the limit', `${'x'.repeat(5000)}\n`],
    ['half a line and a reset', '{"type":'],
  ])('confines %s to its connection', async (_, bytes) => {
    const rejections = unhandled()
    const { directory, listener, server, errors } = await served(echo)
    const raw = connect(listener.address)
    raw.on('error', () => undefined)
    raw.write(bytes, () => {
      raw.destroy()
    })
    await until(() => errors.length === 1)
    expect(errors[0]?.error).toBeInstanceOf(IpcError)
    expect(errors[0]?.connection?.peer.pid).toBe(process.pid)
    expect(await echoed(directory, 'after')).toBe('after')
    await until(() => server.stats.open === 0)
    expect(server.stats).toMatchObject({ accepted: 2, served: 2, failed: 1 })
    expect(rejections).toEqual([])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('reports a handler that %s, and ends its connection', async (_, handler) => {
    const { directory, errors } = await served(handler)
    const receiver = new Receiver(await dial('test', { directory }), 'c')
    expect((await receiver.next()).done).toBe(true)
    await until(() => errors.length === 1)
    expect(errors[0]?.error).toMatchObject({ message: 'broken' })
  })

  it('outlives an onError that throws', async () => {
    const rejections = unhandled()
    const reports = heard<{ callback: string; error: unknown }>('sentinel-ipc:user-error')
    const { directory } = await served(() => Promise.reject(new Error('first')), {
      onError: () => {
        throw new Error('second')
      },
    })
    for (let i = 0; i < 3; ++i) {
      const receiver = new Receiver(await dial('test', { directory }), 'c')
      expect((await receiver.next()).done).toBe(true)
    }
    await until(() => reports.length === 3)
    expect(reports[0]).toMatchObject({ callback: 'onError of serve', error: { message: 'second' } })
    expect(rejections).toEqual([])
  })

  it('reports errors of handlers without an onError', async () => {
    const reports = heard<{ callback: string; error: unknown }>('sentinel-ipc:user-error')
    const directory = temporaryDirectory()
    await using server = serve(await listen('test', { directory }), () => Promise.reject(new Error('lost')))
    const receiver = new Receiver(await dial('test', { directory }), 'c')
    expect((await receiver.next()).done).toBe(true)
    await until(() => reports.length === 1)
    expect(reports[0]).toMatchObject({ callback: 'handler of serve', error: { message: 'lost' } })
    expect(server.stats.failed).toBe(1)
  })

  it('goes on after accepts that fail', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const accept = listener.accept.bind(listener)
    let failures = 3
    // As with EMFILE when the connection's socket is made.
    listener.accept = (options) =>
      --failures >= 0 ? Promise.reject(new IpcError('ERR_IPC_SYSTEM', 'EMFILE')) : accept(options)
    const errors: unknown[] = []
    await using server = serve(listener, echo, {
      onError: (error, connection) => errors.push([error, connection]),
    })
    expect(await echoed(directory, 'x')).toBe('x')
    expect(errors).toEqual(Array(3).fill([expect.objectContaining({ code: 'ERR_IPC_SYSTEM' }), undefined]))
    expect(server.stats.acceptErrors).toBe(3)
  })

  it('serves what is open when its listener is closed by itself', async () => {
    const { directory, listener, server } = await served(echo)
    const connection = await dial('test', { directory })
    await until(() => server.stats.open === 1)
    listener.close()
    await new Sender(connection, 'c').send(newSOCMessage('soc_event', 1, { id: 'still' }))
    expect((await new Receiver(connection, 'c').next()).value?.id).toBe('still')
    connection.destroy()
  })

  it('has its connections iterable', async () => {
    const { directory, server } = await served(echo)
    const clients = await Promise.all([1, 2, 3].map(() => dial('test', { directory })))
    await until(() => server.stats.open === 3)
    expect([...server.connections].map(({ peer }) => peer.pid)).toEqual(Array(3).fill(process.pid))
    for (const client of clients) client.destroy()
    await until(() => [...server.connections].length === 0)
  })

  it('refuses wrong options and handlers', async () => {
    const listener = await listen('test', { directory: temporaryDirectory() })
    onTestFinished(() => {
      listener.close()
    })
    expect(() => serve(listener, 'no' as never)).toThrow(/handler of serve must be a function, not "no"/)
    expect(() => serve({} as never, echo)).toThrow(/listener of serve must be a Listener, not a plain object/)
    expect(() => serve(listener, echo, { onErorr: () => undefined } as never)).toThrow(
      /has no option "onErorr"; did you mean onError\?/,
    )
  })
})

describe('Server.close', () => {
  it('drains: handlers finish what has arrived, and reply to it', async () => {
    let handled = 0
    const { directory, server } = await served(async (connection) => {
      const sender = new Sender(connection, 's')
      for await (const message of new Receiver(connection, 's')) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        ++handled
        await sender.send(message)
      }
    })
    const connection = await dial('test', { directory })
    const receiver = new Receiver(connection, 'c')
    await new Sender(connection, 'c').sendBatch(
      Array.from({ length: 20 }, (_, i) => newSOCMessage('soc_event', i, { id: String(i) })),
    )
    await until(() => handled > 0)
    const closing = server.close()
    const ids: string[] = []
    for await (const { id } of receiver) ids.push(id)
    expect(ids).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
    expect(await closing).toEqual({ served: 1, aborted: 0 })
    expect(await server.close()).toEqual({ served: 1, aborted: 0 })
  })

  it('takes what was sent just before: by clients not yet accepted, and on connections not yet read', async () => {
    const ids: string[] = []
    const { directory, server } = await served(async (connection) => {
      for await (const { id } of new Receiver(connection, 's')) ids.push(id)
    })
    for (const id of ['1', '2', '3']) {
      await using sender = new Sender(await dial('test', { directory }), 'c')
      await sender.send(newSOCMessage('soc_event', 1, { id }))
    }
    expect(await server.close()).toEqual({ served: 3, aborted: 0 })
    expect(ids.sort()).toEqual(['1', '2', '3'])
  })

  it('ends idle connections at once', async () => {
    const { directory, server } = await served(echo)
    const clients = await Promise.all(Array.from({ length: 20 }, () => dial('test', { directory })))
    await until(() => server.stats.open === 20)
    const start = performance.now()
    expect(await server.close({ timeoutMs: 20_000 })).toEqual({ served: 20, aborted: 0 })
    expect(performance.now() - start).toBeLessThan(5000)
    for (const client of clients) client.destroy()
  })

  it('hands out what was sent before, however many turns of the event loop it takes to read that', async () => {
    let received = 0
    const { directory, server } = await served(async (connection) => {
      for await (const batch of new Receiver(connection, 'server').batches()) received += batch.length
    })
    const senders: Sender[] = []
    for (let i = 0; i < 100; ++i) senders.push(new Sender(await dial('test', { directory }), 'client'))
    onTestFinished(() => {
      for (const { connection } of senders) connection.destroy()
    })
    await until(() => server.stats.open === senders.length)
    const messages = Array.from({ length: 1000 }, (_, i) => newSOCMessage('soc_event', { i }))
    await Promise.all(senders.map((sender) => sender.sendBatch(messages)))
    const before = received
    const result = await server.close({ timeoutMs: 60_000 })
    expect(before).toBeLessThan((senders.length * messages.length) / 2)
    expect(received).toBe(senders.length * messages.length)
    expect(result).toEqual({ served: senders.length, aborted: 0 })
  }, 60_000)

  it('hands out what was sent before to a receiver that is slow', async () => {
    let received = 0
    const { directory, server } = await served(async (connection) => {
      const receiver = new Receiver(connection, 'server')
      for await (const batch of receiver.batches()) {
        received += batch.length
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
    const first = await dial('test', { directory })
    const client = connect(first.address)
    onTestFinished(() => {
      client.destroy()
      first.destroy()
    })
    await until(() => server.stats.open === 2)
    const lines = 15_000
    let written = false
    client.write('{"type":"a"}\n'.repeat(lines), () => (written = true))
    await until(() => written)
    expect(await server.close({ timeoutMs: 60_000 })).toMatchObject({ aborted: 0 })
    expect(received).toBe(lines)
  }, 60_000)

  it('finishes while a client sends without end', async () => {
    const { directory, server } = await served(async (connection) => {
      for await (const batch of new Receiver(connection, 'server').batches()) expect(batch).not.toEqual([])
    })
    const first = await dial('test', { directory })
    const client = connect(first.address)
    client.on('error', () => undefined) // the server hangs up
    const lines = '{"type":"a"}\n'.repeat(5000)
    const write = (): void => {
      if (!client.destroyed) client.write(lines, write)
    }
    write()
    onTestFinished(() => {
      client.destroy()
      first.destroy()
    })
    await until(() => server.stats.open === 2)
    expect(await server.close({ timeoutMs: Infinity })).toEqual({ served: 2, aborted: 0 })
  })

  it('ends a receiver that a handler makes after the close', async () => {
    let go!: () => void
    const gate = new Promise<void>((resolve) => (go = resolve))
    const { directory, server } = await served(async (connection) => {
      await gate
      for await (const message of new Receiver(connection, 's')) throw new Error(message.id)
    })
    const client = await dial('test', { directory })
    await until(() => server.stats.open === 1)
    const closing = server.close({ timeoutMs: 20_000 })
    go()
    expect(await closing).toEqual({ served: 1, aborted: 0 })
    client.destroy()
  })

  it('lets acknowledged flows finish: each message is handled once, by this server or the next', async () => {
    const handled: string[] = []
    const ledger = new DeliveryLedger()
    const handler: ConnectionHandler = async (connection) => {
      for await (const { id } of new AcknowledgingReceiver(connection, 's', { ledger })) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        handled.push(id)
      }
    }
    const { directory, server } = await served(handler)
    const sender = new AcknowledgedSender('test', { directory, minBackoffMs: 1, maxBackoffMs: 20 })
    onTestFinished(async () => {
      await sender.close({ timeoutMs: 1 }).catch(() => undefined)
    })
    const sent = Array.from({ length: 50 }, (_, i) =>
      sender.send(newSOCMessage('soc_event', i, { id: String(i) })),
    )
    await until(() => handled.length > 3)
    expect(await server.close()).toMatchObject({ aborted: 0 })
    const next = serve(await listen('test', { directory }), handler)
    await Promise.all(sent)
    await next.close()
    expect(handled).toEqual(Array.from({ length: 50 }, (_, i) => String(i)))
  })

  it('gives up handlers that do not finish, and tells them', async () => {
    const reasons: unknown[] = []
    const { directory, server, errors } = await served(async (connection, { signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve)
      })
      reasons.push(signal.reason, connection.closed)
      throw new Error('too late to be heard')
    })
    const stuck = await served(() => new Promise(() => undefined))
    const client = await dial('test', { directory })
    const other = await dial('test', { directory: stuck.directory })
    await until(() => server.stats.open === 1 && stuck.server.stats.open === 1)
    expect(await server.close({ timeoutMs: 20 })).toEqual({ served: 0, aborted: 1 })
    expect(await stuck.server.close({ timeoutMs: 20 })).toEqual({ served: 0, aborted: 1 })
    await until(() => reasons.length === 2)
    expect(reasons).toEqual([expect.objectContaining({ code: 'ERR_IPC_TIMEOUT' }), true])
    expect([...server.connections]).toEqual([])
    expect(errors).toEqual([])
    await client.whenClosed()
    await other.whenClosed()
  })

  it('happens when the signal fires, and leaves no listener on it', async () => {
    const controller = new AbortController()
    const { server } = await served(echo, { signal: controller.signal })
    controller.abort()
    expect(await server.close()).toEqual({ served: 0, aborted: 0 })
    const early = await served(echo, { signal: controller.signal })
    expect(await early.server.close()).toEqual({ served: 0, aborted: 0 })
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('closes the listener: the address is free', async () => {
    const { directory, server } = await served(echo)
    await server.close()
    await using again = await listen('test', { directory })
    expect(again.address).toContain(directory)
  })
})
