// Metrics of real traffic, read through prom-client's own registry and through a meter of OpenTelemetry's shape.

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { metrics } from '@opentelemetry/api'

import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { dial } from '../../../lib/connection/dial.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { logEvents, registerOpenTelemetry, registerPrometheus } from '../../../lib/metrics/index.js'
import { METRICS } from '../../../lib/metrics/definitions.js'
import { openTelemetryName } from '../../../lib/metrics/opentelemetry.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

/** The values of a scrape: name with labels, as the text format has them. */
async function scrape(registry: Registry): Promise<Record<string, number>> {
  const text = await registry.metrics()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

function registered(): Registry {
  const registry = new Registry()
  onTestFinished(registerPrometheus(registry))
  return registry
}

/** Longer than a scrape counts as the same. */
const NEXT_SCRAPE_MS = 60

describe('prom-client', () => {
  it('reads counts of live connections, and keeps them when these end', async () => {
    const registry = registered()
    const before = await scrape(registry)
    const pair = await connectedPair()
    const sender = new BufferedSender(pair.client, 'sender')
    const receiver = new Receiver(pair.server, 'receiver')
    for (let i = 0; i < 10; ++i) sender.send(newSOCMessage('soc_event', i))
    for (let i = 0; i < 10; ++i) await receiver.next()
    await sleep(NEXT_SCRAPE_MS)
    const open = await scrape(registry)
    const grown = (name: string, now: Record<string, number>): number =>
      (now[name] ?? 0) - (before[name] ?? 0)
    expect(grown('sentinel_ipc_connections', open)).toBe(2)
    expect(grown('sentinel_ipc_messages_sent_total', open)).toBe(10)
    expect(grown('sentinel_ipc_messages_received_total', open)).toBe(10)
    expect(grown('sentinel_ipc_received_bytes_total', open)).toBe(
      grown('sentinel_ipc_sent_bytes_total', open),
    )
    for (const batches of ['sent_batches_total', 'received_batches_total']) {
      expect(grown(`sentinel_ipc_${batches}`, open)).toBeGreaterThanOrEqual(1)
      expect(grown(`sentinel_ipc_${batches}`, open)).toBeLessThanOrEqual(10)
    }
    expect(grown('sentinel_ipc_accepted_connections_total', open)).toBe(1)

    await sender.close()
    expect((await receiver.next()).done).toBe(true)
    await receiver.close()
    await sleep(NEXT_SCRAPE_MS)
    const closed = await scrape(registry)
    expect(grown('sentinel_ipc_connections', closed)).toBe(0)
    expect(grown('sentinel_ipc_messages_sent_total', closed)).toBe(10)
    expect(grown('sentinel_ipc_messages_received_total', closed)).toBe(10)
    expect(
      Object.entries(closed).some(
        ([name, value]) => name.startsWith('sentinel_ipc_closed_connections_total{') && value > 0,
      ),
    ).toBe(true)
  })

  it('counts invalid lines by reason, and settled messages by outcome', async () => {
    const registry = registered()
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const raw = connect(listener.address)
    raw.write('no json\n')
    const garbage = new Receiver(await listener.accept(), 'garbage')
    await expect(garbage.next()).rejects.toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    raw.destroy()

    const sender = new AcknowledgedSender('test', { directory })
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'receiver', { autoAck: false })
    const sent = [1, 2].map((i) => sender.send(newSOCMessage('soc_event', i)))
    const first = (await receiver.next()).value
    if (first !== undefined) receiver.acknowledge(first)
    ;(await receiver.next()).value?.reject('unwanted')
    await Promise.all(sent)
    const values = await scrape(registry)
    expect(
      Object.keys(values).filter((name) => name.startsWith('sentinel_ipc_invalid_lines_total{')),
    ).not.toEqual([])
    expect(
      values['sentinel_ipc_settled_messages_total{side="sender",outcome="acknowledged"}'],
    ).toBeGreaterThanOrEqual(1)
    expect(
      values['sentinel_ipc_settled_messages_total{side="sender",outcome="rejected"}'],
    ).toBeGreaterThanOrEqual(1)
    expect(
      values['sentinel_ipc_settled_messages_total{side="receiver",outcome="accepted"}'],
    ).toBeGreaterThanOrEqual(1)
    expect(values['sentinel_ipc_deliveries_total']).toBeGreaterThanOrEqual(2)
    expect(values['sentinel_ipc_received_bytes_total']).toBeGreaterThan(100)
    expect(receiver.stats.bytes).toBeGreaterThan(100)
    expect(receiver.stats.batches).toBeGreaterThanOrEqual(1)
    await sender.close()
    await receiver.close()
  })

  it('counts the redials of acknowledged senders, and not their first connections', async () => {
    const registry = registered()
    const before = (await scrape(registry))['sentinel_ipc_redials_total'] ?? NaN
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const sender = new AcknowledgedSender('test', { directory, maxBackoffMs: 10 })
    const redials = async (): Promise<number> =>
      ((await scrape(registry))['sentinel_ipc_redials_total'] ?? NaN) - before
    for (let connections = 1; connections <= 3; ++connections) {
      const sent = sender.send(newSOCMessage('soc_event', connections))
      const connection = await listener.accept()
      const receiver = new AcknowledgingReceiver(connection, 'receiver')
      await receiver.next()
      const asked = receiver.next().catch(() => undefined) // this acknowledges the one before
      expect(await sent).toMatchObject({ status: 'acknowledged' })
      await sleep(60) // scrapes within 50 ms are one
      expect(await redials()).toBe(connections - 1)
      connection.destroy()
      await asked
    }
    await sender.close()
    await sleep(60)
    expect(await redials()).toBe(2) // also after it has gone
  })

  it('has the times of requests as a histogram', async () => {
    const registry = registered()
    const { client, server } = await connectedPair()
    const one = new Endpoint(client, 'one')
    const other = new Endpoint(server, 'other')
    other.respond('ask', () => 1)
    for (let i = 0; i < 5; ++i) await one.request('ask')
    const values = await scrape(registry)
    expect(values['sentinel_ipc_request_duration_seconds_count']).toBe(5)
    expect(values['sentinel_ipc_request_duration_seconds_bucket{le="+Inf"}']).toBe(5)
    expect(values['sentinel_ipc_request_duration_seconds_bucket{le="5"}']).toBe(5)
    expect(values['sentinel_ipc_request_duration_seconds_sum']).toBeGreaterThan(0)
    expect(values['sentinel_ipc_requests_handled_total']).toBeGreaterThanOrEqual(5)
    await one.close()
    await other.close()
  })

  it('forgets its metrics when it is told to, and refuses what is no registry', () => {
    const registry = new Registry()
    const remove = registerPrometheus(registry, { prefix: 'mine_' })
    expect(registry.getSingleMetric('mine_connections')).toBeDefined()
    remove()
    expect(registry.getMetricsAsArray()).toEqual([])
    expect(() => registerPrometheus({} as never)).toThrow(TypeError)
  })
})

describe('OpenTelemetry', () => {
  type Callback = (result: { observe(value: number, attributes?: object): void }) => void

  it('observes every metric by its conventions', async () => {
    const callbacks = new Map<string, Callback>()
    const units = new Map<string, string>()
    const make = (name: string, { unit }: { unit: string }) => {
      units.set(name, unit)
      return {
        addCallback: (callback: Callback) => {
          callbacks.set(name, callback)
        },
        removeCallback: () => {
          callbacks.delete(name)
        },
      }
    }
    const recorded: number[] = []
    const remove = registerOpenTelemetry({
      createObservableCounter: make,
      createObservableGauge: make,
      createHistogram: (name, { unit, advice }) => {
        units.set(name, unit)
        expect(advice.explicitBucketBoundaries).toEqual(
          [...advice.explicitBucketBoundaries].sort((a, b) => a - b),
        )
        return { record: (seconds) => void recorded.push(seconds) }
      },
    })
    expect([...callbacks.keys()]).toEqual(
      Object.keys(METRICS).map((name) => `sentinel_ipc.${openTelemetryName(name as keyof typeof METRICS)}`),
    )
    expect(units.get('sentinel_ipc.received.bytes')).toBe('By')
    const { client, server } = await connectedPair()
    const observed: number[] = []
    callbacks.get('sentinel_ipc.connections')?.({ observe: (value) => observed.push(value) })
    expect(observed[0]).toBeGreaterThanOrEqual(2)
    const asking = new Endpoint(client, 'asking')
    const replying = new Endpoint(server, 'replying')
    replying.respond('ask', () => 1)
    await asking.request('ask')
    await sleep(0)
    expect(units.get('sentinel_ipc.request.duration')).toBe('s')
    expect(recorded).toHaveLength(1)
    expect(recorded[0]).toBeGreaterThan(0)
    expect(recorded[0]).toBeLessThan(5)
    remove()
    expect(callbacks.size).toBe(0)
    await asking.request('ask')
    await sleep(0)
    expect(recorded).toHaveLength(1)
    client.destroy()
    server.destroy()
  })
})

describe('OpenTelemetry itself', () => {
  it('takes all of it', () => {
    // Without an SDK its meter does nothing; the compiler checks that it has the shape that is asked for.
    const remove = registerOpenTelemetry(metrics.getMeter('test'))
    remove()
  })
})

describe('a logger', () => {
  it('gets what happens, and may throw', async () => {
    const lines: [string, string, object][] = []
    const stop = logEvents({
      info: (fields, text) => {
        lines.push(['info', text, fields])
        throw new Error('the log is full')
      },
      warn: (fields, text) => lines.push(['warn', text, fields]),
    })
    onTestFinished(stop)
    const errors: unknown[] = []
    const onWarning = (warning: Error): void => void errors.push(warning)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const client = await dial('test', { directory })
    const server = await listener.accept()
    client.destroy()
    await server.whenClosed()
    const texts = (): string[] => lines.map(([level, text]) => `${level} ${text}`)
    await until(() => texts().includes('info sentinel-ipc: a connection has ended'))
    expect(texts()).toContain('info sentinel-ipc: a client was let in')
    // Connections of other tests may end meanwhile.
    expect(lines.map(([, , fields]) => fields)).toContainEqual(
      expect.objectContaining({ event: 'accept', address: listener.address }),
    )
  })

  it('is refused without its methods', () => {
    expect(() => logEvents({} as never)).toThrow('info and warn')
  })
})
