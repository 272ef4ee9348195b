// Endpoint: messages beside the requests, and closing.

import { describe, expect, it } from 'vitest'

import type { IpcError } from '../../../lib/base/errors.js'
import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { serve } from '../../../lib/services/server.js'
import { temporaryDirectory } from '../../support/directory.js'
import { endpoints, rawEndpoint } from '../../support/endpoints.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('Endpoint.send', () => {
  it('keeps as many bytes as maxPendingBytes allows', async () => {
    const { endpoint, socket } = await rawEndpoint({ maxPendingBytes: 32 << 20 })
    socket.pause()
    const errors: unknown[] = []
    for (let i = 0; i < 24; ++i) {
      endpoint
        .send(newSOCMessage('large', 'x'.repeat(500_000)))
        .catch((error: unknown) => errors.push((error as IpcError).code))
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(errors).toEqual([])
    socket.resume()
    await endpoint.close()
  })
})

describe('Endpoint.messages', () => {
  it('skips invalid lines if so configured', async () => {
    const { endpoint, socket } = await rawEndpoint({ receiver: { onInvalid: 'skip' } })
    socket.write('no message\n{"type":"soc_event","ts":1,"payload":7}\n')
    expect((await endpoint.messages.next()).value?.payload).toBe(7)
    expect(endpoint.connection.closed).toBe(false)
  })

  it('drops and counts unread messages beyond the bound', async () => {
    const { asker, replier } = await endpoints({}, { maxPendingBytes: 10_000 })
    replier.respond('ping', () => 'pong')
    for (let i = 0; i < 200; ++i) await asker.send(newSOCMessage('soc_event', 'x'.repeat(500)))
    expect((await asker.request('ping')).payload).toBe('pong')
    expect(replier.stats.dropped).toBeGreaterThan(150)
    expect((await replier.messages.next()).value?.payload).toBe('x'.repeat(500))
  })

  it('stops reading while the loop is slow, and loses nothing', async () => {
    const { asker, replier } = await endpoints({}, { maxPendingBytes: 10_000 })
    const total = 3000
    let seen = 0
    const reading = (async () => {
      for await (const { id } of replier.messages) {
        expect(id).toBe(String(seen++))
        if (seen % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
        if (seen === total) break
      }
    })()
    for (let i = 0; i < total; ++i) {
      await asker.send(newSOCMessage('soc_event', 'x'.repeat(500), { id: String(i) }))
    }
    await reading
    expect(replier.stats.dropped).toBe(0)
    replier.respond('ping', () => 'pong') // leaving the loop has not closed the connection
    expect((await asker.request('ping')).payload).toBe('pong')
  })
})

describe('Endpoint.close', () => {
  it('waits for requests and handlers, then closes', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return 'done'
    })
    const reply = asker.request('slow')
    await until(() => replier.stats.handling === 1)
    const refused = asker.close()
    expect(await rejectionOf(asker.request('slow'))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect((await reply).payload).toBe('done')
    await refused
    await replier.whenClosed()
    await replier.close()
  })

  it('gives up after timeoutMs, and tells both sides', async () => {
    const { asker, replier } = await endpoints()
    const reasons: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => undefined)
    })
    const request = rejectionOf(asker.request('never'))
    await until(() => replier.stats.handling === 1)
    expect(await rejectionOf(replier.close({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(await request).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(reasons).toHaveLength(1)
    await asker.close()
  })

  it('follows when a server drains', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listen('test', { directory }), async (connection) => {
      const endpoint = new Endpoint(connection, 'server')
      endpoint.respond('slow', async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return 'done'
      })
      await endpoint.whenClosed()
    })
    const asker = new Endpoint(await dial('test', { directory }), 'client')
    const reply = asker.request('slow')
    await until(() => server.stats.open === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await server.close()).toEqual({ served: 1, aborted: 0 })
    expect((await reply).payload).toBe('done')
    await asker.whenClosed()
  })
})
