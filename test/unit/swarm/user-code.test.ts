// The application's own code in the transport: callbacks, stores and buses that throw, re-enter or never return.

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AlertBus, type Alert } from '../../../lib/swarm/alerts/alert-bus.js'
import type { FactStore } from '../../../lib/swarm/facts/fact-store.js'
import { MemoryFactStore } from '../../../lib/swarm/facts/memory-fact-store.js'
import { PeerRegistry } from '../../../lib/swarm/peers/peer-registry.js'
import { temporaryDirectory } from '../../support/directory.js'
import { fact, facts, listening, node } from '../../support/facts.js'
import { page, pagedHello, wire } from '../../support/hostile-lines.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

const types = (bus: AlertBus): string[] => bus.recent().map(({ type }) => type)

describe('onExchange', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('on purpose')
      },
    ],
    ['rejects', () => Promise.reject(new Error('on purpose'))],
    ['throws something strange', () => Promise.reject(Object.create(null) as Error)],
  ])('that %s becomes an alert and breaks no exchange', async (_what, onExchange) => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a', { onExchange })
    const b = node(directory, 'b', { onExchange })
    await a.store.add(fact('x'))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    expect(await b.transport.dial()).toBe(true)
    await until(() => a.alerts.emitted >= 2 && b.alerts.emitted >= 2)
    expect(types(a.alerts)).toEqual(['callback-failed', 'callback-failed'])
    expect(b.alerts.recent(1)).toMatchObject([
      { severity: 'error', message: expect.stringMatching(/^onExchange threw: /) as string },
    ])
  })

  it('may dial again from within', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    let again: Promise<boolean> | undefined
    const b = node(directory, 'b', {
      onExchange: () => {
        again ??= b.transport.dial()
      },
    })
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    await until(() => again !== undefined)
    expect(await again).toBe(true)
  })
})

describe('a store', () => {
  const METHODS = ['addBatch', 'page', 'lastPosition', 'flush'] as const

  function storeWith(method: (typeof METHODS)[number], behaviour: () => never | Promise<never>): FactStore {
    const store = new MemoryFactStore()
    Object.defineProperty(store, method, { value: behaviour })
    return store
  }

  it.each(METHODS)('whose %s throws ends that exchange and no other', async (method) => {
    const directory = temporaryDirectory()
    const store = storeWith(method, () => {
      throw new Error('on\npurpose')
    })
    const a = node(directory, 'a', { store })
    const b = node(directory, 'b')
    await b.store.add(fact('x'))
    await listening(a)
    await rejectionOf(b.transport.dial())
    await until(() => a.reports.length === 1)
    expect(a.reports).toMatchObject([{ outcome: 'failed' }])
    const alert = a.alerts.recent().find(({ type }) => type === 'exchange-failed')
    expect(alert?.message).toMatch(/failed: on\\u000apurpose$/)
    expect(a.transport.isListening).toBe(true)
  })

  it.each(METHODS)('whose %s never returns is given up after twice the time', async (method) => {
    const directory = temporaryDirectory()
    const store = storeWith(method, () => new Promise<never>(() => undefined))
    const a = node(directory, 'a', { store, exchangeTimeoutMs: 150 })
    const b = node(directory, 'b', { exchangeTimeoutMs: 5000 })
    await b.store.add(fact('x'))
    const stop = await listening(a)
    await rejectionOf(b.transport.dial())
    await until(() => a.reports.length === 1)
    expect(a.reports).toMatchObject([{ outcome: 'failed', error: { code: 'ERR_IPC_TIMEOUT' } }])
    // Pages to send are made beside the exchange, which ends without them.
    const type = method === 'page' ? 'exchange-timeout' : 'store-stuck'
    expect(types(a.alerts)).toEqual([type])
    await stop()
  })

  it('whose addBatch never returns is sent no more pages than may wait for it', async () => {
    const directory = temporaryDirectory()
    const store = storeWith('addBatch', () => new Promise<never>(() => undefined))
    const stop = await listening(node(directory, 'a', { store }))
    const socket = connect(socketIn(directory, 'swarm'))
    onTestFinished(() => {
      socket.destroy()
    })
    socket.on('error', () => undefined)
    socket.write(pagedHello())
    await once(socket, 'data')
    const content = 'x'.repeat(100_000)
    for (let i = 100; i < 200; ++i) {
      const next = `2026-01-01T00:00:00.000${i}Z`
      socket.write(page([wire(`x${i}`, { content })], { has_more: true, next }))
    }
    const sent = socket.bytesWritten
    const held = (): number => sent - socket.writableLength
    // Until nothing has been taken for a while.
    for (let taken = -1; taken < held();) {
      taken = held()
      await sleep(300)
    }
    // One page at the store, half a million units behind it, and what the buffers of the kernel hold; of 10 MB.
    expect(held()).toBeLessThan(3 << 20)
    socket.destroy()
    await stop()
  })

  it('that never returns keeps a bounded number of exchanges waiting', async () => {
    const directory = temporaryDirectory()
    const release: (() => void)[] = []
    const store = new MemoryFactStore()
    store.lastPosition = () =>
      new Promise((resolve) =>
        release.push(() => {
          resolve(0)
        }),
      )
    const a = node(directory, 'a', { store, exchangeTimeoutMs: 50 })
    const b = node(directory, 'b')
    await listening(a)
    for (let i = 1; i <= 10; ++i) {
      await rejectionOf(b.transport.dial())
      await until(() => a.reports.length === i)
    }
    expect(release).toHaveLength(8)
    for (const resolve of release) resolve()
    await new Promise(setImmediate)
    // Serves again, now that it has returned.
    const last = rejectionOf(b.transport.dial())
    await until(() => release.length === 9)
    await last
  })
})

describe('a registry storage', () => {
  it.each<[string, () => Promise<never>, string]>([
    [
      'throws',
      () => {
        throw new Error('on purpose')
      },
      'on purpose',
    ],
    ['never returns', () => new Promise(() => undefined), 'did not return within'],
  ])('that %s costs an alert, not the exchange', async (_what, save, why) => {
    const directory = temporaryDirectory()
    const registry = new PeerRegistry('a', { storage: { load: () => Promise.resolve(undefined), save } })
    const a = node(directory, 'a', { registry })
    const b = node(directory, 'b')
    await b.store.addBatch(facts(3))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    await until(() => a.reports.length === 1)
    expect(a.reports).toMatchObject([{ outcome: 'synced', received: 3 }])
    const [alert] = a.alerts.recent().filter(({ type }) => type === 'registry-not-saved')
    expect(alert?.message).toContain(why)
  })
})

describe('an alert bus', () => {
  class Broken extends AlertBus {
    override emit({ type }: Alert): void {
      throw new Error(`no ${type}`)
    }
  }

  it('that throws breaks no exchange, and warns once', async () => {
    const directory = temporaryDirectory()
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => {
      if ('code' in warning && warning.code === 'SENTINEL_IPC_ALERT_BUS') warnings.push(warning)
    }
    process.on('warning', onWarning)
    const a = node(directory, 'a', { alerts: new Broken() })
    const b = node(directory, 'b', { genomeHash: 'cd'.repeat(32) })
    await listening(a)
    for (let i = 0; i < 3; ++i) expect(await b.transport.dial()).toBe(false)
    await until(() => a.reports.length === 3)
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    expect(warnings).toHaveLength(1)
  })
})
