// Endpoint: requests that time out, are withdrawn, or meet a bound or the end of the connection.

import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'

import type { IpcError } from '../../../lib/base/errors.js'
import { endpoints } from '../../support/endpoints.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('A request that is under way', () => {
  it('times out, each request at its own time, and tells the handler', async () => {
    const { asker, replier } = await endpoints({ timeoutMs: 60 })
    const reasons: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => undefined)
    })
    const order: number[] = []
    await Promise.all(
      [600, undefined, 250, 20, 400].map(async (timeoutMs) => {
        const error = await rejectionOf(
          asker.request('never', 1, timeoutMs === undefined ? {} : { timeoutMs }),
        )
        expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
        order.push(timeoutMs ?? 60)
      }),
    )
    expect(order).toEqual([20, 60, 250, 400, 600])
    await until(() => reasons.length === 5)
    expect(reasons[0]).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
  })

  it('does not take a stall of this process for a silence of the peer', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('quick', () => 1)
    const reply = asker.request('quick', 1, { timeoutMs: 50 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const busy = asker.request('quick', 1, { timeoutMs: 50 })
    const end = performance.now() + 150
    while (performance.now() < end);
    expect((await reply).payload).toBe(1)
    expect((await busy).payload).toBe(1)
  })

  it('is withdrawn by a signal, with one listener for all requests of a signal', async () => {
    const { asker, replier } = await endpoints()
    const fired: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => fired.push(1))
      return new Promise(() => undefined)
    })
    replier.respond('quick', () => 1)
    const controller = new AbortController()
    const { signal } = controller
    await asker.request('quick', 1, { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const requests = Array.from({ length: 20 }, () => rejectionOf(asker.request('never', 1, { signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await until(() => replier.stats.handling === 20)
    controller.abort('enough')
    for (const error of await Promise.all(requests)) {
      expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED', cause: 'enough' })
    }
    await until(() => fired.length === 20)
    expect(await rejectionOf(asker.request('never', 1, { signal }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
  })

  it('does not reply to a request that was withdrawn', async () => {
    const { asker, replier } = await endpoints()
    let finish!: (value: unknown) => void
    replier.respond('slow', () => new Promise((resolve) => (finish = resolve)))
    replier.respond('quick', () => 1)
    await rejectionOf(asker.request('slow', 1, { timeoutMs: 20 }))
    await asker.request('quick')
    expect(replier.stats.handling).toBe(1) // it takes memory until it returns
    finish('late')
    await asker.request('quick')
    expect(replier.stats.handling).toBe(0)
    expect(asker.stats.unknownReplies).toBe(0)
  })

  it('rejects all requests at once when the peer ends', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('never', () => new Promise(() => undefined))
    const requests = Array.from({ length: 1000 }, () => rejectionOf(asker.request('never')))
    await until(() => replier.stats.handling === 1000)
    replier.connection.destroy()
    for (const error of await Promise.all(requests)) expect(error).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
    expect(await rejectionOf(asker.request('never'))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect((await asker.messages.next()).done).toBe(true)
  })

  it('is refused when the bound is reached, here and at the peer', async () => {
    const { asker, replier } = await endpoints({ maxPendingBytes: 1_000_000 }, { maxPendingBytes: 300_000 })
    replier.respond('never', () => new Promise(() => undefined))
    const errors: IpcError[] = []
    for (let i = 0; i < 3000; ++i) {
      asker.request('never', 'x'.repeat(300)).catch((error: unknown) => errors.push(error as IpcError))
    }
    await until(() => replier.stats.handled + errors.length === 3000)
    const here = errors.filter(({ code }) => code === 'ERR_IPC_BUFFER_FULL')
    const there = errors.filter(({ remote }) => remote?.code === 'ERR_IPC_BUFFER_FULL')
    expect(here.length).toBeGreaterThan(1000)
    expect(here[0]?.message).toMatch(/raise maxPendingBytes \(1000000\)/)
    expect(there.length).toBeGreaterThan(500)
    expect(replier.stats.handled).toBeGreaterThan(100)
    expect(asker.stats.pendingBytes).toBeLessThanOrEqual(1_000_000)
    expect(replier.stats.handlingBytes).toBeLessThanOrEqual(300_000)
    expect(replier.stats.refused).toBe(there.length)
  })

  it('is one of 10,000 with payloads of 300 bytes within the default bound, at both ends', async () => {
    const { asker, replier } = await endpoints({ timeoutMs: 60_000 })
    let handling = 0
    let finish!: () => void
    const finished = new Promise<void>((resolve) => (finish = resolve))
    replier.respond('wait', async () => {
      if (++handling === 10_000) finish()
      await finished
    })
    const requests = Array.from({ length: 10_000 }, () => asker.request('wait', 'x'.repeat(300)))
    await Promise.all(requests)
    expect(handling).toBe(10_000)
  })
})
