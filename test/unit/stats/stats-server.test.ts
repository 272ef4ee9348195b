// exposeStats() and readStats(): who may read the counts, what a reader refuses, and that neither end can be made to hang.

import { describe, expect, it, onTestFinished } from 'vitest'

import { listen } from '../../../lib/connection/listener.js'
import { serve } from '../../../lib/services/server.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { openStats, readStats } from '../../../lib/stats/stats-reader.js'
import { exposeStats } from '../../../lib/stats/stats-server.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { strangers, windows } from '../../support/platform.js'
import { connectionsAt, exposed } from '../../support/stats.js'
import { rejectionOf } from '../../support/wait.js'

describe('the endpoint of counts', () => {
  it('is refused to users whom its policy does not name', async () => {
    const directory = temporaryDirectory()
    const mode = windows ? {} : { mode: 0o666 as const }
    const server = await exposeStats('service', { directory, policy: strangers, ...mode })
    onTestFinished(() => server.close())
    const error = await rejectionOf(readStats('service', { directory, timeoutMs: 2000 }))
    expect(['ERR_IPC_CLOSED', 'ERR_IPC_ACCESS_DENIED']).toContain((error as { code: string }).code)
  })

  it('closes, also by its signal, and can be opened again', async () => {
    const directory = temporaryDirectory()
    const controller = new AbortController()
    const server = await exposeStats('service', { directory, signal: controller.signal })
    const reader = await openStats('service', { directory })
    await reader.read()
    controller.abort()
    await server.close()
    expect(await rejectionOf(reader.read())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    await (await exposeStats('service', { directory })).close()
  })

  it('refuses unknown options and a name that is not a name', async () => {
    expect(await rejectionOf(exposeStats('x', { polici: {} } as object))).toMatchObject({
      message: 'exposeStats has no option "polici"; did you mean policy?',
    })
    expect(await rejectionOf(exposeStats(undefined as unknown as string))).toBeInstanceOf(TypeError)
    expect(await rejectionOf(readStats('x', { directori: 'y' } as object))).toMatchObject({
      message: 'openStats has no option "directori"; did you mean directory?',
    })
  })

  it('is not waited for longer than asked', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('service.stats', { directory }) // and accepts nothing
    const error = await rejectionOf(readStats('service', { directory, timeoutMs: 100 }))
    expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    listener.close()
  })

  it('is told from a service that replies with something else', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listen('service.stats', { directory }), async (connection) => {
      const endpoint = new Endpoint(connection, 'other')
      endpoint.respond('sentinel_stats', () => ({ version: 2 }))
      await endpoint.whenClosed()
    })
    const error = await rejectionOf(readStats('service', { directory }))
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason: 'stats-version' })
    await server.close({ timeoutMs: 10 })
  })

  it('is refused if a field has another type, because callers calculate with it and print it', async () => {
    const { options } = await exposed()
    const { listener } = await connectedPair()
    const real = await readStats('service', options)
    const [connection] = connectionsAt(real, listener.address)
    const directory = temporaryDirectory()
    let reply: unknown
    const server = serve(await listen('service.stats', { directory }), async (client) => {
      const endpoint = new Endpoint(client, 'other')
      endpoint.respond('sentinel_stats', () => reply)
      await endpoint.whenClosed()
    })
    const fault = async (changed: unknown): Promise<unknown> => {
      reply = changed
      const error = await rejectionOf(readStats('service', { directory }))
      expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason: 'stats-version' })
      return /version: (.*) is missing or invalid$/.exec((error as Error).message)?.[1]
    }
    expect(await fault(null)).toBe('the payload')
    for (const key of Object.keys(real)) expect(await fault({ ...real, [key]: {} })).toBe(key)
    for (const key of Object.keys(connection ?? {})) {
      expect(await fault({ ...real, connections: [connection, { ...connection, [key]: null }] })).toBe(
        `connections[1].${key}`,
      )
    }
    const latency = { count: 1, p50: 1, p99: 1, max: '\x1b]0;OWNED\x07' }
    expect(await fault({ ...real, connections: [{ ...connection, latency }] })).toBe(
      'connections[0].latency.max',
    )
    expect(await fault({ ...real, objects: [{ id: 1, kind: 'spool', name: 5, stats: {} }] })).toBe(
      'objects[0].name',
    )
    // Sums and rates of counts like these would not be finite.
    expect(await fault({ ...real, connections: [{ ...connection, sent: 1e308 }] })).toBe(
      'connections[0].sent',
    )
    expect(await fault({ ...real, cpuMs: -1e15 })).toBe('cpuMs')
    expect(await fault({ ...real, objects: [{ id: 1, kind: 'spool', stats: { bytes: 1e308 } }] })).toBe(
      'objects[0].stats',
    )
    reply = { ...real, connections: [{ ...connection, latency: { ...latency, max: 1 } }], later: true }
    expect(await readStats('service', { directory })).toEqual(reply)
    await server.close({ timeoutMs: 10 })
  })
})
