// What a snapshot of a process tells about its connections and objects, and how often one is made.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
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
import type { StatsSnapshot } from '../../../lib/stats/snapshot.js'
import { openStats, readStats } from '../../../lib/stats/stats-reader.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { connectionsAt, exposed } from '../../support/stats.js'

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

  it('lists open spools with their messages and bytes', async () => {
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
