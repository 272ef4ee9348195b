// The spool on LMDB: what it keeps, damage, crashes and claims.

import fc from 'fast-check'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, it } from 'vitest'

import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { OVERHEAD_BYTES } from '../../../lib/lmdb/spool-index.js'
import { HEADER_BYTES } from '../../../lib/lmdb/spool-record.js'
import { LmdbSpool } from '../../../lib/lmdb/spool.js'
import type { SpoolDamage } from '../../../lib/lmdb/spool-opening.js'
import { messagesOf } from '../../../lib/delivery/sender/lines.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry, opened, record, TYPES } from '../../support/spool.js'
import { rejectionOf } from '../../support/wait.js'

it.each(['win32', 'darwin'])(
  'a spool says that it is not made for %s, before it makes anything',
  async (system) => {
    const directory = temporaryDirectory()
    const real = Object.getOwnPropertyDescriptor(process, 'platform') ?? {}
    Object.defineProperty(process, 'platform', { ...real, value: system })
    try {
      expect(await rejectionOf(LmdbSpool.open({ directory: join(directory, 'spool') }))).toMatchObject({
        code: 'ERR_IPC_SYSTEM',
        reason: 'spool-platform',
        message: `a spool in LMDB is made for Linux, and this is ${system}`,
      })
    } finally {
      Object.defineProperty(process, 'platform', real)
    }
    expect(readdirSync(directory)).toEqual([])
  },
)

describe('a spool', () => {
  it('agrees with a model, whatever is done to it and however often it is opened again', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('append' as const),
          types: fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 6 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), count: fc.nat(9) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('shed' as const),
          below: fc.option(fc.integer({ min: 1, max: 2 })),
        }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.boolean(), async (steps, reopen) => {
        const directory = join(temporaryDirectory(), 'spool')
        let model: { number: number; type: string }[] = []
        let acknowledged = 0
        let spool = await LmdbSpool.open({ directory, maxBytes: 2000 })
        const { session } = spool
        for (const each of steps) {
          if (each.kind === 'append') {
            const made = entry(each.types, spool.next)
            if (!spool.fits(made.value.length - HEADER_BYTES + OVERHEAD_BYTES)) continue
            const { first, durable } = spool.append(made)
            await durable
            model.push(...each.types.map((type, i) => ({ number: first + i, type })))
          } else if (each.kind === 'acknowledge') {
            acknowledged = Math.min(acknowledged + each.count, spool.next - 1)
            const gone = model.filter(({ number }) => number <= acknowledged).length
            expect(spool.acknowledge(acknowledged)).toBe(gone)
            model = model.filter(({ number }) => number > acknowledged)
          } else {
            const before = spool.messages
            const dropped = spool.makeRoom(1500, acknowledged, each.below ?? undefined)
            expect(spool.messages).toBe(before - dropped)
            const left = new Set(contents(spool).map(([number]) => number))
            const lost = model.filter(({ number }) => !left.has(number))
            expect(lost).toHaveLength(dropped)
            if (each.below !== null)
              for (const { type } of lost) expect(TYPES.indexOf(type as 'soc_event')).toBeLessThan(each.below)
            model = model.filter(({ number }) => left.has(number))
          }
          if (reopen) {
            await spool.close()
            spool = await LmdbSpool.open({ directory, maxBytes: 2000 })
            expect(spool.session).toBe(session)
            expect(spool.acknowledged).toBe(acknowledged)
          }
          expect(spool.messages).toBe(model.length)
          expect(contents(spool)).toEqual(model.map(({ number }) => [number, String(number)]))
        }
        await spool.close()
      }),
      { numRuns: 40 },
    )
  })

  it('is for one user of it at a time', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory)
    expect(await rejectionOf(LmdbSpool.open({ directory }))).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    await spool.close()
    await opened(directory)
  })

  it('tells in their order when entries are durable', async () => {
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
    const directory = join(temporaryDirectory(), 'spool')
    await opened(directory)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(directory))
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
  })

  it('refuses directories that others may use, and links', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'open'))
    chmodSync(join(directory, 'open'), 0o755)
    mkdirSync(join(directory, 'own'), { mode: 0o700 })
    symlinkSync(join(directory, 'own'), join(directory, 'link'))
    for (const name of ['open', 'link']) {
      expect(await rejectionOf(LmdbSpool.open({ directory: join(directory, name) }))).toMatchObject({
        code: 'ERR_IPC_UNSAFE_PATH',
      })
    }
  })

  it.each([
    ['process', false],
    ['fsync', true],
  ] as const)(
    'with durability %s begins a new session after a boot: %s keeps it',
    async (durability, kept) => {
      const directory = join(temporaryDirectory(), 'spool')
      const first = await LmdbSpool.open({ directory, durability })
      await first.append(entry(['a'], 1)).durable
      await first.close()
      const db = open<Buffer>({ path: directory, encoding: 'binary', noSubdir: false })
      const state = JSON.parse(String(db.get('state'))) as object
      await db.put('state', Buffer.from(JSON.stringify({ ...state, boot: 'another' })))
      await db.close()
      const second = await opened(directory, { durability })
      expect(second.session === first.session).toBe(kept)
      expect(contents(second)).toEqual([[1, '1']])
    },
  )

  it('gives up what is too old, but not what is in flight', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'), { maxAgeMs: 1 })
    const lost: unknown[] = []
    spool.attach({ onLost: (count, reason) => lost.push([count, reason]) })
    await spool.append(entry(['a', 'b'], 1)).durable
    await spool.append(entry(['c'], 3)).durable
    await new Promise((resolve) => setTimeout(resolve, 10))
    spool.expire(2)
    expect(lost).toEqual([[1, 'expired']])
    expect(spool.messages).toBe(2)
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
        const shown = (each: SOCMessage): unknown => [each.type, each.id, each.timestamp, each.rawPayload]
        expect(messagesOf(lines).map(shown)).toEqual(messages.map(shown))
        expect(lines.equals(made.value.subarray(HEADER_BYTES))).toBe(true)
        expect(record(messagesOf(lines)).value.subarray(HEADER_BYTES).equals(lines)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe('damage', () => {
  async function filled(directory: string): Promise<string> {
    const spool = await LmdbSpool.open({ directory, durability: 'fsync' })
    for (let i = 0; i < 50; ++i)
      await spool.append(
        entry(
          Array.from({ length: 20 }, () => 'soc_event'),
          i * 20 + 1,
        ),
      ).durable
    const { session } = spool
    await spool.close()
    return session
  }

  it('of a value costs that value, which is put aside', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const session = await filled(directory)
    const db = open<Buffer>({ path: directory, encoding: 'binary', noSubdir: false })
    const value = Buffer.from(db.get(21) as Buffer)
    value.writeUInt8(value.readUInt8(100) ^ 1, 100)
    await db.put(21, value)
    await db.close()
    const damages: SpoolDamage[] = []
    const spool = await opened(directory, { onDamage: (damage) => damages.push(damage) })
    expect(damages).toMatchObject([{ what: 'record', first: 21 }])
    expect(statSync(damages[0]?.path ?? '').size).toBe(value.length)
    expect(spool.messages).toBe(980)
    expect(spool.session).toBe(session)
    expect(contents(spool).map(([number]) => number)).not.toContain(21)
  })

  it('of the whole file has it put aside and a new one begun', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    await filled(directory)
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(100_000, 7))
    const damages: SpoolDamage[] = []
    const spool = await opened(directory, { onDamage: (damage) => damages.push(damage) })
    expect(damages).toMatchObject([{ what: 'database' }])
    expect(readdirSync(directory).some((file) => file.startsWith('data.mdb.damaged-'))).toBe(true)
    expect(spool.messages).toBe(0)
    await spool.append(entry(['a'], 1)).durable
  })

  it.each([1, 5000, 40_000, 150_000, 400_000])(
    'a file %i bytes too short is no end of the process, and the rest is kept',
    async (missing) => {
      const directory = join(temporaryDirectory(), 'spool')
      await filled(directory)
      const path = join(directory, 'data.mdb')
      truncateSync(path, Math.max(8192, statSync(path).size - missing))
      const damages: SpoolDamage[] = []
      const spool = await opened(directory, { onDamage: (damage) => damages.push(damage) })
      const left = contents(spool)
      expect(left).toHaveLength(spool.messages)
      expect(left.map(([number]) => number)).toEqual(
        [...new Set(left.map(([number]) => number))].sort((a, b) => a - b),
      )
      await spool.append(entry(['a'], spool.next)).durable
      expect(spool.messages).toBe(left.length + 1)
    },
  )
})
