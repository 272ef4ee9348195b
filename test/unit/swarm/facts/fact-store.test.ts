// The contract of every fact store, and what is particular to one of them.

import { chmodSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { open as openDatabase } from 'lmdb'
import { describe, expect, it, onTestFinished } from 'vitest'

import { LmdbFactStore } from '../../../../lib/lmdb/fact-store.js'
import type { Fact } from '../../../../lib/swarm/facts/fact.js'
import type { FactStore } from '../../../../lib/swarm/facts/fact-store.js'
import { MemoryFactStore } from '../../../../lib/swarm/facts/memory-fact-store.js'
import { startChild } from '../../../support/child.js'
import { temporaryDirectory } from '../../../support/directory.js'
import { rejectionOf } from '../../../support/wait.js'
import { fact, facts, idsOf } from '../../../support/facts.js'

async function lmdb(path = join(temporaryDirectory(), 'facts')): Promise<LmdbFactStore> {
  const store = await LmdbFactStore.open(path)
  onTestFinished(() => store.close())
  return store
}

const STORES: readonly [string, () => FactStore | Promise<FactStore>][] = [
  ['MemoryFactStore', () => new MemoryFactStore()],
  ['LmdbFactStore', () => lmdb()],
]

describe.each(STORES)('%s', (_name, open) => {
  it('gives back what it was given, as a copy', async () => {
    const store = await open()
    const given = fact('a', { domain: 'd', module: 'm', isGene: true, level: 3, content: 'ü 語 \u0000' })
    await store.add(given)
    expect(await store.get('a')).toEqual(given)
    given.createdAt.setTime(0)
    ;((await store.get('a')) as { content: string }).content = 'changed'
    expect(await store.get('a')).toEqual(
      fact('a', { domain: 'd', module: 'm', isGene: true, level: 3, content: 'ü 語 \u0000' }),
    )
    expect(await store.get('b')).toBeUndefined()
    expect(await rejectionOf(store.add(fact('a')))).toMatchObject({ code: 'ERR_FACT_EXISTS' })
  })

  it('never changes or deletes a gene', async () => {
    const store = await open()
    await store.addBatch([fact('gene', { isGene: true }), fact('plain')])
    for (const change of [
      store.update(fact('gene', { content: 'x' })),
      store.update(fact('gene', { isGene: true })),
      store.update(fact('plain', { isGene: true })),
      store.delete('gene'),
    ]) {
      expect(await rejectionOf(change)).toMatchObject({ code: 'ERR_FACT_IMMUTABLE' })
    }
    expect(await store.get('gene')).toEqual(fact('gene', { isGene: true }))
    expect((await store.listGenes()).map(({ id }) => id)).toEqual(['gene'])
  })

  it('updates and deletes what is no gene', async () => {
    const store = await open()
    await store.addBatch(facts(3))
    const before = await store.lastPosition()
    await store.update(fact('f0', { content: 'new', level: 1, domain: 'd' }))
    expect(await store.get('f0')).toMatchObject({
      content: 'new',
      level: 1,
      updatedAt: expect.any(Date) as Date,
    })
    expect(await store.lastPosition()).toBeGreaterThan(before)
    expect(await store.delete('f1')).toBe(true)
    expect(await store.delete('f1')).toBe(false)
    expect(await idsOf(store)).toEqual(['f0', 'f2'])
    expect(await store.count()).toBe(2)
    expect(await rejectionOf(store.update(fact('f1')))).toMatchObject({ code: 'ERR_FACT_UNKNOWN' })
  })

  it('adds a batch whole or not at all', async () => {
    const store = await open()
    await store.addBatch([fact('a'), fact('gene', { isGene: true })])
    const before = await store.lastPosition()
    const nothing = { added: 0, known: 0, kept: 0, before, after: before }
    const conflicts: [Fact[], string][] = [
      [[fact('b'), fact('a', { content: 'x' })], 'a'],
      [[fact('b'), fact('b', { content: 'x' })], 'b'],
      [[fact('b'), fact('a', { isGene: true })], 'a'],
      [[fact('b'), fact('gene', { isGene: true, content: 'x', updatedAt: new Date() })], 'gene'],
    ]
    for (const [batch, conflict] of conflicts) {
      expect(await store.addBatch(batch)).toEqual({ ...nothing, conflict })
    }
    expect(await rejectionOf(store.addBatch([fact('b'), fact('')]))).toBeInstanceOf(TypeError)
    expect(await idsOf(store)).toEqual(['a', 'gene'])
    expect(await store.lastPosition()).toBe(before)
    const result = await store.addBatch([fact('b'), fact('a'), fact('b')])
    expect(result).toMatchObject({ added: 1, known: 2, kept: 0, before })
    expect(await store.addBatch([fact('a', { content: 'x', updatedAt: new Date() })])).toMatchObject({
      kept: 1,
    })
    expect(await store.get('a')).toMatchObject({ content: 'content of a' })
  })

  it('sees each batch in the next one, however many are under way', async () => {
    const store = await open()
    const results = await Promise.all(Array.from({ length: 10 }, () => store.addBatch(facts(50))))
    expect(results.map(({ added }) => added)).toEqual([50, ...Array<number>(9).fill(0)])
    expect(await store.count()).toBe(50)
  })

  it('lists by level and domain', async () => {
    const store = await open()
    await store.addBatch([
      fact('a', { level: 1, domain: 'net' }),
      fact('b', { level: 1 }),
      fact('c', { level: 2, domain: 'net' }),
      fact('d', { domain: 'net2' }),
    ])
    const ids = (list: readonly Fact[]): string[] => list.map(({ id }) => id)
    expect(ids(await store.listByLevel(1))).toEqual(['a', 'b'])
    expect(ids(await store.listByDomain('net'))).toEqual(['a', 'c'])
    expect(await store.listByDomain('ne')).toEqual([])
    await store.update(fact('a', { level: 0 }))
    expect(ids(await store.listByDomain('net'))).toEqual(['c'])
  })

  it.each(['oldest', 'newest'] as const)(
    'pages through everything, %s first, across levels and holes',
    async (order) => {
      const store = await open()
      const all = Array.from({ length: 500 }, (_, i) => fact(`f${i}`, { level: (i % 4) as 0 | 1 | 2 | 3 }))
      for (let i = 0; i < 500; i += 50) await store.addBatch(all.slice(i, i + 50))
      for (let i = 0; i < 500; i += 3) await store.delete(`f${i}`)
      const wanted = all.filter((_, i) => i % 3 !== 0 && i % 4 < 2).map(({ id }) => id)
      if (order === 'newest') wanted.reverse()
      const seen: string[] = []
      let after = 0
      let end = Infinity
      for (;;) {
        const page = await store.page({ levels: [0, 1], after, until: end, order, maxFacts: 17 })
        expect(page.facts.length).toBeLessThanOrEqual(17)
        seen.push(...page.facts.map(({ id }) => id))
        const last = page.positions.at(-1)
        if (!page.hasMore || last === undefined) break
        if (order === 'oldest') after = last
        else end = last - 1
      }
      expect(seen).toEqual(wanted)
      expect(await store.count({ levels: [0, 1] })).toBe(wanted.length)
    },
  )

  it('pages by size, but never less than one fact', async () => {
    const store = await open()
    await store.addBatch(facts(10, 'f', { content: 'x'.repeat(1000) }))
    expect((await store.page({ maxFacts: 100, maxUnits: 1 })).facts).toHaveLength(1)
    const { facts: some, positions, hasMore } = await store.page({ maxFacts: 100, maxUnits: 4700 })
    expect([some.length, hasMore]).toEqual([4, true])
    expect(await store.count({ after: positions[0] as number, until: positions[3] as number })).toBe(3)
    expect((await store.page({ maxFacts: 10 })).hasMore).toBe(false)
  })

  it.each<[string, Partial<Record<keyof Fact, unknown>>]>([
    ['an empty id', { id: '' }],
    ['a long id', { id: 'x'.repeat(257) }],
    ['half a surrogate pair', { content: 'a\ud800b' }],
    ['long content', { content: 'x'.repeat((1 << 17) + 1) }],
    ['an unknown level', { level: 4 }],
    ['a string for a flag', { isGene: 'yes' }],
    ['an invalid time', { createdAt: new Date(NaN) }],
    ['a year beyond 9999', { createdAt: new Date(8.64e15) }],
    ['a number for a domain', { domain: 5 }],
  ])('refuses %s', async (_what, wrong) => {
    expect(await rejectionOf((await open()).add({ ...fact('a'), ...wrong } as Fact))).toBeInstanceOf(
      TypeError,
    )
  })

  it('keeps texts of every kind and length apart', async () => {
    const store = await open()
    const texts = ['', 'a', '\u0000', 'ü', '語', '😀', '语'.repeat(85) + '😀']
    const all = texts.flatMap((domain, i) =>
      texts.map((module, k) =>
        fact(`${i}-${k}-${'é'.repeat(i * 30)}`, {
          domain,
          module,
          source: texts[(i + k) % texts.length] as string,
          content: (texts[k] as string).repeat(k === 6 ? 1000 : 3),
          level: ((i + k) % 4) as 0 | 1 | 2 | 3,
          isGene: k === 1,
          createdAt: new Date(Date.UTC(i * 1000, k)),
          ...(k === 2 && { updatedAt: new Date(-i) }),
        }),
      ),
    )
    all.push(fact('large', { content: '語'.repeat(1 << 17), source: '語'.repeat(1024) }))
    await store.addBatch(all)
    for (const one of all) expect(await store.get(one.id)).toEqual(one)
    expect((await store.page({ maxFacts: 1000 })).facts).toEqual(all)
    expect(await store.listGenes()).toHaveLength(texts.length)
  })

  it('takes a whole surrogate pair', async () => {
    const store = await open()
    await store.add(fact('a', { content: '😀' }))
    expect(await store.get('a')).toMatchObject({ content: '😀' })
  })
})

describe('MemoryFactStore', () => {
  it('takes as many facts as its limit and no more', async () => {
    const store = new MemoryFactStore({ maxFacts: 3 })
    await store.addBatch(facts(2))
    expect(await rejectionOf(store.addBatch(facts(2, 'g')))).toMatchObject({ code: 'ERR_FACT_STORE_FULL' })
    expect(await store.count()).toBe(2)
    await store.add(fact('c'))
    expect(await rejectionOf(store.add(fact('d')))).toMatchObject({ code: 'ERR_FACT_STORE_FULL' })
  })
})

describe('LmdbFactStore', () => {
  it('is the same store when it is opened again', async () => {
    const path = join(temporaryDirectory(), 'facts')
    const first = await LmdbFactStore.open(path)
    await first.addBatch(facts(10))
    const { id } = first
    const last = await first.lastPosition()
    await first.close()
    expect(await rejectionOf(first.count())).toMatchObject({ code: 'ERR_FACT_STORE_CLOSED' })
    const second = await lmdb(path)
    expect([second.id, await second.lastPosition(), await second.count()]).toEqual([id, last, 10])
  })

  it('refuses what was written in another format', async () => {
    const path = join(temporaryDirectory(), 'facts')
    const root = openDatabase({ path })
    await root.openDB({ name: 'meta' }).put('id', 'store_0')
    await root.close()
    chmodSync(path, 0o700)
    for (const file of ['data.mdb', 'lock.mdb']) chmodSync(join(path, file), 0o600)
    expect(await rejectionOf(LmdbFactStore.open(path))).toBeInstanceOf(TypeError)
  })

  it.skipIf(process.platform === 'win32')('says that there is no room, and goes on', async () => {
    const path = join(temporaryDirectory(), 'facts')
    const child = fileURLToPath(
      new URL('../../../../out/test/support/children/swarm-full-disk.js', import.meta.url),
    )
    // Files may grow to 4 MiB: what happens then is what a full disk does.
    const shell = spawn('sh', ['-c', 'ulimit -f 8192 && exec "$0" "$@"', process.execPath, child, path], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [said, exit] = await Promise.all([text(shell.stdout), once(shell, 'exit')])
    expect(exit).toEqual([0, null])
    const { error, added, counted, known } = JSON.parse(said) as Record<string, unknown>
    expect(error).toContain('nothing could be written')
    expect(added).toBeGreaterThan(1000)
    expect([counted, known]).toEqual([added, 100])
  })

  it('holds whole batches, and all that were flushed, after its process was killed', async () => {
    for (let run = 0; run < 5; ++run) {
      const path = join(temporaryDirectory(), 'facts')
      const child = startChild('swarm-writer', { path })
      let flushed = 0
      // At another moment of its work each time.
      const end = performance.now() + 60 + run * 35
      while (performance.now() < end) flushed = (await child.report<{ flushed: number }>()).flushed
      await child.kill()
      const store = await lmdb(path)
      const count = await store.count()
      expect(count % 1000).toBe(0)
      expect(count).toBeGreaterThanOrEqual(flushed)
      expect(await idsOf(store)).toHaveLength(count)
      for (const { id } of await store.listByLevel(0)) expect(await store.get(id)).toBeDefined()
      expect((await store.addBatch(facts(100, 'more'))).added).toBe(100)
    }
  })
})
