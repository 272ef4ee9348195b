// A spool whose process dies at any step, whose file loses its end, or whose disk is full, against a model of what it
// must still have.

import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { describe, expect, it, onTestFinished } from 'vitest'

import { LmdbSpool } from '../../../lib/lmdb/spool.js'
import type { SpoolDamage } from '../../../lib/lmdb/spool-opening.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry, TYPES } from '../../support/spool.js'

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 300 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), count: fc.nat(400) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('shed' as const), below: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'pause' as const }) },
)

function typesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => TYPES[i % 3] as string)
}

/** What a kill leaves at this moment: the file as the kernel has it. It is nobody's then. */
async function leftBehind(directory: string): Promise<string> {
  const copy = join(temporaryDirectory(), 'spool')
  mkdirSync(copy, { mode: 0o700 })
  copyFileSync(join(directory, 'data.mdb'), join(copy, 'data.mdb'))
  const db = open<Buffer>({ path: copy, encoding: 'binary', noSubdir: false })
  await db.remove('owner')
  await db.close()
  // LMDB made it for this process.
  execFileSync('chmod', ['600', join(copy, 'lock.mdb')])
  return copy
}

describe('a process that dies', () => {
  it('after any step leaves what was promised, in order, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.boolean(), async (steps, waits) => {
        const directory = join(temporaryDirectory(), 'spool')
        const spool = await LmdbSpool.open({ directory, maxBytes: 100_000 })
        /** Everything ever kept; what was promised to be there; and what may be gone. */
        const kept = new Set<number>()
        let promised = new Set<number>()
        for (const each of steps) {
          if (each.kind === 'append') {
            const made = entry(typesOf(each.count), spool.next)
            if (!spool.fits(made.value.length + spool.overheadBytes)) continue
            const { first, durable } = spool.append(made)
            for (let i = 0; i < each.count; ++i) kept.add(first + i)
            const promise = durable.then(() => {
              for (let i = 0; i < each.count; ++i) promised.add(first + i)
            })
            if (waits) await promise
            else void promise
          } else if (each.kind === 'acknowledge') {
            // Only what was sent can be acknowledged, and only what is durable is sent.
            const through = Math.min(spool.acknowledged + each.count, Math.max(0, ...promised))
            spool.acknowledge(through)
            promised = new Set([...promised].filter((number) => number > through))
          } else if (each.kind === 'shed') {
            spool.makeRoom(90_000, spool.acknowledged, each.below)
            const left = new Set(contents(spool).map(([number]) => number))
            promised = new Set([...promised].filter((number) => left.has(number)))
          } else {
            await new Promise((resolve) => setTimeout(resolve, 25))
          }
          const atLeast = [...promised]
          const again = await LmdbSpool.open({ directory: await leftBehind(directory), maxBytes: 100_000 })
          const found = contents(again)
          const numbers = found.map(([number]) => number)
          expect(found.every(([number, id]) => id === String(number))).toBe(true)
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
          expect(again.messages).toBe(numbers.length)
          expect(again.session).toBe(spool.session)
          // What was given up or acknowledged a moment ago may be there again; what was promised must be.
          const there = new Set(numbers)
          expect(atLeast.filter((number) => number > again.acknowledged && !there.has(number))).toEqual([])
          expect(numbers.filter((number) => !kept.has(number))).toEqual([])
          expect(again.acknowledged).toBeLessThanOrEqual(spool.acknowledged)
          expect(again.next).toBeGreaterThan(Math.max(0, ...atLeast))
          await again.close()
        }
        await spool.close()
      }),
      { numRuns: 25 },
    )
  }, 60_000)

  it('and whose file lost its end, which is reported, leaves a part of it, and a spool that works', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 200_000 }),
        async (counts, missing) => {
          const directory = join(temporaryDirectory(), 'spool')
          const spool = await LmdbSpool.open({ directory })
          for (const count of counts) await spool.append(entry(typesOf(count), spool.next)).durable
          const copy = await leftBehind(directory)
          const path = join(copy, 'data.mdb')
          truncateSync(path, Math.max(8192, statSync(path).size - missing))
          const damages: SpoolDamage[] = []
          const again = await LmdbSpool.open({ directory: copy, onDamage: (damage) => damages.push(damage) })
          const found = contents(again)
          const numbers = found.map(([number]) => number)
          expect(found.every(([number, id]) => id === String(number) && number < spool.next)).toBe(true)
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
          expect(again.messages).toBe(numbers.length)
          if (numbers.length < spool.messages) expect(damages.length).toBeGreaterThan(0)
          await again.append(entry(['a'], again.next)).durable
          expect(contents(again)).toHaveLength(numbers.length + 1)
          await again.close()
          await spool.close()
        },
      ),
      { numRuns: 12 },
    )
  }, 60_000)
})

describe('a full disk', () => {
  const needsRoot = process.getuid?.() !== 0
  it.skipIf(needsRoot)(
    `refuses what does not fit, keeps the rest, and goes on when there is room${needsRoot ? ' (skipped: needs root to mount a tmpfs)' : ''}`,
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.oneof(
              { weight: 3, arbitrary: fc.integer({ min: 1, max: 800 }) },
              { weight: 1, arbitrary: fc.constant('acknowledge' as const) },
            ),
            { minLength: 5, maxLength: 20 },
          ),
          async (steps) => {
            const mounted = temporaryDirectory()
            execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', mounted])
            onTestFinished(() => void execFileSync('umount', ['-l', mounted]))
            const directory = join(mounted, 'spool')
            const spool = await LmdbSpool.open({ directory })
            let model: number[] = []
            let refused = 0
            const append = async (count: number): Promise<void> => {
              const { first, durable } = spool.append(entry(typesOf(count), spool.next))
              try {
                await durable
                for (let i = 0; i < count; ++i) model.push(first + i)
              } catch (error) {
                expect(error).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL' })
                ++refused
              }
            }
            const check = (): void => {
              expect(spool.messages).toBe(model.length)
              expect(contents(spool).map(([number]) => number)).toEqual(model)
            }
            while (refused === 0) await append(800)
            check()
            for (const each of steps) {
              if (each === 'acknowledge') {
                const through = model[model.length >> 1] ?? spool.acknowledged
                const gone = model.filter((number) => number <= through).length
                expect(spool.acknowledge(through)).toBe(gone)
                model = model.filter((number) => number > through)
                // So that the pages are free.
                await new Promise((resolve) => setTimeout(resolve, 30))
              } else await append(each)
              check()
            }
            const { acknowledged } = spool
            await spool.close()
            const again = await LmdbSpool.open({ directory })
            expect(again.acknowledged).toBe(acknowledged)
            expect(contents(again).map(([number]) => number)).toEqual(model)
            await again.close()
          },
        ),
        { numRuns: 5 },
      )
    },
    60_000,
  )
})
