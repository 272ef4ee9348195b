// A spool against a model, and its ages, bounds and readers.

import fc from 'fast-check'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { HEADER_BYTES } from '../../../lib/spool/record.js'
import { OVERHEAD_BYTES } from '../../../lib/spool/record-index.js'
import { Spool } from '../../../lib/spool/spool.js'
import { messagesOf } from '../../../lib/delivery/protocol/lines.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry, opened, record, TYPES } from '../../support/spool.js'
import { rejectionOf } from '../../support/wait.js'

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      types: fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), from: fc.nat(8), count: fc.nat(6) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('make room' as const),
      through: fc.nat(5),
      below: fc.option(fc.integer({ min: 1, max: 2 })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'pause' as const }) },
)

describe('a spool', () => {
  it('agrees with a model, whatever is done to it and however often it is opened again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const directory = join(temporaryDirectory(), 'spool')
        const options = { directory, maxBytes: 2000, segmentBytes: 4096 }
        let model = new Map<number, string>()
        let spool = await Spool.open(options)
        let session = ''
        for (const each of steps) {
          if (each.kind === 'append') {
            const made = entry(each.types, spool.next)
            if (!spool.fits(made.value.length - HEADER_BYTES + OVERHEAD_BYTES)) continue
            const { first, durable } = spool.append(made)
            await durable
            session = spool.session
            for (const [i, type] of each.types.entries()) model.set(first + i, type)
          } else if (each.kind === 'settle') {
            const first = spool.settledThrough + 1 + each.from
            const through = Math.min(first + each.count, spool.next - 1)
            const gone = [...model.keys()].filter((number) => number >= first && number <= through)
            expect(spool.settle(first, through)).toBe(gone.length)
            for (const number of gone) model.delete(number)
          } else if (each.kind === 'make room') {
            const before = spool.messages
            const through = spool.settledThrough + each.through
            const dropped = spool.makeRoom(1500, through, each.below ?? undefined)
            expect(spool.messages).toBe(before - dropped)
            const left = new Set(contents(spool).map(([number]) => number))
            const lost = [...model].filter(([number]) => !left.has(number))
            expect(lost).toHaveLength(dropped)
            for (const [number, type] of lost) {
              expect(number).toBeGreaterThan(through)
              if (each.below !== null) expect(TYPES.indexOf(type as 'soc_event')).toBeLessThan(each.below)
              model.delete(number)
            }
          } else if (each.kind === 'reopen') {
            const { next, settledThrough } = spool
            await spool.close()
            spool = await Spool.open(options)
            expect(spool.next).toBe(next)
            expect(spool.settledThrough).toBe(settledThrough)
            if (session !== '') expect(spool.session).toBe(session)
          } else {
            await new Promise((resolve) => setTimeout(resolve, 30))
          }
          model = new Map([...model].sort(([one], [other]) => one - other))
          expect(spool.messages).toBe(model.size)
          expect(spool.settledThrough).toBe((model.keys().next().value ?? spool.next) - 1)
          expect(contents(spool)).toEqual([...model.keys()].map((number) => [number, String(number)]))
        }
        await spool.close()
      }),
      { numRuns: 60 },
    )
  })

  it('belongs to one opener at a time', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory)
    expect(await rejectionOf(Spool.open({ directory }))).toMatchObject({
      code: 'ERR_IPC_ADDRESS_IN_USE',
      reason: 'spool-in-use',
    })
    await spool.close()
    await opened(directory)
  })

  it('reports in their order when entries are durable', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'), { durability: 'fsync' })
    const told: number[] = []
    const all: Promise<void>[] = []
    for (let i = 0; i < 200; ++i) {
      const { first, durable } = spool.append(entry(['a', 'b'], spool.next))
      all.push(durable.then(() => void told.push(first)))
      if (i % 3 === 0) await new Promise(setImmediate)
    }
    await Promise.all(all)
    expect(told).toEqual(Array.from({ length: 200 }, (_, i) => 2 * i + 1))
  })

  it('is private', async () => {
    const directory = join(temporaryDirectory(), 'above', 'spool')
    const spool = await opened(directory)
    await spool.append(entry(['a'], 1)).durable
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(readdirSync(directory).sort()).toEqual(['0000000000000001.log', 'lock', 'reserve'])
    for (const file of readdirSync(directory))
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
  })

  it('keeps any message byte for byte', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'))
    const message = fc.tuple(
      fc.oneof(fc.constantFrom(...TYPES), fc.string({ minLength: 1, unit: 'grapheme' })),
      fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }),
      fc.string({ unit: 'grapheme' }),
      fc.maxSafeInteger(),
      fc.boolean(),
    )
    const shown = (each: SOCMessage): unknown => [each.type, each.id, each.timestamp, each.rawPayload]
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 8 }), async (parts) => {
        const messages = parts.map(([type, payload, id, timestamp, raw]) =>
          newSOCMessage(
            type,
            raw && payload !== undefined ? rawJSON(Buffer.from(JSON.stringify(payload))) : payload,
            { id, timestamp },
          ),
        )
        const made = record(messages)
        const { first, durable } = spool.append(made)
        await durable
        const lines = spool.read(first, 1)[0]?.lines ?? Buffer.of()
        expect(messagesOf(lines).map(shown)).toEqual(messages.map(shown))
        expect(lines.equals(made.value.subarray(HEADER_BYTES))).toBe(true)
        const number = await spool.add(messages)
        const added: SOCMessage[] = []
        for await (const each of spool.entries(number)) added.push(each.message)
        expect(added.map(shown)).toEqual(messages.map(shown))
      }),
      { numRuns: 60 },
    )
  })

  it('gives up messages that are too old, but not those in flight', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'), { maxAgeMs: 1 })
    const lost: unknown[] = []
    spool.attach({ onLost: (count, reason) => lost.push([count, reason]) })
    await spool.append(entry(['a', 'b'], 1)).durable
    await spool.append(entry(['c'], 3)).durable
    await new Promise((resolve) => setTimeout(resolve, 10))
    spool.expire(1) // 'b', which is of the same record, waits with 'a'
    await Promise.resolve()
    expect(lost).toEqual([[1, 'expired']])
    expect(spool.messages).toBe(2)
  })

  it('gives out a record once it is durable, not before', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'))
    const { durable } = spool.append(entry(['a'], 1))
    expect(spool.read(1, 1)).toEqual([])
    await durable
    expect(spool.read(1, 1)).toMatchObject([{ first: 1 }])
  })
})
