// Whatever a peer writes, the parsers return something sound or throw an IpcError.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { IpcError } from '../../../../lib/base/errors.js'
import { checkFact } from '../../../../lib/swarm/facts/fact.js'
import {
  parseGoPayload,
  parseHandshake,
  parseHandshakeAck,
  parseSyncPage,
  parseSyncRequest,
} from '../../../../lib/swarm/protocol/parse-messages.js'
import { partsOf } from '../../../../lib/swarm/protocol/payload-parts.js'
import { GENOME } from '../../../support/facts.js'

const ID = 'peer_0123456789abcdef01234567'
const PEER = { peerId: ID, node: 'n', genomeHash: GENOME, paged: true }

const GOOD = {
  from_peer_id: ID,
  to_peer_id: ID,
  from_node: 'n',
  to_node: 'n',
  genome_hash: GENOME,
  timestamp: 1,
  match: true,
  trust: 2,
  since: '2026-01-02T03:04:05Z',
  max_batch: 5,
  store: 's',
  next: '2026-01-02T03:04:05Z',
  has_more: false,
  facts: [
    {
      id: 'a',
      content: 'c',
      level: 0,
      is_gene: false,
      source: 's',
      created_at: '2026-01-02T03:04:05.678901234Z',
    },
  ],
}

const atOnce = (): undefined => undefined
const parts = (payload: unknown) => partsOf(JSON.stringify(payload), atOnce)

const PARSERS: readonly [string, (payload: unknown) => unknown][] = [
  ['parseHandshake', parseHandshake],
  ['parseHandshakeAck', parseHandshakeAck],
  ['parseSyncRequest', (payload) => parseSyncRequest(payload, PEER)],
  ['parseSyncPage', async (payload) => parseSyncPage(await parts(payload), PEER, 10, atOnce)],
  ['parseGoPayload', async (payload) => parseGoPayload(await parts(payload), PEER, atOnce)],
]

/** Something good with a part of it replaced, at any depth. */
const damaged = fc
  .tuple(
    fc.constantFrom(...Object.keys(GOOD)),
    fc.option(fc.constantFrom(...Object.keys(GOOD.facts[0] ?? {}))),
    fc.jsonValue(),
  )
  .map(([key, inner, value]) =>
    inner === null ? { ...GOOD, [key]: value } : { ...GOOD, facts: [{ ...GOOD.facts[0], [inner]: value }] },
  )

describe.each(PARSERS)('%s', (_name, parse) => {
  it('reads what is good', async () => {
    expect(await parse(GOOD)).toBeDefined()
  })

  it('returns something sound or throws an IpcError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(damaged, fc.jsonValue()), async (payload) => {
        let answer: unknown
        try {
          answer = await parse(payload)
        } catch (error) {
          expect(error).toBeInstanceOf(IpcError)
          expect(error).toMatchObject({
            code: 'ERR_IPC_INVALID_MESSAGE',
            reason: expect.any(String) as string,
          })
          return
        }
        const { facts = [] } = answer as { facts?: Parameters<typeof checkFact>[0][] }
        for (const fact of facts) {
          checkFact(fact)
          expect(fact.source).toMatch(/^swarm:/)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a source', () => {
  it('is always marked, and never grows beyond its bound', async () => {
    const sources = async (source: string): Promise<string[]> => {
      const payload = await parts({ ...GOOD, facts: [{ ...GOOD.facts[0], source }] })
      const { facts } = await parseGoPayload(payload, PEER, atOnce)
      return facts.map((fact) => fact.source)
    }
    expect(await sources('x')).toEqual(['swarm:x'])
    expect(await sources('swarm:x')).toEqual(['swarm:swarm:x'])
    expect(await sources('y'.repeat(5000))).toEqual([`swarm:${'y'.repeat(1018)}`])
  })
})
