// Requests and replies with a peer written in Go, both ways round.

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf } from '../support/wait.js'
import { buildGoPeer, hasGo, startGoPeer, whyNot } from './go-peer.js'

describe.skipIf(!hasGo)(`An endpoint and a Go peer${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer()
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  it('asks Go, which replies with values and errors', async () => {
    const directory = temporaryDirectory()
    const go = startGoPeer(program.path, 'soc-reply', join(directory, 'test.sock'))
    expect(await go.next()).toEqual({ listening: true })
    const endpoint = new Endpoint(await dial('test', { directory }), 'to-go')
    const replies = await Promise.all([1, 2, 3].map((n) => endpoint.request<number>('double', n)))
    expect(replies.map(({ payload }) => payload)).toEqual([2, 4, 6])
    expect(replies[0]?.peer?.pid).toBe(go.pid)
    expect(await rejectionOf(endpoint.request('fail'))).toMatchObject({
      code: 'ERR_IPC_REMOTE',
      remote: { code: 'EGO', message: 'not in Go' },
    })
    // A request that is withdrawn: Go passes over both messages and goes on.
    expect(await rejectionOf(endpoint.request('never', 1, { timeoutMs: 20 }))).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
    })
    expect(await go.next()).toEqual({ passedOver: 'never' })
    expect(await go.next()).toEqual({ passedOver: 'soc_cancel' })
    expect((await endpoint.request('double', 4)).payload).toBe(8)
    await endpoint.close()
    expect(await go.next()).toEqual({ end: true })
  })

  it('replies to Go, which asks', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const go = startGoPeer(program.path, 'soc-ask', join(directory, 'test.sock'))
    const endpoint = new Endpoint(await listener.accept(), 'from-go')
    endpoint.respond<number>('double', ({ payload }) => payload * 2)
    endpoint.respond('fail', () => {
      throw Object.assign(new Error('not in Node'), { code: 'ENODE' })
    })
    expect(await go.next()).toEqual({ type: 'soc_reply', reply: { request: 'go-1', value: 42 } })
    expect(await go.next()).toEqual({
      type: 'soc_reply',
      reply: { request: 'go-2', error: { code: 'ENODE', message: 'not in Node' } },
    })
    expect(await go.next()).toMatchObject({
      reply: { request: 'req-3', error: { code: 'ERR_IPC_UNKNOWN_REQUEST' } },
    })
    await endpoint.whenClosed()
    listener.close()
  })
})
