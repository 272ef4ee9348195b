// SwarmTransport as a listener: its address, its limits, its end; and the options it refuses.

import { statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { MemoryFactStore } from '../../../lib/swarm/facts/memory-fact-store.js'
import { PeerRegistry } from '../../../lib/swarm/peers/peer-registry.js'
import { SwarmTransport } from '../../../lib/swarm/transport.js'
import { temporaryDirectory } from '../../support/directory.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'
import { fact, GENOME, listening, node } from '../../support/facts.js'

describe('listen', () => {
  it('lets the first node win without an error, and frees the address', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    const stop = await listening(a)
    await b.transport.listen()
    expect([a.transport.isListening, b.transport.isListening]).toEqual([true, false])
    expect(await a.transport.dial()).toBe(false)
    await stop()
    expect(a.transport.isListening).toBe(false)
    await listening(b)
    expect(b.transport.isListening).toBe(true)
  })

  it('gives its socket the configured mode', async () => {
    const directory = temporaryDirectory()
    await listening(node(directory, 'a', { mode: 0o660, policy: { users: [4_000_000] } }))
    expect(statSync(join(directory, 'swarm.sock')).mode & 0o777).toBe(0o660)
  })

  it('does not let one user take up all exchanges', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a', { maxExchanges: 3, maxExchangesPerUser: 1 })
    const b = node(directory, 'b')
    await listening(a)
    const silent = connect(socketIn(directory, 'swarm'))
    onTestFinished(() => void silent.destroy())
    await new Promise((resolve) => silent.once('connect', resolve))
    expect(await rejectionOf(b.transport.dial())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    silent.destroy()
    await until(() => a.reports.length === 1)
    expect(await b.transport.dial()).toBe(true)
  })

  it('hangs up on a user that begins more exchanges a second than it may', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a', { maxNewExchangesPerSecondPerUser: 2 })
    const b = node(directory, 'b')
    await listening(a)
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => b.transport.dial()))
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true)
    expect(a.reports.length).toBeLessThan(8)
  })

  it('resolves a relative directory once', async () => {
    const before = process.cwd()
    onTestFinished(() => {
      process.chdir(before)
    })
    process.chdir(temporaryDirectory())
    const a = node('swarm', 'a')
    const b = node('swarm', 'b')
    process.chdir(before)
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
  })

  it('lets another node take over while its last exchange is still ending', async () => {
    const directory = temporaryDirectory()
    const store = new MemoryFactStore()
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    let storing = false
    const addBatch = store.addBatch.bind(store)
    store.addBatch = async (page) => {
      storing = true
      await held
      return addBatch(page)
    }
    const a = node(directory, 'a', { store })
    const b = node(directory, 'b')
    await b.store.add(fact('x'))
    const stop = await listening(a)
    const broken = rejectionOf(b.transport.dial())
    await until(() => storing)
    const stopped = stop()
    await broken
    await listening(b)
    expect([a.transport.isListening, b.transport.isListening]).toEqual([false, true])
    release()
    await stopped
    expect(b.transport.isListening).toBe(true)
    // What was being stored when it was told to stop is there, and noted as read.
    expect(await a.transport.dial()).toBe(true)
    expect(a.reports.at(-1)).toMatchObject({ received: 0, known: 0 })
    expect(await a.store.count()).toBe(1)
  })

  it('returns at once if it was aborted before', async () => {
    const a = node(temporaryDirectory(), 'a')
    await a.transport.listen({ signal: AbortSignal.abort() })
    expect(a.transport.isListening).toBe(false)
  })

  it('ends exchanges that are under way when it is aborted', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const stop = await listening(a)
    const silent = connect(socketIn(directory, 'swarm'))
    await new Promise((resolve) => silent.once('connect', resolve))
    const begin = performance.now()
    await stop()
    expect(performance.now() - begin).toBeLessThan(1000)
    silent.destroy()
  })
})

describe('options', () => {
  const registry = new PeerRegistry('n')
  const store = new MemoryFactStore()
  it.each([
    [{ directory: '', genomeHash: '' }, TypeError],
    [{ directory: 'd' }, TypeError],
    [{ directory: 'd', genomeHash: '', genes: [] }, TypeError],
    [{ directory: 'd', genomeHash: 'xyz' }, TypeError],
    [{ directory: 'd', genomeHash: GENOME, maxBatch: 0 }, RangeError],
    [{ directory: 'd', genomeHash: GENOME, addressCheckMs: 0 }, RangeError],
    [{ directory: 'd', genomeHash: GENOME, exchangeTimeoutMs: -1 }, RangeError],
  ])('refuses %j', (options, type) => {
    expect(() => new SwarmTransport({ registry, store, ...options })).toThrow(type)
  })
})
