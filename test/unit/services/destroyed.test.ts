// A connection that is destroyed while requests or messages wait that were read before: nothing that waits begins, and the
// signals of the handlers that run fire.

import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import { listen, type Listener } from '../../../lib/connection/listener.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { serve, type Server } from '../../../lib/services/server.js'
import type { ConnectionHandler } from '../../../lib/services/serving.js'
import { temporaryDirectory } from '../../support/directory.js'
import { endpoints, rawEndpoint } from '../../support/endpoints.js'
import { until } from '../../support/wait.js'

/** Ten requests in one write, so that they are read together. */
const TEN_REQUESTS = Array.from(
  { length: 10 },
  (_, i) => `{"type":"job","id":"req-${i}","ts":1,"payload":${i}}\n`,
).join('')

describe('After a handler has destroyed the connection of an endpoint', () => {
  it('no handler of a request begins, and the signals of the running ones fire', async () => {
    const { endpoint, socket } = await rawEndpoint()
    const begun: unknown[] = []
    const stopped: unknown[] = []
    endpoint.respond('job', ({ payload }, { signal }) => {
      begun.push(payload)
      signal.addEventListener('abort', () => stopped.push(payload))
      if (payload === 3) endpoint.connection.destroy()
      return new Promise(() => undefined)
    })
    socket.write(TEN_REQUESTS)
    await until(() => stopped.length >= 4)
    expect(begun).toEqual([0, 1, 2, 3])
    expect(stopped).toEqual([0, 1, 2, 3])
    await until(() => endpoint.stats.unsentReplies === 6)
    expect(endpoint.stats).toMatchObject({ handled: 4, refused: 6, handling: 4 })
  })

  it('no handler begins for a request of a later read', async () => {
    const { asker, replier } = await endpoints()
    let begun = 0
    replier.respond('job', () => {
      if (++begun === 3) replier.connection.destroy()
      return begun
    })
    const asked = Array.from({ length: 2000 }, (_, i) => asker.request('job', 'x'.repeat(i)))
    await Promise.allSettled(asked)
    await until(() => replier.stats.handling === 0)
    expect(begun).toBe(3)
  })
})

it('No handler of a request begins after the connection was destroyed while replies had no room', async () => {
  const { asker, replier } = await endpoints({}, { maxPendingBytes: 1000 })
  let begun = 0
  replier.respond('job', () => {
    ++begun
    return 'y'.repeat(1000)
  })
  const asked = Array.from({ length: 100 }, () => asker.request('job', 1))
  await until(() => begun > 0)
  replier.connection.destroy()
  const before = begun
  await Promise.allSettled(asked)
  expect(begun).toBe(before)
})

async function served(
  handler: ConnectionHandler,
): Promise<{ server: Server; listener: Listener; directory: string }> {
  const directory = temporaryDirectory()
  const listener = await listen('test', { directory })
  const server = serve(listener, handler)
  onTestFinished(async () => {
    await server.close({ timeoutMs: 1 })
  })
  return { server, listener, directory }
}

describe('A server', () => {
  it('calls no handler for a connection that is destroyed before', async () => {
    const handled: boolean[] = []
    const { server, directory } = await served(async (connection) => {
      handled.push(connection.closed)
      // Others are accepted meanwhile.
      for (let i = 0; i < 50; ++i) {
        await Promise.resolve()
        for (const other of server.connections) other.destroy()
      }
    })
    await Promise.all(Array.from({ length: 8 }, () => dial('test', { directory })))
    await until(() => server.stats.accepted === 8 && server.stats.open === 0)
    expect(handled).not.toContain(true)
    expect(handled.length).toBeLessThan(8)
    expect(server.stats).toMatchObject({ served: 8, failed: 0, aborted: 0 })
  })

  it('fires the signal of a handler whose connection other code destroys', async () => {
    const reasons: unknown[] = []
    const { server, directory } = await served((_connection, { signal }) => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason)
          resolve()
        })
      })
    })
    await dial('test', { directory })
    await until(() => server.stats.open === 1)
    for (const connection of server.connections) connection.destroy()
    await until(() => server.stats.open === 0)
    expect(reasons).toMatchObject([{ code: 'ERR_IPC_CLOSED' }])
    expect(server.stats).toMatchObject({ served: 1, aborted: 0 })
  })

  it('does not fire the signal when the peer ends the connection, or the handler has returned', async () => {
    const signals: AbortSignal[] = []
    const kept: Connection[] = []
    const { server, directory } = await served(async (connection, { signal }) => {
      signals.push(signal)
      kept.push(connection)
      if (signals.length === 1) await connection.whenClosed()
    })
    const first = await dial('test', { directory })
    await until(() => signals.length === 1)
    first.destroy()
    await until(() => server.stats.open === 0)
    await dial('test', { directory })
    await until(() => server.stats.served === 2)
    for (const connection of kept) connection.destroy()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  })
})
