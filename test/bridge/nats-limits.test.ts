// Sizes, against the real server: batches fit its max_payload and the stream's max_msg_size with their headers; they are split when
// these shrink while batches wait; and a message that is too large alone becomes a dead letter that fits itself.

import type { StoredMsg } from '@nats-io/jetstream'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { BatchRun } from '../../lib/bridge/bridge.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { localSender, managing, message, messagesTo, server, wayIn, wayOut } from './bridges.js'
import { NatsProxy } from './nats-proxy.js'
import { whyNoServer } from './nats-server.js'

const MAX_PAYLOAD = 16_384
const SMALL = `max_payload: ${MAX_PAYLOAD}`

/** What a stream holds. */
async function allStored(servers: string, stream: string): Promise<StoredMsg[]> {
  return managing(servers, async (manager) => {
    const { state } = await manager.streams.info(stream)
    const found: StoredMsg[] = []
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; ++seq) {
      const stored = await manager.streams.getMessage(stream, { seq })
      if (stored !== null) found.push(stored)
    }
    return found
  })
}

/** Headers and data, as the server counts them. */
function sizeOf(stored: StoredMsg): number {
  let size = 'NATS/1.0\r\n\r\n'.length + stored.data.length
  for (const key of stored.header.keys()) size += `${key}: ${stored.header.get(key)}\r\n`.length
  return size
}

const countIn = (stored: StoredMsg): number => Number(stored.header.get('Sentinel-Count'))

const lineOf = (id: string, bytes: number): ReturnType<typeof newSOCMessage> =>
  newSOCMessage('soc_event', 'x'.repeat(bytes), { id })

/** Messages, of which the one in the middle is large. */
const aroundLarge = (large: ReturnType<typeof newSOCMessage>): ReturnType<typeof newSOCMessage>[] => [
  ...messagesTo(200),
  large,
  ...Array.from({ length: 200 }, (_, i) => message(200 + i)),
]

const idsTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

describe.skipIf(whyNoServer !== undefined)(`sizes of NATS${whyNoServer ?? ''}`, () => {
  it('are kept by batches of many sessions, headers included, without one that is refused', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory, SMALL)
    const out = await wayOut(directory, url, { gatherMs: 300 })
    await until(() => out.state === 'running')
    const senders = Array.from({ length: 40 }, () => localSender(directory))
    await Promise.all(
      senders.map(async (sender, s) => {
        for (let round = 0; round < 2; ++round) {
          const ids = Array.from({ length: 5 }, (_, i) => `${s}:${round * 5 + i}`)
          await sender.sendBatch(ids.map((id) => lineOf(id, 100)))
        }
      }),
    )
    const stored = await allStored(url, 'SENTINEL')
    expect(stored.reduce((sum, batch) => sum + countIn(batch), 0)).toBe(400)
    expect(Math.max(...stored.map(sizeOf))).toBeLessThanOrEqual(MAX_PAYLOAD)
    // They use the room that there is.
    expect(Math.max(...stored.map(countIn))).toBeGreaterThan(20)
    expect(out.stats).toMatchObject({ delivered: 400, repeated: 0, deadLetters: 0 })
    const { ids } = await receiving(directory)
    await wayIn(directory, url)
    await until(() => ids.length >= 400)
    for (let s = 0; s < 40; ++s) {
      const mine = ids.filter((id) => id.startsWith(`${s}:`))
      expect(mine).toEqual(Array.from({ length: 10 }, (_, i) => `${s}:${i}`))
    }
  }, 60_000)

  it('that shrink with a restart split the batches on their way, and one message too large alone is a dead letter', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory)
    const proxy = await NatsProxy.start(nats.port)
    onTestFinished(() => {
      proxy.close()
    })
    // All that the bridge publishes disappears, so that its batches are in the window when the server comes back.
    let lost = 0
    proxy.onPublish = ({ subject }) => !(subject.startsWith('sentinel.') && ++lost > 0)
    const sink = new NatsSink({
      servers: proxy.url,
      ackTimeoutMs: 2000,
      connection: { reconnectTimeWait: 50 },
    })
    const out = await wayOut(directory, proxy.url, { sink })
    await until(() => out.state === 'running')
    const sender = localSender(directory)
    await until(() => sender.state === 'acknowledging')
    const sent = sender.sendBatch(aroundLarge(lineOf('large', 30_000)))
    await until(() => lost > 0)
    await nats.kill()
    proxy.onPublish = () => true
    await nats.resume(SMALL)
    expect((await sent).status).toBe('acknowledged')
    const stored = await allStored(nats.url, 'SENTINEL')
    expect(Math.max(...stored.map(sizeOf))).toBeLessThanOrEqual(MAX_PAYLOAD)
    expect(Math.max(...stored.map(countIn))).toBeGreaterThan(20)
    const [letter, another] = await allStored(nats.url, 'SENTINEL_DEAD')
    expect(another).toBeUndefined()
    expect(letter?.header.get('Sentinel-Reason')).toBe('too-large')
    expect(Number(letter?.header.get('Sentinel-Bytes'))).toBeGreaterThan(30_000)
    expect(letter?.string()).toContain('"id":"large"')
    expect(letter?.data.length).toBeGreaterThan(MAX_PAYLOAD / 2)
    expect(out.stats).toMatchObject({ delivered: 400, deadLetters: 1, pending: 0 })
    const { ids } = await receiving(directory)
    await wayIn(directory, nats.url)
    await until(() => ids.length >= 400)
    expect(ids).toEqual(idsTo(400))
  }, 60_000)

  it('of a stream that shrink under way do the same', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    const out = await wayOut(directory, url)
    const sender = localSender(directory)
    await sender.send(newSOCMessage('soc_incident', 0, { id: 'before' }))
    const small = { max_msg_size: 8192 }
    await managing(url, (manager) => manager.streams.update('SENTINEL', small))
    const sent = await sender.sendBatch(aroundLarge(lineOf('large', 10_000)))
    expect(sent.status).toBe('acknowledged')
    const stored = await allStored(url, 'SENTINEL')
    expect(Math.max(...stored.map(sizeOf))).toBeLessThanOrEqual(8192)
    expect(Math.max(...stored.map(countIn))).toBeGreaterThan(20)
    expect((await allStored(url, 'SENTINEL_DEAD')).map((letter) => letter.string())).toEqual([
      expect.stringContaining('"id":"large"') as string,
    ])
    expect(out.stats).toMatchObject({ delivered: 401, deadLetters: 1, pending: 0 })
    const { ids } = await receiving(directory)
    await wayIn(directory, url)
    await until(() => ids.length >= 401)
    expect(ids).toEqual(['before', ...idsTo(400)])
  }, 60_000)

  it.each<[string, string, number, number]>([
    ['data larger than max_payload', SMALL, 1, MAX_PAYLOAD + 1],
    ['data that only its headers make larger than max_payload', SMALL, 1, MAX_PAYLOAD - 100],
    ['headers of more than 64 KiB', '', 800, 1000],
  ])('are what a sink reports: %s', async (_what, config, runs, bytes) => {
    const { url } = await server(temporaryDirectory(), config)
    const sink = new NatsSink({ servers: url, ackTimeoutMs: 2000 })
    onTestFinished(() => sink.close())
    await sink.ready(new AbortController().signal)
    const run = (i: number): BatchRun => {
      const session = i.toString(16).padStart(32, '0')
      return { uid: 0, pid: 1, session, previous: 0, first: 1, count: 1, anchored: true }
    }
    const batch = { host: 'h', type: 't', runs: Array.from({ length: runs }, (_, i) => run(i)) }
    const lines = Buffer.alloc(bytes, 'x')
    await expect(sink.put({ id: 'large', ...batch, lines })).rejects.toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
    })
    // The connection is as good as before.
    const small = { id: 'small', host: 'h', type: 't', runs: [run(0)], lines: Buffer.from('{}\n') }
    expect(await sink.put(small)).toBe(1)
  })
})
