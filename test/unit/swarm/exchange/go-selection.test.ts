// What goes to a Go listener: chosen newest first, resumed, and counted. With a peer written in Go: test/interop.

import { describe, expect, it } from 'vitest'

import { selectFacts } from '../../../../lib/swarm/exchange/go-selection.js'
import { MemoryFactStore } from '../../../../lib/swarm/facts/memory-fact-store.js'
import type { GivenFacts } from '../../../../lib/swarm/peers/peer-record.js'
import { fact, facts } from '../../../support/facts.js'

const LISTENER = { pid: 77, started: '5-boot' }
const BUDGET = 3000

describe('selectFacts', () => {
  it('gives every fact once, whatever comes in between, and counts what is left', async () => {
    const store = new MemoryFactStore()
    await store.addBatch(facts(200))
    let given: GivenFacts | undefined
    const seen: string[] = []
    let total = 200
    for (let i = 0; ; ++i) {
      if (i < 8) {
        // More than a line takes, now and then, so that holes stay behind.
        const size = i % 2 === 0 ? 30 : 3
        await store.addBatch(facts(size, `late${i}-`))
        await store.addBatch(facts(5, `other${i}-`, { level: 1 }))
        total += size
      }
      const selection = await selectFacts(store, given, LISTENER, BUDGET)
      given = selection.given
      seen.push(...selection.facts.map(({ id }) => id))
      expect(selection.unsent).toBe(total - seen.length)
      expect(selection.bytes).toBeLessThanOrEqual(BUDGET)
      if (selection.unsent === 0) break
      expect(selection.facts.length).toBeGreaterThan(5)
    }
    expect(new Set(seen).size).toBe(total)
    expect(seen).toHaveLength(total)
    expect(given.ranges).toHaveLength(1)
    expect((await selectFacts(store, given, LISTENER, BUDGET)).facts).toEqual([])
  })

  it('passes over what never fits, and does not forget it', async () => {
    const store = new MemoryFactStore()
    await store.addBatch([fact('a'), fact('huge', { content: 'ü'.repeat(BUDGET) }), fact('b')])
    const { facts: chosen, given, unsent } = await selectFacts(store, undefined, LISTENER, BUDGET)
    expect(chosen.map(({ id }) => id)).toEqual(['b', 'a'])
    expect([given.tooLarge, unsent]).toEqual([1, 0])
    expect((await selectFacts(store, given, LISTENER, BUDGET)).given.tooLarge).toBe(1)
  })

  it('begins anew for another process and for another store', async () => {
    const store = new MemoryFactStore()
    await store.addBatch(facts(3))
    const { given } = await selectFacts(store, undefined, LISTENER, BUDGET)
    expect((await selectFacts(store, given, LISTENER, BUDGET)).facts).toHaveLength(0)
    expect((await selectFacts(store, given, { ...LISTENER, pid: 78 }, BUDGET)).facts).toHaveLength(3)
    // The same process id after a restart of the machine or its container.
    expect((await selectFacts(store, given, { ...LISTENER, started: '5-other' }, BUDGET)).facts).toHaveLength(
      3,
    )
    expect((await selectFacts(store, { ...given, ownStore: 'x' }, LISTENER, BUDGET)).facts).toHaveLength(3)
  })

  it('has nothing to give of an empty store', async () => {
    expect(await selectFacts(new MemoryFactStore(), undefined, LISTENER, BUDGET)).toMatchObject({
      facts: [],
      unsent: 0,
    })
  })
})
