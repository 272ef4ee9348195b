// Faults between a bridge and a real NATS server, one at a time: publishes and acknowledgements that disappear, redelivery, a
// consumer that is deleted, a window for duplicates that is over, a full spool, and messages that cannot be delivered.

import { headers, connect } from '@nats-io/transport-node'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import type { OutBridgeOptions } from '../../lib/bridge/out-bridge.js'
import { dial } from '../../lib/connection/dial.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import { BufferedSender } from '../../lib/endpoints/buffered-sender.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Spool } from '../../lib/spool/spool.js'
import { idsTo, receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'
import { localSender, managing, message, messagesTo, server, wayIn, wayOut } from './bridges.js'
import { NatsProxy } from './nats-proxy.js'
import { whyNoServer } from './nats-server.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const isBatch = (subject: string): boolean => subject.startsWith('sentinel.')

async function proxyTo(port: number): Promise<NatsProxy> {
  const proxy = await NatsProxy.start(port)
  onTestFinished(() => {
    proxy.close()
  })
  return proxy
}

const sinkTo = (servers: string): NatsSink => new NatsSink({ servers, ackTimeoutMs: 400 })

/** Options of a way out that stores each message by itself, twelve at once, and repeats soon. */
const oneByOne = (servers: string): Partial<OutBridgeOptions> => ({
  sink: sinkTo(servers),
  maxBatchMessages: 1,
  maxInFlight: 12,
  minBackoffMs: 1,
})

/** Everything that a stream holds: the ids of the messages in each stored batch. */
async function storedIds(servers: string, stream = 'SENTINEL'): Promise<string[][]> {
  return managing(servers, async (manager) => {
    const { state } = await manager.streams.info(stream)
    const found: string[][] = []
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; ++seq) {
      const stored = await manager.streams.getMessage(stream, { seq })
      if (stored === null) continue
      found.push([...stored.string().matchAll(/"id":"([^"]*)"/g)].map(([, id]) => id as string))
    }
    return found
  })
}

const hasConsumer = (servers: string): Promise<boolean> =>
  managing(servers, (manager) =>
    manager.consumers.info('SENTINEL', 'in').then(
      () => true,
      () => false,
    ),
  )

describe.skipIf(whyNoServer !== undefined)(`a bridge over NATS JetStream${whyNoServer ?? ''}`, () => {
  it('neither reorders nor repeats when publishes are lost in the middle of the window', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const proxy = await proxyTo(nats.port)
    let published = 0
    const lost = new Set([5, 6, 23])
    proxy.onPublish = ({ subject }) => !(isBatch(subject) && lost.has(++published))
    const out = await wayOut(directory, proxy.url, oneByOne(proxy.url))
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, nats.url)
    expect((await localSender(directory).sendBatch(messagesTo(40))).status).toBe('acknowledged')
    await until(() => back.stats.delivered === 40, 20_000)
    expect(ids).toEqual(idsTo(40))
    expect(out.stats).toMatchObject({ delivered: 40, pending: 0 })
    expect(out.stats.repeated).toBeGreaterThan(0)
    // What was stored before its predecessor was passed over, and stored once more behind it.
    expect(back.stats.repeated).toBeGreaterThan(0)
    expect((await storedIds(nats.url)).length).toBeGreaterThan(40)
  }, 60_000)

  it('neither reorders nor repeats when acknowledgements are lost', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const proxy = await proxyTo(nats.port)
    let acknowledgements = 0
    proxy.onDelivery = ({ body }) => !(body.includes('"stream":"SENTINEL"') && ++acknowledgements % 9 === 4)
    const out = await wayOut(directory, proxy.url, oneByOne(proxy.url))
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, nats.url)
    await localSender(directory).sendBatch(messagesTo(40))
    await until(() => back.stats.delivered === 40, 30_000)
    expect(ids).toEqual(idsTo(40))
    expect(out.stats.repeated).toBeGreaterThan(0)
    // The second try has the same id, so the server's window knows it, and nothing is stored twice.
    expect((await storedIds(nats.url)).flat()).toEqual(idsTo(40))
  }, 60_000)

  it('sends a spool that is older than the window for duplicates, and nothing is delivered twice', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    await managing(nats.url, (manager) =>
      manager.streams.add({
        name: 'SENTINEL',
        subjects: ['sentinel.>'],
        duplicate_window: 100e6,
        discard: 'new',
      }),
    )
    const proxy = await proxyTo(nats.port)
    // Stored, but this process never hears of it.
    proxy.onDelivery = ({ body }) => !body.includes('"stream":"SENTINEL"')
    const spool = join(directory, 'spool')
    const first = await wayOut(directory, proxy.url, {
      sink: sinkTo(proxy.url),
      maxBatchMessages: 5,
      spool: await Spool.open({ directory: spool }),
    })
    const sender = localSender(directory)
    await sender.sendBatch(messagesTo(50))
    await until(async () => (await storedIds(nats.url)).flat().length >= 50)
    await first.close({ timeoutMs: 1 })
    expect(first.stats).toMatchObject({ delivered: 0, pending: 50 })
    await pause(300)
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, nats.url)
    await until(() => ids.length === 50)
    const second = await wayOut(directory, nats.url, { spool: await Spool.open({ directory: spool }) })
    await until(() => second.stats.pending === 0 && second.stats.delivered === 50)
    await localSender(directory).send(message(50))
    await until(() => ids.length >= 51)
    expect((await storedIds(nats.url)).flat().length).toBeGreaterThan(100)
    expect(ids).toEqual(idsTo(51))
    expect(back.stats.duplicates).toBeGreaterThanOrEqual(50)
  }, 60_000)

  it('delivers nothing twice when the server redelivers while the receiver takes its time', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url, { maxBatchMessages: 1 })
    await localSender(directory).sendBatch(messagesTo(20))
    // A consumer that was made elsewhere is used as it is: this one waits 300 ms, for each message by itself.
    await managing(url, (manager) =>
      manager.consumers.add('SENTINEL', {
        durable_name: 'in',
        ack_policy: 'explicit',
        ack_wait: 300e6,
        filter_subject: 'sentinel.>',
      }),
    )
    const listener = await listening(directory)
    const back = await wayIn(directory, url)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'slow', { autoAck: false })
    const ids: string[] = []
    for await (const messages of receiver.batches()) {
      ids.push(...messages.map(({ id }) => id))
      await pause(1500)
      receiver.acknowledge(messages)
      if (ids.length >= 20) break
    }
    await until(() => back.stats.delivered === 20)
    await until(() =>
      managing(
        url,
        async (manager) => (await manager.consumers.info('SENTINEL', 'in')).num_ack_pending === 0,
      ),
    )
    const info = await managing(url, (manager) => manager.consumers.info('SENTINEL', 'in'))
    // They were delivered more often than there are messages, and acknowledged in the end.
    expect(info.delivered.consumer_seq).toBeGreaterThan(20)
    expect(ids).toEqual(idsTo(20))
    expect(back.stats.received).toBe(20)
  }, 60_000)

  it('goes on where it was when its consumer is deleted under way', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await wayOut(directory, url, { maxBatchMessages: 3 })
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, url)
    const sender = localSender(directory)
    for (let i = 0; i < 300; ++i) {
      void sender.send(message(i))
      if (i % 100 === 50) {
        await until(() => ids.length > i / 2)
        await until(() => hasConsumer(url))
        await managing(url, (manager) => manager.consumers.delete('SENTINEL', 'in'))
      }
    }
    await until(() => back.stats.delivered === 300, 40_000)
    expect(ids).toEqual(idsTo(300))
    const { config } = await managing(url, (manager) => manager.consumers.info('SENTINEL', 'in'))
    expect(config.ack_policy).toBe('all')
  }, 60_000)

  it('asks again when the connection is lost under a request, whatever the time-out', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const proxy = await proxyTo(nats.port)
    let dropped = 0
    proxy.onPublish = ({ subject }) => !(subject.startsWith('$JS.API.CONSUMER.INFO') && ++dropped === 1)
    await wayOut(directory, nats.url)
    const { ids } = await receiving(directory)
    await wayIn(directory, proxy.url, { ackTimeoutMs: 100_000 })
    await localSender(directory).sendBatch(messagesTo(20))
    await until(() => dropped === 1)
    proxy.cut()
    await until(() => ids.length >= 20)
    expect(ids).toEqual(idsTo(20))
  }, 60_000)

  it('reports that it waits while the server is away, even with nothing to carry', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const states: string[] = []
    const back = await wayIn(directory, nats.url, {}, (event) => {
      if (event.type === 'state') states.push(event.state)
    })
    await nats.kill()
    await until(() => back.state === 'waiting')
    await nats.resume()
    await until(() => back.state === 'running')
    expect(states).toEqual(['running', 'waiting', 'running'])
  }, 60_000)

  it('reads a work queue, which wants each message acknowledged by itself', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await managing(url, (manager) =>
      manager.streams.add({ name: 'SENTINEL', subjects: ['sentinel.>'], retention: 'workqueue' }),
    )
    await wayOut(directory, url, { maxBatchMessages: 3 })
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, url)
    await localSender(directory).sendBatch(messagesTo(60))
    await until(() => back.stats.delivered === 60)
    expect(ids).toEqual(idsTo(60))
    const remaining = (): Promise<number> =>
      managing(url, async (manager) => (await manager.streams.info('SENTINEL')).state.messages)
    await until(async () => (await remaining()) === 0)
  }, 60_000)

  it('makes local senders wait when the spool is full, and sends all in order when the server is back', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    await nats.kill()
    const spool = await Spool.open({ directory: join(directory, 'spool'), maxBytes: 30_000 })
    const out = await wayOut(directory, nats.url, { spool, maxBytes: 1 << 16, maxBatchMessages: 16 })
    const payload = 'x'.repeat(200)
    const make = (i: number): ReturnType<typeof newSOCMessage> =>
      newSOCMessage('soc_event', { payload }, { id: String(i) })
    // An acknowledged sender with room for 100 messages: accepted messages are delivered, and it refuses the rest at once.
    const sender = localSender(directory, { maxMessages: 100 })
    const sent: string[] = []
    let refused = 0
    for (let i = 0; i < 1500; ++i) {
      const id = String(sent.length)
      sent.push(id)
      sender.send(make(sent.length - 1)).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
        ++refused
        sent.splice(sent.indexOf(id), 1)
      })
      await pause(0)
    }
    expect(refused).toBeGreaterThan(500)
    expect(out.stats.pendingBytes).toBeLessThan(1 << 18)
    expect(sender.pending).toBe(100)
    // A sender without acknowledgement meets the same wall: the kernel takes no more from it.
    const plain = new BufferedSender(await dial('out', { directory }), 'plain', { capacity: 64 })
    onTestFinished(() => plain.close().catch(() => undefined))
    let full: unknown
    for (let i = 0; i < 20_000 && full === undefined; ++i) {
      try {
        plain.send(newSOCMessage('soc_event', { payload }, { id: `plain-${i}` }))
      } catch (error) {
        full = error
      }
      if (i % 50 === 0) await pause(1)
    }
    expect(full).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
    await nats.resume()
    const { ids } = await receiving(directory)
    await wayIn(directory, nats.url)
    await until(() => out.stats.pending === 0 && sender.pending === 0, 40_000)
    await until(() => ids.filter((id) => !id.startsWith('plain')).length >= sent.length, 40_000)
    expect(ids.filter((id) => !id.startsWith('plain'))).toEqual(sent)
    const others = ids.filter((id) => id.startsWith('plain'))
    expect(others).toEqual(others.map((_, i) => `plain-${i}`))
  }, 120_000)

  it('keeps lines that are too large, invalid or no batch under the dead-letter subject, and goes on', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory, 'max_payload: 65536')
    const events: BridgeEvent[] = []
    const out = await wayOut(directory, url, { onEvent: (event: BridgeEvent) => events.push(event) })
    await until(() => out.state === 'running')
    // The receiver's greeting tells an acknowledged sender the limit.
    const sender = localSender(directory)
    const large = (id: string, size: number): ReturnType<typeof newSOCMessage> =>
      newSOCMessage('soc_event', 'x'.repeat(size), { id })
    await until(() => sender.state === 'acknowledging')
    await expect(sender.send(large('refused', 100_000))).rejects.toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
    })
    await sender.send(message(0))
    const { ids } = await receiving(directory)
    const back = await wayIn(directory, url)
    // A plain sender does not learn it; and anyone with permission may publish what is no batch.
    const plain = new Sender(await dial('out', { directory }), 'plain')
    await plain.send(large('large', 100_000))
    await plain.send(message(1))
    await until(() => ids.length >= 2)
    const nc = await connect({ servers: url })
    onTestFinished(() => nc.close())
    nc.publish('sentinel.elsewhere.soc_event', 'no batch', { headers: headers() })
    const hdrs = headers()
    hdrs.set('Sentinel-Version', '1')
    hdrs.set('Sentinel-Runs', JSON.stringify([run(1, 3)]))
    const lines = ['2', '3'].map((id) => `{"type":"soc_event","id":"${id}","ts":0}\n`)
    nc.publish('sentinel.elsewhere.soc_event', [lines[0], 'not json\n', lines[1]].join(''), { headers: hdrs })
    await until(() => ids.length >= 4)
    expect(ids).toEqual(idsTo(4))
    await until(() => back.stats.deadLetters === 2 && out.stats.deadLetters === 1)
    const letters = await managing(url, async (manager) => {
      const { state } = await manager.streams.info('SENTINEL_DEAD')
      const found = []
      for (let seq = state.first_seq; seq <= state.last_seq; ++seq)
        found.push(await manager.streams.getMessage('SENTINEL_DEAD', { seq }))
      return found
    })
    expect(letters.map((letter) => letter?.header.get('Sentinel-Reason')).sort()).toEqual([
      'invalid',
      'not-a-batch',
      'too-large',
    ])
    const subjects = letters.map((letter) => letter?.subject)
    expect(subjects).toContain('sentinel_dead.elsewhere.soc_event')
    expect(letters.some((letter) => letter?.string() === 'not json\n')).toBe(true)
    expect(events).toContainEqual(expect.objectContaining({ type: 'dead-letter', reason: 'too-large' }))
  }, 60_000)
})

function run(first: number, count: number): object {
  return { uid: 0, pid: 1, session: 'cd'.repeat(16), previous: first - 1, first, count, anchored: true }
}
