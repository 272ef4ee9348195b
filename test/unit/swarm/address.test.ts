// A node whose socket is removed or replaced while it listens.

import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../../support/directory.js'
import { fact, listening, node } from '../../support/facts.js'
import { socketIn, windows } from '../../support/platform.js'
import { until } from '../../support/wait.js'

describe.skipIf(windows)('a node whose socket', () => {
  it('is where it was says so', async () => {
    const a = node(temporaryDirectory(), 'a')
    expect(await a.transport.checkAddress()).toBe('not-listening')
    await listening(a)
    expect(await a.transport.checkAddress()).toBe('held')
    expect(a.alerts.emitted).toBe(0)
  })

  it('was removed alerts once, and goes on with what it has', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a', { addressCheckMs: 20 })
    const b = node(directory, 'b')
    await listening(a)
    rmSync(socketIn(directory, 'swarm'))
    await until(() => a.alerts.emitted === 1)
    expect(await a.transport.checkAddress()).toBe('lost')
    expect(a.alerts.recent()).toMatchObject([{ type: 'address-lost', severity: 'error' }])
    expect(a.alerts.recent()[0]?.message).toContain('removed')
    expect(await b.transport.dial()).toBe(false)
    expect(a.transport.isListening).toBe(true)
  })

  it.each(['removed', 'replaced'])('was %s claims it again where it is asked to', async (what) => {
    const directory = temporaryDirectory()
    const path = socketIn(directory, 'swarm')
    const a = node(directory, 'a', { addressCheckMs: 20, reclaimAddress: true })
    const b = node(directory, 'b')
    await a.store.add(fact('x'))
    const stop = await listening(a)
    for (let round = 1; round <= 2; ++round) {
      if (what === 'removed') {
        rmSync(path)
      } else {
        // A socket that nothing listens at, as a dead listener leaves it.
        const elsewhere = temporaryDirectory()
        const end = await listening(node(elsewhere, 'other'))
        renameSync(socketIn(elsewhere, 'swarm'), path)
        await end()
      }
      await until(() => a.alerts.recent().filter(({ type }) => type === 'address-reclaimed').length === round)
      expect(await b.transport.dial()).toBe(true)
    }
    expect(await b.store.get('x')).toBeDefined()
    await stop()
    expect(a.transport.isListening).toBe(false)
    await listening(b)
    expect(b.transport.isListening).toBe(true)
  })

  it('cannot be claimed again says so, and ends listening', async () => {
    const directory = temporaryDirectory()
    const path = socketIn(directory, 'swarm')
    const a = node(directory, 'a', { reclaimAddress: true, addressCheckMs: Infinity })
    const listen = a.transport.listen()
    await until(() => a.transport.isListening)
    rmSync(path)
    writeFileSync(path, 'not a socket')
    expect(await a.transport.checkAddress()).toBe('lost')
    expect(a.transport.isListening).toBe(false)
    await listen
    expect(a.alerts.recent().map(({ type }) => type)).toEqual(['address-lost', 'address-lost'])
    expect(a.alerts.recent(1)[0]?.message).toContain('could not be claimed again')
  })
})
