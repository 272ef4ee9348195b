// The swarm with a peer written in Go, in both roles.

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { fact, facts, GENOME, incident, listening, node } from '../support/facts.js'
import { buildGoPeer, hasGo, startGoPeer, whyNot, type GoPeer } from './go-peer.js'

const GO_ID = 'peer_0123456789abcdef01234567'

interface WireFact {
  readonly id: string
  readonly content: string
  readonly level: number
  readonly is_gene: boolean
  readonly source: string
  readonly created_at: string
}

interface Said {
  readonly match: boolean
  readonly handshake: Record<string, unknown>
  readonly sync: { facts: WireFact[] | null; incidents?: Record<string, unknown>[]; from_peer_id: string }
}

describe.skipIf(!hasGo)(`the swarm and a Go peer${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer()
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  async function goListener(directory: string, exchanges: number, genome = GENOME): Promise<GoPeer> {
    const go = startGoPeer(
      program.path,
      'swarm-listen',
      join(directory, 'swarm.sock'),
      genome,
      String(exchanges),
    )
    expect(await go.next()).toEqual({ listening: true })
    return go
  }

  it('gives a Go listener what it understands', async () => {
    const directory = temporaryDirectory()
    const go = await goListener(directory, 1)
    const ours = node(directory, 'ours')
    await ours.store.addBatch([
      fact('a', { content: 'ü 語 \u2028 <&> "\\ \u0001', domain: 'd', module: 'm', isGene: true }),
      fact('b'),
      fact('other level', { level: 1 }),
    ])
    await ours.incidents.addBatch([incident('i')])
    expect(await ours.transport.dial()).toBe(true)
    const said = (await go.next()) as unknown as Said
    expect(said.handshake).toMatchObject({
      from_peer_id: ours.registry.selfId,
      from_node: 'ours',
      genome_hash: GENOME,
      nonce: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    })
    expect(said.sync.from_peer_id).toBe(ours.registry.selfId)
    expect(said.sync.facts).toEqual([
      {
        id: 'b',
        content: 'content of b',
        level: 0,
        is_gene: false,
        source: 'test',
        created_at: '2026-01-02T03:04:05.678Z',
      },
      {
        id: 'a',
        content: 'ü 語 \u2028 <&> "\\ \u0001',
        level: 0,
        domain: 'd',
        module: 'm',
        is_gene: true,
        source: 'test',
        created_at: '2026-01-02T03:04:05.678Z',
      },
    ])
    expect(said.sync.incidents).toMatchObject([{ id: 'i', event_count: 3, mitre_mapping: ['T1059'] }])
    expect(ours.reports).toMatchObject([
      { protocol: 'go', outcome: 'synced', sent: 2, unsent: 0, incidentsSent: 1 },
    ])
    expect(ours.registry.trustedPeers()).toMatchObject([{ id: 'go:go-listener', factsSent: 2 }])
    expect(ours.alerts.emitted).toBe(0)
  })

  it('gives a big store to a Go listener dial by dial, newest first, and counts what is left', async () => {
    const directory = temporaryDirectory()
    const go = await goListener(directory, 6)
    const ours = node(directory, 'ours')
    const all = facts(700, 'f', { content: 'x'.repeat(200) })
    await ours.store.addBatch(all)
    await ours.store.add(fact('huge', { content: 'x'.repeat(70_000) }))
    const seen: string[] = []
    for (let i = 0; i < 6; ++i) {
      if (i === 1) await ours.store.add(fact('late'))
      expect(await ours.transport.dial()).toBe(true)
      const said = (await go.next()) as unknown as Said
      const ids = (said.sync.facts ?? []).map(({ id }) => id)
      if (i === 0) expect(ids[0]).toBe('f699')
      if (i === 1) expect(ids[0]).toBe('late')
      seen.push(...ids)
      expect(ours.reports[i]).toMatchObject({
        sent: ids.length,
        unsent: 702 - seen.length - (i === 0 ? 1 : 0),
      })
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect([...seen].sort()).toEqual([...all.map(({ id }) => id), 'late'].sort())
    // The one that no line has room for is never forgotten.
    expect(ours.alerts.recent(1)).toMatchObject([
      {
        type: 'facts-unsent',
        severity: 'warning',
        counts: { unsent: 1, tooLarge: 1 },
        peer: { pid: go.pid },
      },
    ])
    expect(ours.alerts.emitted).toBe(6)
  })

  it('begins anew with a Go listener that is another process', async () => {
    const directory = temporaryDirectory()
    const ours = node(directory, 'ours')
    await ours.store.addBatch(facts(5))
    for (let i = 0; i < 2; ++i) {
      const go = await goListener(directory, 1)
      expect(await ours.transport.dial()).toBe(true)
      expect(((await go.next()) as unknown as Said).sync.facts).toHaveLength(5)
      expect(await go.next()).toBeUndefined()
    }
  })

  it('gives nothing to a Go listener of another genome', async () => {
    const directory = temporaryDirectory()
    const go = await goListener(directory, 1, 'cd'.repeat(32))
    const ours = node(directory, 'ours')
    await ours.store.addBatch(facts(5))
    expect(await ours.transport.dial()).toBe(false)
    expect(await go.next()).toMatchObject({ match: false })
    expect(ours.alerts.recent()).toMatchObject([{ type: 'genome-mismatch', severity: 'warning' }])
    expect(ours.registry.peerCount).toBe(0)
  })

  it('takes what a Go dialer gives', async () => {
    const directory = temporaryDirectory()
    const ours = node(directory, 'ours')
    await ours.store.add(fact('go-2', { content: '<from> & Go \u2028 ü 語' }))
    await listening(ours)
    const go = startGoPeer(program.path, 'swarm-dial', join(directory, 'swarm.sock'), GENOME, '200')
    expect(await go.next()).toMatchObject({
      ack: { to_peer_id: ours.registry.selfId, to_node: 'ours', genome_hash: GENOME, match: true, trust: 2 },
      end: 'EOF',
    })
    await until(() => ours.reports.length === 1)
    expect(ours.reports).toMatchObject([
      {
        role: 'listener',
        protocol: 'go',
        outcome: 'synced',
        received: 199,
        known: 1,
        peerId: GO_ID,
        node: 'go-dialer',
      },
    ])
    expect(await ours.store.get('go-0')).toEqual({
      id: 'go-0',
      content: '<from> & Go \u2028 ü 語',
      level: 0,
      domain: 'd',
      isGene: true,
      source: 'swarm:go',
      createdAt: new Date('2026-01-02T02:04:05.678Z'),
    })
    expect(await ours.store.get('go-2')).toMatchObject({ source: 'test' })
    expect(await ours.incidents.get('go-incident')).toMatchObject({ severity: 'high', eventCount: 0 })
    expect(ours.registry.trustedPeers()).toMatchObject([{ id: GO_ID, node: 'go-dialer' }])
  })

  it('tells what to do about a Go dialer with more facts than a line takes', async () => {
    const directory = temporaryDirectory()
    const ours = node(directory, 'ours')
    await listening(ours)
    // About 3 MB.
    const go = startGoPeer(program.path, 'swarm-dial', join(directory, 'swarm.sock'), GENOME, '20000')
    await until(() => ours.reports.length === 1)
    expect(ours.reports).toMatchObject([{ protocol: 'go', outcome: 'failed', received: 0 }])
    const [alert] = ours.alerts.recent()
    expect(alert).toMatchObject({
      type: 'too-large',
      severity: 'error',
      peer: { pid: go.pid },
      peerId: GO_ID,
    })
    expect(alert?.message).toContain('1,048,575 bytes')
    expect(alert?.message).toContain('delete facts or move them to level 1, 2 or 3')
    expect(await ours.store.count()).toBe(0)
  })

  it('takes the null that Go writes for no facts', async () => {
    const directory = temporaryDirectory()
    const ours = node(directory, 'ours')
    await listening(ours)
    const go = startGoPeer(program.path, 'swarm-dial', join(directory, 'swarm.sock'), GENOME, '0')
    expect(await go.next()).toMatchObject({ end: 'EOF' })
    await until(() => ours.reports.length === 1)
    expect(ours.reports).toMatchObject([{ outcome: 'synced', received: 0 }])
  })

  it('refuses a Go dialer of another genome, and says so to it', async () => {
    const directory = temporaryDirectory()
    const ours = node(directory, 'ours')
    await listening(ours)
    const go = startGoPeer(program.path, 'swarm-dial', join(directory, 'swarm.sock'), '', '3')
    expect(await go.next()).toMatchObject({ ack: { match: false, trust: 3 } })
    await until(() => ours.reports.length === 1)
    expect(ours.alerts.recent()).toMatchObject([{ type: 'genome-mismatch', peer: { pid: go.pid } }])
    expect(await ours.store.count()).toBe(0)
  })
})
