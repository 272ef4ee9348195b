// Missing streams of NATS that several bridges create at the same moment. The server refuses all but one of the requests, as if
// another stream had the subjects.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { temporaryDirectory } from '../support/directory.js'
import { managing, server } from './bridges.js'
import { whyNoServer } from './nats-server.js'

const { signal } = new AbortController()

function sinkTo(servers: string, ackTimeoutMs: number): NatsSink {
  const sink = new NatsSink({ servers, ackTimeoutMs })
  onTestFinished(() => sink.close())
  return sink
}

/** Creates a stream that has the subjects of a bridge's. */
const occupy = (servers: string): Promise<unknown> =>
  managing(servers, ({ streams }) => streams.add({ name: 'OTHER', subjects: ['sentinel.>'] }))

describe.skipIf(whyNoServer !== undefined)(`a missing stream${whyNoServer ?? ''}`, () => {
  it('is waited for when it appears after the refusal', async () => {
    const { url } = await server(temporaryDirectory())
    await occupy(url)
    const ready = sinkTo(url, 20_000).ready(signal)
    await managing(url, async ({ streams }) => {
      await sleep(300)
      await streams.delete('OTHER')
      await streams.add({ name: 'SENTINEL', subjects: ['sentinel.>'], max_msg_size: 5000 })
    })
    await expect(ready).resolves.toBeUndefined()
  })

  it('ends a bridge when another stream keeps its subjects', async () => {
    const { url } = await server(temporaryDirectory())
    await occupy(url)
    await expect(sinkTo(url, 300).ready(signal)).rejects.toMatchObject({
      code: 'ERR_IPC_SYSTEM',
      message: expect.stringContaining('subjects overlap') as string,
    })
  })

  it('is created once by bridges that start together', async () => {
    const { url } = await server(temporaryDirectory())
    const sinks = Array.from({ length: 12 }, () => sinkTo(url, 5000))
    await Promise.all(sinks.map((sink) => sink.ready(signal)))
    expect(await managing(url, ({ streams }) => streams.names().next())).toEqual([
      'SENTINEL',
      'SENTINEL_DEAD',
    ])
  })
})
