// SwarmTransport as a dialer: exchanges and their limits.

import { describe, expect, it, onTestFinished } from 'vitest'

import { MemoryFactStore } from '../../../lib/swarm/facts/memory-fact-store.js'
import { PageReader } from '../../../lib/swarm/exchange/page-reader.js'
import { Trust } from '../../../lib/swarm/peers/peer-record.js'
import { temporaryDirectory } from '../../support/directory.js'
import { strangers } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'
import { fact, facts, idsOf, incident, listening, node } from '../../support/facts.js'

describe('dial', () => {
  it('returns false if no node listens', async () => {
    const alone = node(temporaryDirectory(), 'alone')
    expect(await alone.transport.dial()).toBe(false)
    expect(alone.alerts.emitted).toBe(0)
  })

  it('exchanges facts of levels 0 and 1 and incidents both ways', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.addBatch([
      fact('a0'),
      fact('a1', { level: 1, domain: 'd', module: 'm' }),
      fact('a2', { level: 2 }),
    ])
    await b.store.addBatch([fact('b0'), fact('b3', { level: 3 }), fact('gene', { isGene: true })])
    await a.incidents.addBatch([incident('i1')])
    await b.incidents.addBatch([incident('i2', { title: 'ü\u2028"\\' })])
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    await until(() => a.reports.length === 1)
    expect(await idsOf(a.store)).toEqual(['a0', 'a1', 'a2', 'b0', 'gene'])
    expect(await idsOf(b.store)).toEqual(['a0', 'a1', 'b0', 'b3', 'gene'])
    expect(await b.store.get('a1')).toEqual(
      fact('a1', { level: 1, domain: 'd', module: 'm', source: 'swarm:test' }),
    )
    expect(await a.store.get('gene')).toEqual(fact('gene', { isGene: true, source: 'swarm:test' }))
    expect(await a.incidents.get('i2')).toEqual(incident('i2', { title: 'ü\u2028"\\' }))
    expect(await b.incidents.get('i1')).toEqual(incident('i1'))
    expect(b.reports).toEqual([
      expect.objectContaining({
        role: 'dialer',
        outcome: 'synced',
        protocol: 'pages',
        received: 2,
        sent: 2,
        node: 'a',
      }),
    ])
    expect(a.reports[0]).toMatchObject({ role: 'listener', outcome: 'synced', received: 2, sent: 2 })
    expect(a.registry.trustedPeers()).toMatchObject([{ id: b.registry.selfId, node: 'b', factsReceived: 2 }])
    expect(b.registry.trustedPeers()).toMatchObject([{ id: a.registry.selfId, syncs: 1 }])
    expect(a.alerts.recent()).toMatchObject([{ type: 'genes-imported', counts: { genes: 1 } }])
  })

  it('sends no fact twice, and none back that it was given', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.addBatch(facts(3000, 'a'))
    await b.store.addBatch(facts(2000, 'b'))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    expect(await b.transport.dial()).toBe(true)
    await a.store.add(fact('new'))
    expect(await b.transport.dial()).toBe(true)
    expect(b.reports.map(({ received, known, sent }) => [received, known, sent])).toEqual([
      [3000, 0, 2000],
      [0, 0, 0],
      [1, 0, 0],
    ])
    expect(await idsOf(a.store)).toEqual(await idsOf(b.store))
  })

  it('fits texts that take six bytes a unit, and the largest facts there can be', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.addBatch(facts(300, 'x', { content: '\u0001'.repeat(5000) }))
    await a.store.addBatch(facts(3, 'y', { content: '\u0001'.repeat(1 << 17) }))
    await a.store.addBatch(facts(3, 'z', { content: '語'.repeat(1 << 17) }))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    expect(await b.store.get('y2')).toMatchObject({ content: '\u0001'.repeat(1 << 17) })
    expect(await idsOf(a.store)).toEqual(await idsOf(b.store))
  })

  it('continues after a break', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const stop = new AbortController()
    const breaking = new MemoryFactStore()
    const addBatch = breaking.addBatch.bind(breaking)
    let pages = 0
    breaking.addBatch = (page) => {
      if (++pages === 4) stop.abort()
      return addBatch(page)
    }
    const b = node(directory, 'b', { store: breaking })
    await a.store.addBatch(facts(20_000))
    await listening(a)
    expect(await rejectionOf(b.transport.dial({ signal: stop.signal }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
    const first = await b.store.count()
    expect(first).toBeGreaterThan(1000)
    expect(first).toBeLessThan(20_000)
    expect(await b.transport.dial()).toBe(true)
    expect(b.reports[1]).toMatchObject({ received: 20_000 - first, known: 0 })
    expect(await b.store.count()).toBe(20_000)
  })

  it('stores pages together that arrived while the store was busy, and of these the ones before a faulty page', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const slow = new MemoryFactStore()
    const planted = fact('f3', { content: 'something else', level: 2 })
    await slow.add(planted)
    const addBatch = slow.addBatch.bind(slow)
    const { prototype } = PageReader
    const onPage = Reflect.get(prototype, 'onPage')
    let pages = 0
    prototype.onPage = function (this: PageReader, ...values) {
      ++pages
      return Reflect.apply(onPage, this, values)
    }
    onTestFinished(() => {
      prototype.onPage = onPage
    })
    const batches: number[] = []
    slow.addBatch = async (batch) => {
      batches.push(batch.length)
      if (batches.length === 1) await until(() => pages === 6)
      return addBatch(batch)
    }
    const b = node(directory, 'b', { store: slow })
    // Each fact has a page of its own, and all pages fit the room for waiting ones.
    await a.store.addBatch(facts(5, 'f', { content: 'x'.repeat(100_000) }))
    // With the empty page that b sends to a, as level 2 is not exchanged, there are six.
    await listening(a)
    expect(await rejectionOf(b.transport.dial())).toMatchObject({ reason: 'fact-conflict' })
    expect(batches).toEqual([1, 4, 1, 1, 1])
    expect(await idsOf(slow)).toEqual(['f0', 'f1', 'f2', 'f3'])
    expect(await slow.get('f3')).toEqual(planted)
    await slow.delete('f3')
    expect(await b.transport.dial()).toBe(true)
    expect(b.reports[1]).toMatchObject({ received: 2, known: 0 })
  })

  it('starts from the beginning if either store is another one', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.addBatch(facts(100))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    const emptied = node(directory, 'b', { registry: b.registry })
    expect(await emptied.transport.dial()).toBe(true)
    expect(await emptied.store.count()).toBe(100)
    expect(emptied.reports).toMatchObject([{ received: 100 }])
  })

  it('keeps both versions of an updated fact, without a conflict', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.add(fact('x'))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    await a.store.update(fact('x', { content: 'updated' }))
    await a.store.add(fact('y'))
    expect(await b.transport.dial()).toBe(true)
    expect(await b.store.get('x')).toMatchObject({ content: 'content of x' })
    expect(await b.store.get('y')).toBeDefined()
    const c = node(directory, 'c')
    expect(await c.transport.dial()).toBe(true)
    expect(await c.store.get('x')).toMatchObject({ content: 'updated' })
    expect(a.alerts.emitted + b.alerts.emitted + c.alerts.emitted).toBe(0)
  })

  it('returns false and alerts on both sides if the genomes differ', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a', { genes: [{ id: 'g', content: '1' }] })
    const b = node(directory, 'b', { genes: [{ id: 'g', content: '2' }] })
    await a.store.add(fact('a'))
    await listening(a)
    expect(await b.transport.dial()).toBe(false)
    await until(() => a.alerts.emitted === 1)
    for (const { alerts, registry } of [a, b]) {
      expect(alerts.recent()).toMatchObject([
        { type: 'genome-mismatch', severity: 'warning', peer: { pid: process.pid } },
      ])
      expect(registry.peerCount).toBe(0)
    }
    expect(await b.store.count()).toBe(0)
  })

  it('exchanges nothing with a peer that was rejected', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    b.registry.reject(a.registry.selfId)
    expect(await b.transport.dial()).toBe(false)
    expect(b.alerts.recent(1)).toMatchObject([{ type: 'peer-rejected' }])
  })

  it('leaves a peer rejected that was rejected in the middle of an exchange', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const store = new MemoryFactStore()
    const b = node(directory, 'b', { store })
    await a.store.addBatch(facts(10))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    await a.store.add(fact('new'))
    const addBatch = store.addBatch.bind(store)
    store.addBatch = (page) => {
      b.registry.reject(a.registry.selfId)
      return addBatch(page)
    }
    expect(await b.transport.dial()).toBe(true)
    expect(b.registry.get(a.registry.selfId)).toMatchObject({ trust: Trust.Rejected, factsReceived: 11 })
    expect(await b.transport.dial()).toBe(false)
  })

  it('takes facts whose source has grown to its bound within a surrogate pair', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b')
    await a.store.add(fact('x', { source: `${'s'.repeat(1017)}😀😀😀` }))
    await listening(a)
    expect(await b.transport.dial()).toBe(true)
    expect((await b.store.get('x'))?.source).toBe(`swarm:${'s'.repeat(1017)}`)
  })

  it('refuses a listener that the policy does not name', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    const b = node(directory, 'b', { policy: strangers })
    await listening(a)
    expect(await rejectionOf(b.transport.dial())).toMatchObject({ code: 'ERR_IPC_PEER_REJECTED' })
  })

  it('serves several peers at once', async () => {
    const directory = temporaryDirectory()
    const a = node(directory, 'a')
    await a.store.addBatch(facts(2000, 'a'))
    await listening(a)
    const others = ['b', 'c', 'd', 'e'].map((name) => node(directory, name))
    await Promise.all(others.map((other, i) => other.store.addBatch(facts(1000, `${i}-`))))
    expect(await Promise.all(others.map(({ transport }) => transport.dial()))).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(await Promise.all(others.map(({ transport }) => transport.dial()))).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(await a.store.count()).toBe(6000)
    for (const other of others) expect(await idsOf(other.store)).toEqual(await idsOf(a.store))
  })
})
