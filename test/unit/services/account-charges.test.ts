// What the connection of an Endpoint is charged for, and when that ends.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import type { ListenOptions } from '../../../lib/connection/listen-options.js'
import type { Listener } from '../../../lib/connection/listener.js'
import type { EndpointOptions } from '../../../lib/services/endpoint-options.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { beginLongLines, BOUND, finishInTurns, LINE } from '../../support/account.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening, rawTo } from '../../support/pair.js'
import { until } from '../../support/wait.js'

describe('the connection of an endpoint is charged', () => {
  const REQUEST = LINE.replace('"type":"a"', '"type":"ask","id":"ID"')

  async function endpoint(
    options?: EndpointOptions,
    listenOptions?: ListenOptions,
  ): Promise<{ raw: Socket; server: Connection; listener: Listener; replier: Endpoint }> {
    const listener = await listening(temporaryDirectory(), listenOptions)
    const { raw, server } = await rawTo(listener)
    return { raw, server, listener, replier: new Endpoint(server, 'e', options) }
  }

  it('for requests, until their handlers have finished', async () => {
    const { raw, listener, replier } = await endpoint()
    const finish: (() => void)[] = []
    replier.respond('ask', () => new Promise<void>((resolve) => finish.push(resolve)))
    for (let i = 0; i < 10; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => finish.length === 10)
    await until(() => listener.stats.heldBytes > 10 * LINE.length)
    for (const each of finish) each()
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for messages, until they are read', async () => {
    const { raw, listener, replier } = await endpoint()
    raw.write(LINE.repeat(10))
    await until(() => listener.stats.heldBytes > 10 * LINE.length)
    for (let i = 0; i < 10; ++i) expect((await replier.messages.next()).value?.type).toBe('a')
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for replies that the peer does not read, and no longer once this side has closed it', async () => {
    const { raw, server, listener, replier } = await endpoint()
    raw.pause()
    replier.respond('ask', () => 'x'.repeat(100_000))
    for (let i = 0; i < 20; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => listener.stats.heldBytes > 500_000)
    server.destroy()
    await server.whenClosed()
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for the rest of a read that its queue has no room for', async () => {
    const { raw, listener, replier } = await endpoint({ maxPendingBytes: 1 })
    raw.write(LINE)
    expect((await replier.messages.next()).value?.type).toBe('a')
    raw.write(LINE.repeat(20))
    await until(() => listener.stats.heldBytes > 20 * LINE.length)
    for (let i = 0; i < 20; ++i) expect((await replier.messages.next()).value?.type).toBe('a')
    await until(() => listener.stats.heldBytes === 0)
  })

  it('so that handlers stop their user at the bound', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    const finish: (() => void)[] = []
    replier.respond('ask', () => new Promise<void>((resolve) => finish.push(resolve)))
    for (let i = 0; i < 4000; ++i) raw.write(REQUEST.replace('ID', String(i)))
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(100)
    const before = finish.length
    expect(before).toBeLessThan(2000)
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
    for (const each of finish.splice(0)) each()
    await until(() => finish.length > 0)
  })

  it('so that one request at work of each connection takes at most twice the bound and one line', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: BOUND })
    const atWork: (() => void)[] = []
    await beginLongLines(listener, (server) => {
      new Endpoint(server, 'e').respond('ask', () => new Promise<void>((resolve) => atWork.push(resolve)))
    })
    await finishInTurns(listener, atWork, (finish) => {
      finish()
    })
  })

  it('so that messages left behind by a loop over them keep no request from its handler', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    replier.respond('ask', () => 1)
    raw.resume()
    raw.write(LINE.repeat(3000))
    for await (const message of replier.messages) {
      expect(message.type).toBe('a')
      await until(() => listener.stats.usersOverBudget === 1)
      break
    }
    raw.write(REQUEST.replace('ID', 'last'))
    await until(() => replier.stats.handled === 1)
  })

  it('so that messages that are not read are dropped at the bound, and keep no request from its handler', async () => {
    const { raw, listener, replier } = await endpoint({}, { maxBytesPerUser: 1 << 20 })
    replier.respond('ask', () => 1)
    raw.resume()
    for (let i = 0; i < 3000; ++i) raw.write(LINE)
    raw.write(REQUEST.replace('ID', 'last'))
    await until(() => replier.stats.handled === 1)
    expect(replier.stats.dropped).toBeGreaterThan(1000)
    expect(listener.stats).toMatchObject({ usersOverBudget: 1 })
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
  })
})
