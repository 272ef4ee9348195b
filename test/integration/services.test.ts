// Servers, endpoints and publishers between real processes: killed, stopped, out of descriptors, closed in mid-flow.

import { describe, expect, it } from 'vitest'

import type { IpcError } from '../../lib/base/errors.js'
import { dial } from '../../lib/connection/dial.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { Publisher } from '../../lib/services/publisher.js'
import { startChild, type Child } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { windows } from '../support/platform.js'
import { rejectionOf, until } from '../support/wait.js'

async function started(order: object): Promise<Child> {
  const child = startChild('service', order)
  expect(await child.report()).toEqual({ ready: true })
  return child
}

describe('An endpoint and a process', () => {
  it('that is killed with requests under way: all reject at once, and the next process is asked', async () => {
    const directory = temporaryDirectory()
    const replier = await started({ role: 'replier', directory })
    const endpoint = new Endpoint(await dial('test', { directory }), 'asker')
    expect((await endpoint.request('echo', 'x')).payload).toBe('x')
    const never = Array.from({ length: 500 }, () =>
      rejectionOf(endpoint.request('never', 1, { timeoutMs: 60_000 })),
    )
    await endpoint.request('echo')
    await replier.kill()
    const errors = (await Promise.all(never)) as IpcError[]
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['ERR_IPC_CLOSED']))
    expect(endpoint.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
    await endpoint.whenClosed()
    await started({ role: 'replier', directory })
    const again = new Endpoint(await dial('test', { directory }), 'asker')
    expect((await again.request('echo', 'y')).payload).toBe('y')
    await again.close()
  })

  it('that closes with requests under way: they are replied to first', async () => {
    const directory = temporaryDirectory()
    const replier = await started({ role: 'replier', directory })
    const endpoints = await Promise.all(
      Array.from({ length: 5 }, async (_, i) => new Endpoint(await dial('test', { directory }), String(i))),
    )
    const replies = endpoints.map((endpoint, i) => endpoint.request('slow', i))
    await Promise.all(endpoints.map((endpoint) => endpoint.request('echo')))
    replier.send('close')
    expect((await Promise.all(replies)).map(({ payload }) => payload)).toEqual([0, 1, 2, 3, 4])
    expect(await replier.report()).toEqual({ served: 5, aborted: 0 })
    await Promise.all(endpoints.map((endpoint) => endpoint.whenClosed()))
  })

  it.skipIf(windows)('that is stopped: requests time out, and late replies are counted', async () => {
    const directory = temporaryDirectory()
    const replier = await started({ role: 'replier', directory })
    const endpoint = new Endpoint(await dial('test', { directory }), 'asker')
    await endpoint.request('echo')
    replier.process.kill('SIGSTOP')
    expect(await rejectionOf(endpoint.request('echo', 1, { timeoutMs: 50 }))).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
    })
    replier.process.kill('SIGCONT')
    expect((await endpoint.request('echo', 'after')).payload).toBe('after')
    expect(endpoint.stats.unknownReplies).toBe(1)
    await endpoint.close()
  })
})

describe.skipIf(windows)('A publisher and a subscriber', () => {
  it('that is stopped costs the others nothing, and learns from its counts what it missed', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const publisher = new Publisher({ maxPendingBytes: 100_000 })
    const children = []
    for (let i = 0; i < 3; ++i) {
      const child = startChild('service', { role: 'subscriber', directory })
      publisher.add(await listener.accept())
      await child.report()
      children.push(child)
    }
    const [stopped] = children
    const [slow, ...quick] = publisher.subscribers
    stopped?.process.kill('SIGSTOP')
    const total = 20_000
    for (let i = 0; i < total; ++i) {
      publisher.publish(newSOCMessage('soc_event', 'x'.repeat(200), { id: String(i) }))
      if (i % 100 === 0) await until(() => quick.every(({ stats }) => stats.pending === 0))
    }
    await until(() => quick.every(({ stats }) => stats.pending === 0))
    expect(slow?.stats.dropped).toBeGreaterThan(total / 2)
    expect(quick.map(({ stats }) => stats.dropped)).toEqual([0, 0])
    stopped?.process.kill('SIGCONT')
    await publisher.close()
    const reports = await Promise.all(children.map((child) => child.report()))
    const received = total - (slow?.stats.dropped ?? 0)
    expect(reports).toEqual([
      { received, last: total - 1, sorted: true },
      { received: total, last: total - 1, sorted: true },
      { received: total, last: total - 1, sorted: true },
    ])
  })
})

describe.skipIf(windows)('A server without descriptors', () => {
  it('serves all clients nevertheless', async () => {
    const directory = temporaryDirectory()
    const server = await started({ role: 'crowded', directory, count: 150 })
    server.send('crowd')
    expect(await server.report()).toEqual({ crowded: true })
    const clients = startChild('service', { role: 'clients', directory, count: 150 })
    expect(await server.report()).toMatchObject({
      messages: 150,
      stats: { accepted: 150, served: 150, failed: 0, aborted: 0, open: 0 },
    })
    expect((await clients.exited)[0]).toBe(0)
  })
})
