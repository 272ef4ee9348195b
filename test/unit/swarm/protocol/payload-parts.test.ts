// A payload in parts holds what JSON.parse reads in it, however it is written, and no part takes long to parse.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  eachPart,
  PART_UNITS,
  partsOf,
  shortPayloadOf,
} from '../../../../lib/swarm/protocol/payload-parts.js'
import { fact } from '../../../support/facts.js'
import { rejectionOf } from '../../../support/wait.js'

const atOnce = (): undefined => undefined

async function entriesOf(text: string, name: 'facts' | 'incidents' = 'facts'): Promise<unknown[]> {
  const entries: unknown[] = []
  await eachPart(await partsOf(text, atOnce), name, atOnce, (part) => void entries.push(...part))
  return entries
}

const WRITERS: readonly [string, (value: unknown) => string][] = [
  ['as this package writes it', (value) => JSON.stringify(value)],
  ['with white space', (value) => JSON.stringify(value, undefined, 2)],
]

describe.each(WRITERS)('a payload %s', (_how, write) => {
  it('loses nothing in its parts', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('}],"', '"},{"id":"', '"facts":[{"id":"', '\\', '\\"', '}]', 'x'.repeat(9_000)),
    )
    const entry = fc.record({ id: text, content: text, list: fc.array(fc.integer(), { maxLength: 5 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          from_peer_id: text.filter(({ length }) => length < 1000),
          facts: fc.array(entry, { maxLength: 8 }),
          incidents: fc.array(entry, { maxLength: 10 }),
          has_more: fc.boolean(),
        }),
        fc.integer({ min: 1, max: 20 }),
        async (payload, copies) => {
          const facts = Array.from({ length: copies }, () => payload.facts).flat()
          const whole = { ...payload, facts }
          const json = write(whole)
          expect(await entriesOf(json)).toEqual(JSON.parse(JSON.stringify(facts)))
          expect(await entriesOf(json, 'incidents')).toEqual(payload.incidents)
          const { rest } = await partsOf(json, atOnce)
          expect(rest).toMatchObject({ from_peer_id: payload.from_peer_id, has_more: payload.has_more })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('has parts that are quick to parse', async () => {
    const facts = Array.from({ length: 900 }, (_, i) => fact(`f${i}`, { content: 'x'.repeat(100) }))
    const { lists } = await partsOf(write({ facts, has_more: true }), atOnce)
    const parts = lists.get('facts') ?? []
    expect(parts.length).toBeGreaterThan(4)
    for (const part of parts) expect(part.length).toBeLessThan(2 * PART_UNITS)
  })
})

describe('a payload is refused', () => {
  const junk = (i: number): string => `"k${i.toString(36).padStart(6, '0')}":0`
  const many = Array.from({ length: 40_000 }, (_, i) => junk(i)).join()
  it.each([
    ['that is long outside of its lists', `{"facts":[],"junk":{${many}}}`, 'bad-page'],
    ['with a fact of many values', `{"facts":[{"id":"a",${many}}]}`, 'bad-page'],
    ['with an incident of many values', `{"facts":[],"incidents":[{${many}}]}`, 'bad-page'],
    ['with too many facts', `{"facts":[${'0,'.repeat(10_000)}0]}`, 'too-many-facts'],
    ['with facts within facts', `{"facts":[{"id":"${'x'.repeat(20_000)}","a":[{},{"id":""}]}]}`, 'bad-page'],
    [
      'with its facts twice',
      `{"facts":[${'{},'.repeat(6000)}{}],"facts":[${'{},'.repeat(6000)}{}]}`,
      'bad-page',
    ],
    ['with facts that are no list, and long', `{"facts":{"a":[${'0,'.repeat(10_000)}0]}}`, 'bad-page'],
  ])('%s', async (_what, text, reason) => {
    expect(() => void JSON.parse(text)).not.toThrow()
    expect(await rejectionOf(entriesOf(text))).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason })
  })

  it('that must be short and is not', async () => {
    const error = await rejectionOf(shortPayloadOf(`"${'x'.repeat(PART_UNITS)}"`, 'handshake', atOnce))
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason: 'bad-message' })
  })
})
