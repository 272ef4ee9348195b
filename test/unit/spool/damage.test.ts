// What damage costs a spool: torn ends at every byte, flipped bits, and foreign bytes.

import fc from 'fast-check'
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { systemClock } from '../../../lib/spool/clock.js'
import { LogFiles } from '../../../lib/spool/log-files.js'
import type { SpoolDamage } from '../../../lib/spool/options.js'
import { openSpool, Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry, opened } from '../../support/spool.js'
import { flip, leftBehind, recordsOf, segmentsOf } from '../../support/spool-files.js'

const TURN = (): Promise<void> => new Promise(setImmediate)

/** A spool of some records of three messages each, closed. */
async function filled(records: number, segmentBytes = 1 << 20): Promise<string> {
  const directory = join(temporaryDirectory(), 'spool')
  const spool = await Spool.open({ directory, segmentBytes })
  for (let i = 0; i < records; ++i) await spool.append(entry(['a', 'b', 'c'], spool.next)).durable
  await spool.close()
  return directory
}

function numbersOf(spool: Spool): number[] {
  const found = contents(spool)
  expect(found.every(([number, id]) => id === String(number))).toBe(true)
  return found.map(([number]) => number)
}

describe('a torn end', () => {
  it('is cut off at any byte, and the log goes on behind it with the same numbers', async () => {
    const directory = await filled(3)
    const [segment = ''] = segmentsOf(directory)
    const places = recordsOf(directory, segment)
    const last = places.at(-1)
    if (last === undefined) throw new Error('there is no record')
    for (let cut = 0; cut <= last.size; ++cut) {
      const copy = leftBehind(directory)
      truncateSync(join(copy, segment), last.offset + last.size - cut)
      const damages: SpoolDamage[] = []
      const spool = await Spool.open({ directory: copy, onDamage: (damage) => damages.push(damage) })
      await TURN()
      expect(statSync(join(copy, segment)).size).toBe(cut === 0 ? last.offset + last.size : last.offset)
      const kept = cut === 0 ? 9 : 6
      expect(numbersOf(spool)).toEqual(Array.from({ length: kept }, (_, i) => i + 1))
      expect(spool.next).toBe(kept + 1)
      expect(damages).toEqual(
        cut === 0 || cut === last.size
          ? []
          : [expect.objectContaining({ what: 'tail', offset: last.offset, bytes: last.size - cut })],
      )
      await spool.append(entry(['x'], spool.next)).durable
      await spool.close()
      const again = await Spool.open({ directory: copy, onDamage: (damage) => damages.push(damage) })
      expect(numbersOf(again)).toHaveLength(kept + 1)
      await again.close()
    }
    expect(statSync(join(directory, segment)).size).toBe(last.offset + last.size)
  }, 60_000)

  it('that a loss of power left gives no number twice', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const options = { directory, durability: 'fsync' as const, onDamage: () => undefined }
    const spool = await Spool.open(options)
    await spool.append(entry(['a', 'b', 'c'], 1)).durable
    const { session } = spool
    await spool.close()
    const [segment = ''] = segmentsOf(directory)
    truncateSync(join(directory, segment), statSync(join(directory, segment)).size - 1)
    const again = await openSpool(options, { ...systemClock(), bootId: 'the next one' })
    expect(again.session).toBe(session)
    expect(again.messages).toBe(3) // lost, and not reported yet
    expect(again.next).toBe(4)
    await again.close()
  })

  it.each([
    ['process', false],
    ['fsync', true],
  ] as const)(
    'that a loss of power may have left: durability %s keeps its session: %s',
    async (durability, keeps) => {
      const options = { directory: join(temporaryDirectory(), 'spool'), durability }
      const spool = await Spool.open(options)
      await spool.append(entry(['a', 'b', 'c'], 1)).durable
      const { session } = spool
      await spool.close()
      const sameBoot = await Spool.open(options)
      expect(sameBoot.session).toBe(session)
      await sameBoot.close()
      const nextBoot = await openSpool(options, { ...systemClock(), bootId: 'the next one' })
      expect(nextBoot.session === session).toBe(keeps)
      expect(nextBoot.messages).toBe(3)
      await nextBoot.close()
    },
  )
})

describe('a flipped bit', () => {
  it('costs the record that it is in, which is counted and reported once', async () => {
    const directory = await filled(5)
    const [segment = ''] = segmentsOf(directory)
    const places = recordsOf(directory, segment)
    const record = places[3]
    if (record === undefined) throw new Error('there is no record')
    expect(record.header.first).toBe(7)
    for (let at = 0; at < record.size; at += at < 64 ? 1 : 7) {
      const copy = leftBehind(directory)
      flip(join(copy, segment), record.offset + at, 1 << (at % 8))
      const damages: SpoolDamage[] = []
      const options = { directory: copy, onDamage: (damage: SpoolDamage) => damages.push(damage) }
      const spool = await Spool.open(options)
      const lost: unknown[] = []
      expect(spool.messages).toBe(15)
      spool.attach({ onLost: (count, reason, { code }) => lost.push([count, reason, code]) })
      await TURN()
      expect(lost).toEqual([[3, 'storage', 'ERR_IPC_SYSTEM']])
      expect(spool.messages).toBe(12)
      expect(numbersOf(spool)).toEqual([1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15])
      expect(damages).toEqual([
        expect.objectContaining({ what: 'record', segment, offset: record.offset, bytes: record.size }),
      ])
      expect(spool.next).toBe(16)
      await spool.close()
      const again = await Spool.open(options)
      await TURN()
      expect(again.messages).toBe(12)
      expect(damages).toHaveLength(1)
      await again.close()
    }
  }, 60_000)

  it('in the last record does not give its numbers again', async () => {
    const directory = await filled(3)
    const [segment = ''] = segmentsOf(directory)
    const last = recordsOf(directory, segment).at(-1)
    if (last === undefined) throw new Error('there is no record')
    for (const at of [0, 10, 30, 64, last.size - 1]) {
      const copy = leftBehind(directory)
      flip(join(copy, segment), last.offset + at)
      const spool = await Spool.open({ directory: copy, onDamage: () => undefined })
      expect(spool.next).toBeGreaterThanOrEqual(10)
      await spool.close()
    }
  })

  it('in the last record does not give its numbers again after an open that could not write', async () => {
    const directory = await filled(3)
    const [segment = ''] = segmentsOf(directory)
    const last = recordsOf(directory, segment).at(-1)
    if (last === undefined) throw new Error('there is no record')
    flip(join(directory, segment), last.offset + last.size - 1)
    const options = { directory, onDamage: () => undefined }
    const write = vi.spyOn(LogFiles.prototype, 'write')
    onTestFinished(() => {
      write.mockRestore()
    })
    write.mockRejectedValue(Object.assign(new Error('broken'), { code: 'EIO' }))
    await expect(Spool.open(options)).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM' })
    write.mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    for (let i = 0; i < 2; ++i) {
      const full = await Spool.open(options)
      expect([full.next, full.messages]).toEqual([10, 9])
      await full.close()
    }
    write.mockRestore()
    const spool = await Spool.open(options)
    expect([spool.next, spool.messages]).toEqual([10, 9])
    await spool.close()
    const again = await Spool.open(options)
    expect([again.next, again.messages]).toEqual([10, 6])
    await again.close()
  })

  it('in the head of a segment costs no message', async () => {
    const directory = await filled(3)
    const [segment = ''] = segmentsOf(directory)
    const damages: SpoolDamage[] = []
    flip(join(directory, segment), 100)
    const spool = await opened(directory, { onDamage: (damage) => damages.push(damage) })
    await TURN()
    expect(damages).toMatchObject([{ what: 'start', offset: 0 }])
    expect(numbersOf(spool)).toHaveLength(9)
  })

  it.each(['header', 'body'])('in a %s on the way back from the disk costs the record, too', async (part) => {
    const directory = join(temporaryDirectory(), 'spool')
    const damages: SpoolDamage[] = []
    const spool = await opened(directory, { onDamage: (damage) => damages.push(damage) })
    const lost: unknown[] = []
    spool.attach({ onLost: (count, reason) => lost.push([count, reason]) })
    for (let i = 0; i < 3; ++i) await spool.append(entry(['a', 'b'], spool.next)).durable
    const [segment = ''] = segmentsOf(directory)
    const { offset, size } = recordsOf(directory, segment)[2] ?? { offset: 0, size: 0 }
    flip(join(directory, segment), part === 'header' ? offset : offset + size - 2, 4)
    expect(numbersOf(spool)).toEqual([1, 2, 5, 6])
    await TURN()
    expect(lost).toEqual([[2, 'storage']])
    expect(damages).toMatchObject([{ what: 'record', first: 3, count: 2 }])
    expect(spool.messages).toBe(4)
  })
})

describe('reading', () => {
  it('from a closed spool is refused, and looks like no damage', async () => {
    const directory = await filled(3)
    const onDamage = vi.fn()
    const spool = await Spool.open({ directory, onDamage })
    const found: number[] = []
    const reading = (async () => {
      for await (const { number } of spool.entries()) {
        found.push(number)
        if (number === 3) await spool.close()
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(found).toEqual([1, 2, 3])
    expect(() => spool.read(1, 1)).toThrow(expect.objectContaining({ code: 'ERR_IPC_CLOSED' }))
    expect(spool.messages).toBe(9)
    expect(onDamage).not.toHaveBeenCalled()
  })

  it.runIf(process.platform === 'linux')('that fails gives up nothing', async () => {
    const directory = await filled(3)
    const onDamage = vi.fn()
    const spool = await opened(directory, { onDamage })
    const [segment = ''] = segmentsOf(directory)
    const descriptor = readdirSync('/proc/self/fd').find((name) => {
      const path = join('/proc/self/fd', name)
      return existsSync(path) && readlinkSync(path) === join(directory, segment)
    })
    if (descriptor === undefined) throw new Error('the segment is not open')
    closeSync(Number(descriptor))
    expect(() => spool.read(1, Infinity)).toThrow(expect.objectContaining({ code: 'ERR_IPC_SYSTEM' }))
    openSync(join(directory, segment), 'r') // gets the descriptor back
    expect(numbersOf(spool)).toHaveLength(9)
    expect(onDamage).not.toHaveBeenCalled()
  })

  it('skips any number of damaged records', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory, { onDamage: () => undefined })
    for (let i = 0; i < 20_000; ++i) void spool.append(entry(['a'], spool.next))
    await spool.append(entry(['a'], spool.next)).durable
    for (const name of segmentsOf(directory)) {
      const path = join(directory, name)
      writeFileSync(path, Buffer.alloc(statSync(path).size), { flag: 'r+' })
    }
    expect(spool.read(1, 1)).toEqual([])
    expect(spool.messages).toBe(0)
  })
})

describe('damage of any kind', () => {
  it('leaves a spool that works, with whole messages in order, and sums that are right', async () => {
    const directory = await filled(40, 4096)
    const segments = segmentsOf(directory)
    expect(segments.length).toBeGreaterThan(2)
    const damage = fc.record({
      segment: fc.constantFrom(...segments),
      at: fc.nat(9999),
      kind: fc.oneof(
        { weight: 4, arbitrary: fc.record({ mask: fc.integer({ min: 1, max: 255 }) }) },
        { weight: 1, arbitrary: fc.record({ cut: fc.integer({ min: 1, max: 3000 }) }) },
      ),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 6 }), async (damages) => {
        const copy = leftBehind(directory)
        for (const { segment, at, kind } of damages) {
          const path = join(copy, segment)
          const { size } = statSync(path)
          if ('cut' in kind) truncateSync(path, Math.max(0, size - kind.cut))
          else if (size > 0) flip(path, Math.floor((at / 10_000) * size), kind.mask)
        }
        const reported: SpoolDamage[] = []
        const spool = await Spool.open({ directory: copy, onDamage: (each) => reported.push(each) })
        spool.attach({ onLost: () => undefined })
        await TURN()
        const numbers = numbersOf(spool)
        expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
        expect(spool.messages).toBe(numbers.length)
        if (numbers.length < 120 && !damages.some(({ kind }) => 'cut' in kind))
          expect(reported.length).toBeGreaterThan(0)
        const { first, durable } = spool.append(entry(['x'], spool.next))
        await durable
        expect(first).toBeGreaterThan(numbers.at(-1) ?? 0)
        expect(spool.settle(1, first)).toBe(numbers.length + 1)
        await spool.close()
        const again = await Spool.open({ directory: copy, onDamage: () => undefined })
        expect(again.messages).toBe(0)
        await again.close()
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
