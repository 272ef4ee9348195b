// The peer registry: trust, time-outs, backups of genes, and what it stores.

import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { Trust, type RegistrySnapshot } from '../../../../lib/swarm/peers/peer-record.js'
import { PeerRegistry } from '../../../../lib/swarm/peers/peer-registry.js'
import { FileRegistryStorage } from '../../../../lib/swarm/peers/registry-storage.js'
import { temporaryDirectory } from '../../../support/directory.js'
import { windows } from '../../../support/platform.js'
import { rejectionOf, until } from '../../../support/wait.js'
import { GENOME } from '../../../support/facts.js'

const id = (n: number): string => `peer_${String(n).padStart(24, '0')}`
const info = (n: number) => ({ peerId: id(n), node: `node ${n}`, genomeHash: GENOME })

describe('PeerRegistry', () => {
  it('has an id as Go makes them', () => {
    expect(new PeerRegistry('n').selfId).toMatch(/^peer_[0-9a-f]{24}$/)
    expect(new PeerRegistry('n').selfId).not.toBe(new PeerRegistry('n').selfId)
  })

  it('decides on a handshake without remembering it', () => {
    const registry = new PeerRegistry('n')
    expect(registry.processHandshake(info(1), GENOME)).toEqual({ match: true, trust: Trust.Verified })
    expect(registry.processHandshake(info(1), '')).toEqual({ match: false, trust: Trust.Rejected })
    expect(registry.peerCount).toBe(0)
    registry.completeHandshake(info(1))
    expect([registry.peerCount, registry.trustedCount]).toEqual([1, 1])
    registry.reject(id(1))
    expect(registry.processHandshake(info(1), GENOME).match).toBe(false)
    expect(registry.trustedCount).toBe(0)
  })

  it('cannot be its own peer', () => {
    const registry = new PeerRegistry('n')
    expect(() => registry.completeHandshake({ ...info(1), peerId: registry.selfId })).toThrow(TypeError)
  })

  it('counts what was exchanged', () => {
    const registry = new PeerRegistry('n')
    expect(registry.recordSync(id(1), { received: 1, sent: 1 })).toBe(false)
    registry.completeHandshake(info(1))
    registry.recordSync(id(1), { received: 5, sent: 7 })
    registry.recordSync(id(1), { received: 1, sent: 0 })
    expect(registry.get(id(1))).toMatchObject({ syncs: 2, factsReceived: 6, factsSent: 7 })
    expect(registry.stats).toMatchObject({ peers: 1, trusted: 1, syncs: 2, factsReceived: 6, factsSent: 7 })
  })

  it('expires a silent peer, keeps its genes, and takes it back', () => {
    let now = 1_000_000
    const registry = new PeerRegistry('n', { now: () => now, monotonicNow: () => now })
    registry.completeHandshake(info(1))
    registry.completeHandshake(info(2))
    registry.recordSync(id(1), { received: 1, sent: 0, genes: [{ id: 'g', content: 'c' }] })
    now += 30 * 60_000
    expect(registry.checkTimeouts()).toEqual([])
    registry.touch(id(2))
    now += 1
    expect(registry.checkTimeouts()).toMatchObject([{ id: id(1) }])
    expect(registry.checkTimeouts()).toEqual([])
    expect(registry.get(id(1))?.trust).toBe(Trust.Expired)
    expect(registry.geneBackup(id(1))).toEqual({
      peerId: id(1),
      node: 'node 1',
      genomeHash: GENOME,
      genes: [{ id: 'g', content: 'c' }],
      omitted: 0,
      expiredAt: now,
    })
    expect(registry.stats).toMatchObject({ expired: 1, backups: 1, trusted: 1 })
    registry.completeHandshake(info(1))
    expect(registry.trustedCount).toBe(2)
    expect(registry.geneBackup(id(1))).toBeDefined()
  })

  it('stays within its bounds if peers make up ids and genes', () => {
    const registry = new PeerRegistry('n', { maxPeers: 10 })
    registry.completeHandshake(info(0))
    registry.reject(id(0))
    for (let i = 1; i < 100; ++i) {
      registry.completeHandshake(info(i))
      const genes = Array.from({ length: 1100 }, (_, k) => ({ id: `g${k}`, content: 'c' }))
      registry.recordSync(id(i), { received: 0, sent: 0, genes })
    }
    expect(registry.stats).toMatchObject({ peers: 10, forgotten: 90 })
    expect(registry.get(id(0))?.trust).toBe(Trust.Rejected)
    expect(registry.get(id(99))).toBeDefined()
    expect(registry.snapshot().genes.map(({ genes, omitted }) => [genes.length, omitted])).toEqual(
      Array<unknown>(9).fill([1000, 100]),
    )
  })

  it('keeps the genes of a peer that expires again', () => {
    let now = 1000
    const registry = new PeerRegistry('n', { peerTimeoutMs: 100, now: () => now, monotonicNow: () => now })
    for (const genes of [[{ id: 'g', content: 'c' }], [], [{ id: 'h', content: 'd' }]]) {
      registry.completeHandshake(info(1))
      registry.recordSync(id(1), { received: 0, sent: 0, genes })
      now += 101
      expect(registry.checkTimeouts()).toHaveLength(1)
    }
    expect(
      registry
        .geneBackup(id(1))
        ?.genes.map((gene) => gene.id)
        .sort(),
    ).toEqual(['g', 'h'])
    expect(registry.stats).toMatchObject({ backups: 1 })
  })

  it('drops the oldest backups when there are too many, or too large ones', () => {
    let now = 1000
    const registry = new PeerRegistry('n', { peerTimeoutMs: 100, now: () => now, monotonicNow: () => now })
    const expire = (first: number, count: number, content: string): void => {
      for (let i = first; i < first + count; ++i) {
        registry.completeHandshake(info(i))
        registry.recordSync(id(i), { received: 0, sent: 0, genes: [{ id: 'g', content }] })
        now += 101
        expect(registry.checkTimeouts()).toMatchObject([{ id: id(i) }])
      }
    }
    expire(0, 70, 'c')
    expect(registry.stats.backups).toBe(64)
    expect([5, 6, 69].map((i) => registry.geneBackup(id(i)) !== undefined)).toEqual([false, true, true])
    expire(100, 20, 'c'.repeat(900_000))
    expect(registry.stats.backups).toBe(18) // of 16 Mi units together
    expect([101, 102, 119].map((i) => registry.geneBackup(id(i)) !== undefined)).toEqual([false, true, true])
  })

  it('stays small enough for one file if peers make up genes', () => {
    let now = 1000
    const registry = new PeerRegistry('n', { peerTimeoutMs: 100, now: () => now, monotonicNow: () => now })
    const content = 'c'.repeat(1 << 17)
    const units = (): number => {
      const { genes, backups } = registry.snapshot()
      return [...genes, ...backups].flatMap((kept) => kept.genes).reduce((n, g) => n + g.content.length, 0)
    }
    for (let round = 0; round < 3; ++round) {
      for (let i = 0; i < 40; ++i) {
        registry.completeHandshake(info(i))
        const genes = Array.from({ length: 9 }, (_, k) => ({ id: `g${round}-${k}`, content }))
        registry.recordSync(id(i), { received: 0, sent: 0, genes })
      }
      expect(registry.snapshot().genes.some(({ omitted }) => omitted > 1)).toBe(true)
      expect(units()).toBeLessThanOrEqual(1 << 25)
      now += 101
      registry.checkTimeouts()
      expect(units()).toBeLessThanOrEqual(1 << 25)
    }
  })

  it('saves once for many calls, with the changes of all of them', async () => {
    const saved: number[] = []
    let release: () => void = () => undefined
    const storage = {
      load: () => Promise.resolve(undefined),
      save: async ({ peers }: RegistrySnapshot) => {
        saved.push(peers.length)
        await new Promise<void>((resolve) => (release = resolve))
      },
    }
    const registry = new PeerRegistry('n', { storage })
    const first = registry.save()
    await Promise.resolve()
    const others = Array.from({ length: 10 }, (_, i) => {
      registry.completeHandshake(info(i))
      return registry.save()
    })
    release()
    await first
    await until(() => saved.length === 2)
    release()
    await Promise.all(others)
    expect(saved).toEqual([0, 10])
  })

  it('expires no peer because the system time was set', () => {
    let time = 1_000_000_000_000
    let monotonic = 0
    const registry = new PeerRegistry('n', { now: () => time, monotonicNow: () => monotonic })
    registry.completeHandshake(info(1))
    time += 365 * 86_400_000
    expect(registry.checkTimeouts()).toEqual([])
    time -= 2 * 365 * 86_400_000
    monotonic += 30 * 60_000 + 1
    expect(registry.checkTimeouts()).toMatchObject([{ id: id(1) }])
  })

  it('counts the silence before a restart by the time of day, and never as negative', async () => {
    let time = 1_000_000_000_000
    const first = new PeerRegistry('n', { now: () => time })
    first.completeHandshake(info(1))
    time += 60_000
    first.completeHandshake(info(2))
    const snapshot = first.snapshot()
    const storage = { load: () => Promise.resolve(snapshot), save: () => Promise.resolve() }
    let monotonic = 5
    const options = { storage, peerTimeoutMs: 100_000, now: () => time, monotonicNow: () => monotonic }
    const late = await PeerRegistry.open('n', { ...options, now: () => time + 50_000 })
    expect(late.checkTimeouts()).toMatchObject([{ id: id(1) }])
    const setBack = await PeerRegistry.open('n', { ...options, now: () => time - 86_400_000 })
    monotonic += 100_000
    expect(setBack.checkTimeouts()).toEqual([])
    monotonic += 1
    expect(setBack.checkTimeouts()).toHaveLength(2)
  })

  it('saves nothing that has not changed', async () => {
    let saves = 0
    const storage = {
      load: () => Promise.resolve(undefined),
      save: async () => {
        ++saves
        await Promise.resolve()
      },
    }
    const registry = await PeerRegistry.open('n', { storage })
    for (let i = 0; i < 3; ++i) await registry.save()
    expect(saves).toBe(1)
    registry.completeHandshake(info(1))
    for (let i = 0; i < 3; ++i) await registry.save()
    expect(saves).toBe(2)
  })

  it('refuses something else than a snapshot from a storage', async () => {
    const storage = { load: () => Promise.resolve({} as RegistrySnapshot), save: () => Promise.resolve() }
    expect(await rejectionOf(PeerRegistry.open('n', { storage }))).toBeInstanceOf(TypeError)
  })

  it('counts what genes take beside their texts', () => {
    const registry = new PeerRegistry('n')
    for (let i = 0; i < 1000; ++i) {
      registry.completeHandshake(info(i))
      const genes = Array.from({ length: 1000 }, (_, k) => ({ id: `${k}`, content: '' }))
      registry.recordSync(id(i), { received: 0, sent: 0, genes })
    }
    const kept = registry.snapshot().genes.reduce((sum, { genes }) => sum + genes.length, 0)
    expect(kept).toBeLessThan(300_000)
  })

  it('says whether it knew the peer that it rejects', () => {
    const registry = new PeerRegistry('n')
    expect(registry.reject(id(1))).toBe(false)
    registry.completeHandshake(info(1))
    expect(registry.reject(id(1))).toBe(true)
  })

  it('comes back from a file as it was', async () => {
    const path = join(temporaryDirectory(), 'registry.json')
    const storage = new FileRegistryStorage(path)
    const first = await PeerRegistry.open('n', { storage })
    first.completeHandshake(info(1))
    first.recordSync(id(1), {
      received: 1,
      sent: 2,
      genes: [{ id: 'g', content: 'c' }],
      read: { ownStore: 'o', store: 's', position: 5 },
      given: {
        ownStore: 'o',
        pid: 7,
        started: '12-boot',
        ranges: [
          [9, 12],
          [1, 3],
        ],
        tooLarge: 1,
      },
    })
    await Promise.all([first.save(), first.save()])
    const second = await PeerRegistry.open('n', { storage })
    expect(second.snapshot()).toEqual(first.snapshot())
    expect(second.selfId).toBe(first.selfId)
    expect(statSync(path).mode & 0o777).toBe(windows ? 0o666 : 0o600)
    expect(readdirSync(join(path, '..'))).toEqual(['registry.json'])
  })

  it.each([
    '[]',
    '{"version":2}',
    '{"version":1,"selfId":"x"}',
    '{',
    '{"version":1,"selfId":"peer_000000000000000000000000","peers":[{}],"genes":[],"backups":[]}',
  ])('refuses a file that holds %s', async (text) => {
    const path = join(temporaryDirectory(), 'registry.json')
    writeFileSync(path, text, { mode: 0o600 })
    const error = await rejectionOf(PeerRegistry.open('n', { storage: new FileRegistryStorage(path) }))
    expect(error).toBeInstanceOf(text === '{' ? SyntaxError : TypeError)
  })

  it.each([[''], ['x'.repeat(257)]])('refuses the name %j', (name) => {
    expect(() => new PeerRegistry(name)).toThrow(TypeError)
  })
})
