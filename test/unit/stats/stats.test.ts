// exposeStats() and its readers: what a snapshot tells, who may read it, audit events, and that neither end can be made to hang.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { reportUserError } from '../../../lib/base/user-code.js'
import { dial, type DialOptions } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { AcknowledgedSender, AcknowledgingReceiver } from '../../../lib/delivery/index.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { forget, observe } from '../../../lib/observe/registry.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { Publisher } from '../../../lib/services/publisher.js'
import { serve } from '../../../lib/services/server.js'
import { Spool } from '../../../lib/spool/spool.js'
import type { AuditRecord } from '../../../lib/stats/audit-feed.js'
import type { ConnectionSnapshot, StatsSnapshot } from '../../../lib/stats/snapshot.js'
import { openStats, readStats, type StatsReader } from '../../../lib/stats/stats-reader.js'
import { exposeStats, type StatsServer } from '../../../lib/stats/stats-server.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { strangers, windows } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

async function exposed(
  directory = temporaryDirectory(),
): Promise<{ server: StatsServer; options: DialOptions }> {
  const server = await exposeStats('service', { directory })
  onTestFinished(() => server.close())
  return { server, options: { directory } }
}

/** The connections of a snapshot at an address. */
function connectionsAt(snapshot: StatsSnapshot, address: string): readonly ConnectionSnapshot[] {
  return snapshot.connections.filter((connection) => connection.address === address)
}

describe('a snapshot', () => {
  it('tells what each end of a connection has sent and received', async () => {
    const { options } = await exposed()
    const { client, server, listener } = await connectedPair()
    const receiver = new Receiver(server, 'r', { onInvalid: 'skip' })
    const sender = new Sender(client, 's')
    await sender.sendBatch(Array.from({ length: 10 }, (_, n) => newSOCMessage('soc_event', { n })))
    await sender.send(newSOCMessage('soc_event'))
    for (let n = 0; n < 11; ++n) await receiver.next()
    const snapshot = await readStats('service', options)
    expect(snapshot).toMatchObject({
      version: 1,
      name: 'service',
      pid: process.pid,
      node: process.version,
      omitted: 0,
    })
    expect(snapshot.rssBytes).toBeGreaterThan(1e6)
    const [dialled, accepted] = connectionsAt(snapshot, listener.address)
    expect(dialled).toMatchObject({ id: client.id, sent: 11, received: 0, pid: process.pid, uses: [] })
    expect(accepted).toMatchObject({ id: server.id, sent: 0, received: 11, invalid: 0, uses: ['receiver'] })
    expect(dialled?.sentBytes).toBe(accepted?.receivedBytes)
    const found = snapshot.objects.find(({ name }) => name === listener.address)
    expect(found).toMatchObject({ kind: 'listener', stats: { accepted: 1, refused: 0, open: 1 } })
  })

  it('lists open spools with what they hold', async () => {
    const { options } = await exposed()
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory, maxBytes: 1 << 20 })
    await spool.add(newSOCMessage('soc_event', 'waits'))
    const spoolsOf = ({ objects }: StatsSnapshot): object[] => objects.filter(({ kind }) => kind === 'spool')
    expect(spoolsOf(await readStats('service', options))).toMatchObject([
      {
        name: directory,
        stats: { messages: 1, bytes: spool.bytes, maxBytes: 1 << 20, next: 2, settledThrough: 0 },
      },
    ])
    await spool.close()
    await sleep(60) // a snapshot serves all readers for 50 ms
    expect(spoolsOf(await readStats('service', options))).toEqual([])
  })

  it('does not list what has ended', async () => {
    const { options, server: stats } = await exposed()
    const { client, server, listener } = await connectedPair()
    listener.close()
    client.destroy()
    await server.close()
    const { connections, objects } = await readStats('service', options)
    expect(connections).toEqual([])
    expect(objects.map(({ kind, name }) => [kind, name])).toEqual([
      ['listener', stats.address],
      ['server', undefined],
    ])
  })

  it('tells how long the replies of an endpoint took', async () => {
    const { options } = await exposed()
    const { client, server, listener } = await connectedPair()
    const asking = new Endpoint(client, 'asking')
    new Endpoint(server, 'answering').respond('slow', () => sleep(30))
    await asking.request('slow')
    await asking.request('slow')
    const [dialled, accepted] = connectionsAt(await readStats('service', options), listener.address)
    expect(dialled?.latency?.count).toBe(2)
    expect(dialled?.latency?.p50).toBeGreaterThan(20)
    expect(accepted).not.toHaveProperty('latency')
    expect(accepted?.uses).toEqual(['receiver', 'endpoint'])
  })

  it('tells what waits for a slow peer, and what was dropped', async () => {
    const { options } = await exposed()
    const { client, listener } = await connectedPair()
    const sender = new BufferedSender(client, 's', { capacity: 10, onFull: 'drop-oldest' })
    const payload = 'x'.repeat(100_000)
    for (let n = 0; n < 40; ++n) {
      sender.send(newSOCMessage('soc_event', payload))
      await sleep(1)
    }
    const [dialled] = connectionsAt(await readStats('service', options), listener.address)
    expect(dialled?.blocked).toBe(true)
    expect(dialled?.pending).toBe(sender.pending)
    expect(dialled?.pending).toBeGreaterThan(0)
    expect(dialled?.dropped).toBe(sender.stats.dropped)
    expect(dialled?.dropped).toBeGreaterThan(0)
  })

  it('lists acknowledged senders, their receivers, and subscribers', async () => {
    const { options } = await exposed()
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const server = serve(listener, async (connection) => {
      await new AcknowledgingReceiver(connection, 'r', { autoAck: false }).handle(() => undefined)
    })
    const sender = new AcknowledgedSender('test', { directory })
    await sender.send(newSOCMessage('soc_event'))
    const pair = await connectedPair()
    const publisher = new Publisher()
    publisher.add(pair.server)
    publisher.publish(newSOCMessage('soc_event'))
    await new Receiver(pair.client, 'subscriber').next()
    const snapshot = await readStats('service', options)
    expect(snapshot.objects.find(({ kind }) => kind === 'acknowledged-sender')).toMatchObject({
      name: 'test',
      stats: { acknowledged: 1, pending: 0 },
    })
    expect(connectionsAt(snapshot, listener.address)[1]).toMatchObject({
      received: 1,
      uses: ['acknowledging-receiver'],
    })
    expect(connectionsAt(snapshot, pair.listener.address)[1]).toMatchObject({ sent: 1, uses: ['subscriber'] })
    await sender.close()
    await server.close()
    await sleep(60) // or the last snapshot comes again
    const after = await readStats('service', options)
    expect(after.objects.map(({ kind }) => kind)).not.toContain('acknowledged-sender')
  })

  it('tells how late timers are', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    await reader.read()
    await sleep(150)
    const end = performance.now() + 300
    while (performance.now() < end);
    await sleep(60)
    expect((await reader.read()).loopLagMs).toBeGreaterThan(150)
    reader.close()
  })

  it('is made at most once in 50 ms, however often it is asked for', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const startMs = performance.now()
    const snapshots = await Promise.all(Array.from({ length: 100 }, () => reader.read()))
    const different = new Set(snapshots.map(({ monotonicMs }) => monotonicMs)).size
    expect(different).toBeLessThanOrEqual(Math.floor((performance.now() - startMs) / 50) + 2)
    reader.close()
  })

  it('of more connections than fit leaves out the quiet ones, and counts them', async () => {
    const { options } = await exposed()
    const { listener, directory, client } = await connectedPair()
    await new Sender(client, 's').send(newSOCMessage('soc_event'))
    const connections = []
    for (let n = 0; n < 510; ++n) {
      connections.push(...(await Promise.all([dial('test', { directory }), listener.accept()])))
    }
    const snapshot = await readStats('service', options)
    expect(snapshot.connections).toHaveLength(1000)
    expect(snapshot.omitted).toBeGreaterThan(20)
    expect(snapshot.connections.some(({ sent, address }) => sent > 0 && address === listener.address)).toBe(
      true,
    )
    for (const connection of connections) connection.destroy()
  })
})

describe('a snapshot of objects with long texts', () => {
  it('leaves some out, so that it fits into one message', async () => {
    const { options } = await exposed()
    // What JSON escapes takes six times the bytes. A peer can choose the path of its program like that.
    const objects = Array.from({ length: 1000 }, () => ({ name: '\u0001'.repeat(200), stats: {} }))
    for (const object of objects) observe('server', object)
    const snapshot = await readStats('service', options)
    for (const object of objects) forget(object)
    expect(snapshot.objects).toHaveLength(500)
  })
})

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

describe('audit events', () => {
  it('are refused if they have another shape', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listen('service.stats', { directory }), async (client) => {
      const endpoint = new Endpoint(client, 'other')
      endpoint.respond('sentinel_audit', () => {
        void endpoint.send(newSOCMessage('sentinel_audit_event', { event: 'accept', timeMs: 1 }))
        void endpoint.send(newSOCMessage('sentinel_audit_event', { event: 'accept', timeMs: '1' }))
      })
      await endpoint.whenClosed()
    })
    const reader = await openStats('service', { directory })
    const events = await reader.follow()
    expect(await events.next()).toMatchObject({ value: { event: 'accept', timeMs: 1 } })
    expect(await rejectionOf(events.next())).toMatchObject({
      code: 'ERR_IPC_INVALID_MESSAGE',
      message: expect.stringContaining('timeMs is missing or invalid') as string,
    })
    reader.close()
    await server.close({ timeoutMs: 10 })
  })

  async function following(reader: StatsReader): Promise<AuditRecord[]> {
    const records: AuditRecord[] = []
    const events = await reader.follow()
    void (async () => {
      for await (const record of events) records.push(record)
    })().catch(() => undefined)
    return records
  }

  it('come as they happen, without the ones that reading causes', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    await readStats('service', options)
    const { client, server, listener } = await connectedPair()
    client.destroy()
    new Receiver(server, 'r')
    await server.whenClosed()
    await until(() => records.filter(({ event }) => event === 'close').length === 2)
    const seen = records.map(({ event, address, reason }) => [event, address, reason])
    expect(seen.sort()).toEqual(
      [
        ['accept', listener.address, undefined],
        ['close', listener.address, 'closed'],
        ['close', listener.address, 'peer-closed'],
      ].sort(),
    )
    expect(records[0]).toHaveProperty('peer.pid', process.pid)
    reader.close()
  })

  it('carry errors as plain objects', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    const { client, server } = await connectedPair()
    new Receiver(server, 'r', { onInvalid: 'skip' })
    await new Sender(client, 's').send(newSOCMessage('a', 'fine'))
    const listener = await listen('raw', { directory: temporaryDirectory() })
    const { connect } = await import('node:net')
    const raw = connect(listener.address)
    new Receiver(await listener.accept(), 'r', { onInvalid: 'skip' })
    raw.end('nonsense\n')
    await until(() => records.some(({ event }) => event === 'invalid'))
    const record = records.find(({ event }) => event === 'invalid')
    expect(record).toMatchObject({ error: { code: 'ERR_IPC_INVALID_MESSAGE' } })
    expect((record as { error?: { message?: string } }).error?.message).toContain('nonsense')
    listener.close()
    reader.close()
  })

  it('carry whatever a callback throws', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    const thrown = [
      Object.assign(new Error(), { message: { status: 400 } }),
      Object.assign(new Error('big'), { code: 5n }),
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error('no message')
        },
      }),
      Object.assign(new Error('plain'), { code: 'EPLAIN' }),
    ]
    for (const error of thrown) reportUserError('test', error)
    await until(() => records.length === thrown.length)
    expect(records.map(({ error }) => error)).toEqual([
      { message: '[object Object]' },
      { message: 'big' },
      { message: 'a value that cannot become text' },
      { message: 'plain', code: 'EPLAIN' },
    ])
    reader.close()
  })

  it('cost nothing once the last follower has left', async () => {
    const { channel } = await import('node:diagnostics_channel')
    const { options } = await exposed()
    const reader = await openStats('service', options)
    await following(reader)
    expect(channel('sentinel-ipc:invalid').hasSubscribers).toBe(true)
    reader.close()
    await until(() => !channel('sentinel-ipc:invalid').hasSubscribers)
  })
})
