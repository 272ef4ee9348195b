// The bridge over a real NATS server with JetStream: streams that are made, subjects, provenance, restarts, wrong credentials.

import { AckPolicy, type StoredMsg } from '@nats-io/jetstream'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Spool } from '../../lib/spool/spool.js'
import { idsTo, receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { host, localSender, managing, message, server, wayIn, wayOut } from './bridges.js'
import { whyNoServer } from './nats-server.js'

function stored(servers: string, subject: string): Promise<StoredMsg | null> {
  return managing(servers, (manager) => manager.streams.getMessage('SENTINEL', { last_by_subj: subject }))
}

describe.skipIf(whyNoServer !== undefined)(`a bridge over NATS JetStream${whyNoServer ?? ''}`, () => {
  it('carries messages from one listener to another, with subjects and provenance', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url)
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, url)
    const sender = localSender(directory)
    const sent = await sender.sendBatch([message(0), message(1), message(2, 'audit.log *>'), message(3)])
    expect(sent.status).toBe('acknowledged')
    await until(() => ids.length === 4)
    expect(ids).toEqual(idsTo(4))
    const odd = await stored(url, `sentinel.${host.replaceAll('.', '%2e')}.audit%2elog%20%2a%3e`)
    expect(odd?.string()).toContain('"type":"audit.log *>","id":"2"')
    expect(JSON.parse(odd?.header.get('Sentinel-Runs') ?? '')).toMatchObject([
      { uid: process.getuid?.(), pid: process.pid, first: 3, count: 1, previous: 2 },
    ])
    expect(odd?.header.get('Nats-Msg-Id')).toMatch(/^[0-9a-f]{32}-3-/)
    await until(() => back.stats.delivered === 4)
  })

  it('delivers once and in order while the server is killed and started again', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const out = await wayOut(directory, nats.url, { maxBatchMessages: 10 })
    const { ids } = await receiving(directory)
    await wayIn(directory, nats.url)
    const sender = localSender(directory)
    for (let i = 0; i < 2000; i += 100) {
      void sender.sendBatch(Array.from({ length: 100 }, (_, j) => message(i + j)))
      if (i % 500 === 400) {
        await nats.kill()
        await nats.resume()
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(() => ids.length >= 2000, 60_000)
    expect(ids).toEqual(idsTo(2000))
    expect(out.stats.pending).toBe(0)
  }, 90_000)

  it('spools while there is no server at all, and sends everything in order once there is', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    await nats.kill()
    const spool = await Spool.open({ directory: join(directory, 'spool') })
    const events: BridgeEvent[] = []
    const onEvent = (event: BridgeEvent): void => void events.push(event)
    const out = await wayOut(directory, nats.url, { spool, onEvent })
    const sender = localSender(directory)
    for (let i = 0; i < 500; ++i) {
      expect((await sender.send(message(i))).status).toBe('acknowledged')
    }
    expect(out.stats).toMatchObject({ received: 500, delivered: 0, pending: 500 })
    await until(() => out.state === 'waiting')
    const refused = expect.objectContaining({
      message: expect.stringContaining('refused') as string,
    }) as Error
    expect(events).toContainEqual({ type: 'state', state: 'waiting', error: refused })
    await out.close({ timeoutMs: 1 })
    await nats.resume()
    const again = await Spool.open({ directory: join(directory, 'spool') })
    await wayOut(directory, nats.url, { spool: again })
    const { ids } = await receiving(directory)
    await wayIn(directory, nats.url)
    await until(() => ids.length >= 500)
    expect(ids).toEqual(idsTo(500))
  }, 60_000)

  it('goes on exactly where an earlier process stopped, with what that left unacknowledged', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url, { maxBatchMessages: 1 })
    const sender = localSender(directory)
    // Read by the first process, and settled by nobody, as there is no receiver.
    const first = await wayIn(directory, url)
    for (let i = 0; i < 100; ++i) void sender.send(message(i))
    await until(() => first.stats.received === 100)
    await first.close({ timeoutMs: 1 })
    for (let i = 100; i < 200; ++i) void sender.send(message(i))
    const { ids } = await receiving(directory)
    const second = await wayIn(directory, url)
    await until(() => ids.length >= 200)
    expect(ids).toEqual(idsTo(200))
    await until(() => second.stats.delivered === 200)
    await second.close()
    // A consumer that was deleted is made anew where the checkpoint says.
    await managing(url, (manager) => manager.consumers.delete('SENTINEL', 'in'))
    await wayIn(directory, url)
    await sender.send(message(200))
    await until(() => ids.length >= 201)
    expect(ids).toEqual(idsTo(201))
  }, 60_000)

  it('stops with the reason when the credentials are wrong, and takes the right ones', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory, 'authorization { user: "u", password: "right" }')
    const wrong = await wayOut(directory, url, {
      sink: new NatsSink({ servers: url, connection: { user: 'u', pass: 'wrong' } }),
    })
    await expect(wrong.ended).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM' })
    await wayOut(directory, url, {
      sink: new NatsSink({ servers: url, connection: { user: 'u', pass: 'right' } }),
    })
    expect((await localSender(directory).send(message(0))).status).toBe('acknowledged')
  }, 60_000)

  it('makes absent streams and the consumer with the defaults that docs/fleet.md states', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url)
    await wayIn(directory, url)
    const day = 86_400e9
    const common = { storage: 'file', retention: 'limits', num_replicas: 1 }
    const hasConsumer = (): Promise<boolean> =>
      managing(url, (manager) =>
        manager.consumers.info('SENTINEL', 'in').then(
          () => true,
          () => false,
        ),
      )
    await until(hasConsumer)
    await managing(url, async (manager) => {
      const configOf = async (name: string): Promise<object> => (await manager.streams.info(name)).config
      expect(await configOf('SENTINEL')).toMatchObject({
        ...common,
        subjects: ['sentinel.>'],
        max_bytes: 1 << 30,
        max_age: 7 * day,
        discard: 'new',
      })
      expect(await configOf('SENTINEL_DEAD')).toMatchObject({
        ...common,
        subjects: ['sentinel_dead.>'],
        max_bytes: 256 << 20,
        max_age: 30 * day,
        discard: 'old',
      })
      expect(await configOf('SENTINEL_STATE')).toMatchObject({
        ...common,
        subjects: ['sentinel_state.>'],
        max_bytes: 64 << 20,
        max_age: 0,
        max_msgs_per_subject: 1,
      })
      expect((await manager.consumers.info('SENTINEL', 'in')).config).toMatchObject({
        durable_name: 'in',
        ack_policy: 'all',
        ack_wait: 30e9,
        filter_subject: 'sentinel.>',
      })
    })
  })

  it('settles in steps: JetStream before the local sender, the local receiver before JetStream', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    await wayOut(directory, nats.url)
    const back = await wayIn(directory, nats.url)
    await nats.kill()
    const sender = localSender(directory)
    let settled = false
    const sent = sender.sendBatch([message(0), message(1)]).then(({ status }) => {
      settled = true
      return status
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(settled).toBe(false)
    await nats.resume()
    expect(await sent).toBe('acknowledged')
    const held = (): Promise<boolean[]> =>
      managing(nats.url, async (manager) => {
        const { num_ack_pending, ack_floor } = await manager.consumers.info('SENTINEL', 'in')
        return [num_ack_pending > 0, ack_floor.stream_seq > 0]
      })
    const listener = await listening(directory)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    const { value } = await receiver.batches().next()
    expect((value as unknown[]).length).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await held()).toEqual([true, false])
    expect(back.stats.delivered).toBe(0)
    receiver.acknowledge(value as SOCMessage[])
    void (async () => {
      for await (const messages of receiver.batches()) receiver.acknowledge(messages)
    })()
    await until(async () => (await held()).join() === 'false,true')
    expect(back.stats.delivered).toBe(2)
  }, 60_000)

  it.each<[string, object]>([
    ['delivers headers only', { headers_only: true }],
    ['reads sentinel.other.>, and the bridge wants sentinel.>', { filter_subject: 'sentinel.other.>' }],
  ])('stops with the reason rather than lose messages to a consumer that %s', async (reason, config) => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url)
    const { ids } = await receiving(directory)
    expect((await localSender(directory).send(message(0))).status).toBe('acknowledged')
    const consumer = { durable_name: 'in', ack_policy: AckPolicy.Explicit, ...config }
    await managing(url, (manager) => manager.consumers.add('SENTINEL', consumer))
    const back = await wayIn(directory, url)
    await expect(back.ended).rejects.toMatchObject({
      code: 'ERR_IPC_SYSTEM',
      message: expect.stringContaining(reason) as string,
    })
    // Under another name everything is there.
    await wayIn(directory, url, { consumer: 'another' })
    await until(() => ids.length === 1)
  })

  it('makes senders wait while the stream is full, and loses nothing', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    const sink = new NatsSink({ servers: url, streamBytes: 1 << 20 })
    const out = await wayOut(directory, url, { sink, maxBatchMessages: 50, maxBackoffMs: 200 })
    const { ids } = await receiving(directory)
    const sender = localSender(directory)
    const payload = 'x'.repeat(1000)
    for (let i = 0; i < 2000; ++i) {
      sender.send(newSOCMessage('soc_event', { payload }, { id: String(i) })).catch(() => undefined)
    }
    await until(() => out.state === 'waiting')
    expect(sender.pending).toBeGreaterThan(500)
    await wayIn(directory, url)
    await until(() => ids.length > 500)
    // Room is the operator's to make: here all that was delivered is deleted again and again.
    await managing(url, async (manager) => {
      while (ids.length < 2000) {
        const { ack_floor } = await manager.consumers.info('SENTINEL', 'in')
        if (ack_floor.stream_seq > 0)
          await manager.streams.purge('SENTINEL', { seq: ack_floor.stream_seq + 1 })
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
    expect(ids).toEqual(idsTo(2000))
  }, 60_000)
})
