// Errors of the JetStream API, tried with the real server. The bridge reports an error that passes and waits; a final error
// ends it.

import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { hasApiCode } from '../../lib/bridge/jetstream-errors.js'
import { RefusedByStream } from '../../lib/bridge/nats-publishes.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { NatsSource } from '../../lib/bridge/nats-source.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { managing, server } from './bridges.js'
import { NatsProxy } from './nats-proxy.js'
import { NatsServer, whyNoServer } from './nats-server.js'

const { signal } = new AbortController()

function sinkTo(servers: string, replicas: number): NatsSink {
  const sink = new NatsSink({ servers, replicas, ackTimeoutMs: 2000 })
  onTestFinished(() => sink.close())
  return sink
}

async function sourceOf(servers: string): Promise<NatsSource> {
  const source = new NatsSource({ servers, consumer: 'in', ackTimeoutMs: 2000 })
  onTestFinished(() => source.close())
  await source.open(signal)
  return source
}

/** Ports that are free at this moment: the servers of a cluster must know each other's. */
async function freePorts(count: number): Promise<number[]> {
  const holders = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(holders.map((holder) => once(holder, 'listening')))
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port)
  await Promise.all(holders.map((holder) => once(holder.close(), 'close')))
  return ports
}

/** Functions that start the servers of one cluster. */
async function cluster(size: number): Promise<(() => Promise<NatsServer>)[]> {
  const directory = temporaryDirectory()
  const ports = await freePorts(size)
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')
  return ports.map((port, i) => {
    const own = join(directory, String(i))
    mkdirSync(own)
    return async () => {
      const started = await NatsServer.start(
        own,
        `server_name: s${i}\ncluster { name: c, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      )
      onTestFinished(() => started.kill())
      return started
    }
  })
}

describe.skipIf(whyNoServer !== undefined)(`an error of JetStream${whyNoServer ?? ''}`, () => {
  it('passes if the cluster has too few servers for the stream, and is reported', async () => {
    const [first, second, third] = await cluster(3)
    const one = await (first as () => Promise<NatsServer>)()
    await (second as () => Promise<NatsServer>)()
    const errors: Error[] = []
    const ready = sinkTo(one.url, 3).ready(signal, (error) => errors.push(error))
    await until(() => errors.some((error) => hasApiCode(error, 10005)), 40_000)
    await (third as () => Promise<NatsServer>)()
    await expect(ready).resolves.toBeUndefined()
  }, 90_000)

  it('passes if the account has too many streams, and is reported', async () => {
    const { url } = await server(
      temporaryDirectory(),
      'accounts { A { users: [{ user: a, password: a }], jetstream { max_streams: 2, max_store: 2GB, max_mem: 0 } } }\nno_auth_user: a',
    )
    await managing(url, ({ streams }) => streams.add({ name: 'OTHER', subjects: ['other'] }))
    const errors: Error[] = []
    const ready = sinkTo(url, 1).ready(signal, (error) => errors.push(error))
    await until(() => errors.some((error) => hasApiCode(error, 10027)))
    await managing(url, ({ streams }) => streams.delete('OTHER'))
    await expect(ready).resolves.toBeUndefined()
  })

  it('is final if a single server is to keep several copies', async () => {
    const { url } = await server(temporaryDirectory())
    await expect(sinkTo(url, 3).ready(signal)).rejects.toMatchObject({
      code: 'ERR_IPC_SYSTEM',
      message: expect.stringContaining('replicas > 1 not supported') as string,
    })
  })

  // Servers from 2.11 on refuse with another code while a message with the same subject is on its way in.
  it('tells of another bridge with the same consumer under either code of a wrong last sequence', async () => {
    const nats = await server(temporaryDirectory())
    const proxy = await NatsProxy.start(nats.port)
    onTestFinished(() => {
      proxy.close()
    })
    proxy.onDelivery = ({ body }) => {
      const at = body.indexOf('"err_code":10071')
      if (at >= 0) body.write('"err_code":10164', at)
      return true
    }
    const [source, other] = [await sourceOf(proxy.url), await sourceOf(nats.url)]
    await other.saveCheckpoint(Buffer.from('other'))
    await expect(source.saveCheckpoint(Buffer.from('mine'))).rejects.toMatchObject({
      code: 'ERR_IPC_ADDRESS_IN_USE',
    })
  })

  it('does not tell of another bridge while the checkpoint that it found is still the latest', async () => {
    const nats = await server(temporaryDirectory())
    const proxy = await NatsProxy.start(nats.port)
    onTestFinished(() => {
      proxy.close()
    })
    await (await sourceOf(nats.url)).saveCheckpoint(Buffer.from('of an earlier process'))
    const source = await sourceOf(proxy.url)
    // Refused as if the first attempt were still on its way in.
    proxy.onPublish = ({ body }) => {
      const at = body.indexOf('Subject-Sequence: 1')
      if (at >= 0) body.write('Subject-Sequence: 9', at)
      return true
    }
    await expect(source.saveCheckpoint(Buffer.from('mine'))).rejects.toBeInstanceOf(RefusedByStream)
    proxy.onPublish = () => true
    await expect(source.saveCheckpoint(Buffer.from('mine'))).resolves.toBeUndefined()
  })
})
