// The segments of a spool: the disk space they give back, settled ranges, and appending.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { systemClock } from '../../../lib/spool/clock.js'
import type { SpoolDamage } from '../../../lib/spool/options.js'
import { openSpool, Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry, opened } from '../../support/spool.js'
import { leftBehind, segmentsOf } from '../../support/spool-files.js'
import { rejectionOf, until } from '../../support/wait.js'

function bytesOf(directory: string): number {
  // A segment may be deleted meanwhile.
  return segmentsOf(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

const events = Array.from({ length: 20 }, () => 'soc_event')

describe('the disk', () => {
  it('shrinks as messages are settled, down to almost nothing', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory, { segmentBytes: 1 << 16 })
    for (let i = 0; i < 2000; ++i) void spool.append(entry(events, spool.next))
    await spool.append(entry(events, spool.next)).durable
    const full = bytesOf(directory)
    expect(full).toBeGreaterThan(2 << 20)
    spool.settle(1, 20_000)
    await until(() => bytesOf(directory) < full * 0.6)
    spool.settle(20_001, spool.next - 1)
    await until(() => bytesOf(directory) < 1 << 20)
    await until(() => segmentsOf(directory).length <= 2)
  })

  it('of one large segment, too', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory)
    for (let i = 0; i < 2000; ++i) void spool.append(entry(events, spool.next))
    await spool.append(entry(events, spool.next)).durable
    spool.settle(1, spool.next - 1)
    await until(() => bytesOf(directory) < 1 << 16)
    const { next, session } = spool
    await spool.close()
    const again = await opened(directory)
    expect([again.next, again.session, again.messages]).toEqual([next, session, 0])
  })

  it('is not held by a few messages that are never settled', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const options = { directory, segmentBytes: 1 << 16 }
    const spool = await Spool.open(options)
    const stuck: number[] = []
    for (let i = 0; i < 400; ++i) {
      const { first, durable } = spool.append(entry(events, spool.next))
      await durable
      stuck.push(first)
      spool.settle(first + 1, first + 19)
    }
    await until(() => bytesOf(directory) < 1 << 18)
    expect(contents(spool).map(([number]) => number)).toEqual(stuck)
    for (const from of [directory, leftBehind(directory)]) {
      if (from === directory) await spool.close()
      const again = await Spool.open({ ...options, directory: from })
      expect(contents(again)).toEqual(stuck.map((number) => [number, String(number)]))
      await again.close()
    }
  })
})

describe('settled ranges', () => {
  it('are not handed out again, in whatever order they came', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory })
    for (let i = 0; i < 10; ++i) await spool.append(entry(events, spool.next)).durable
    expect(spool.settle(150, 190)).toBe(41)
    expect(spool.settle(5, 45)).toBe(41)
    expect(spool.settle(40, 50)).toBe(5)
    expect(spool.settle(150, 190)).toBe(0)
    expect(spool.settledThrough).toBe(0)
    // They are recorded together, a moment later.
    let again: Spool
    do again = await opened(leftBehind(directory))
    while (again.messages === 200)
    const numbers = contents(again).map(([number]) => number)
    expect(numbers).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1).filter((n) => n < 5 || (n > 50 && n < 150) || n > 190),
    )
    expect(again.messages).toBe(numbers.length)
    expect(again.settle(1, 4)).toBe(4)
    expect(again.settledThrough).toBe(50)
    await spool.close()
  })
})

describe('append', () => {
  it('rejects once the spool is closed, without an unhandled rejection if it is not awaited', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'))
    await spool.close()
    expect(await rejectionOf(spool.append(entry(['a'], 1)).durable)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(await rejectionOf(spool.add(newSOCMessage('a', 1)))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })
})

describe('add and entries', () => {
  it('keep messages for the application', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory, maxBytes: 1 << 20 })
    expect(await spool.add(newSOCMessage('soc_event', { n: 1 }))).toBe(1)
    expect(await spool.add([newSOCMessage('soc_event', 2), newSOCMessage('soc_incident', 3)])).toBe(2)
    expect(await rejectionOf(spool.add(newSOCMessage('a', 'x'.repeat(1 << 20))))).toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
    })
    await spool.close()
    const again = await opened(directory, { maxBytes: 1024 })
    const found: unknown[] = []
    for await (const { number, message } of again.entries()) {
      found.push([number, message.payload])
      again.settle(number, number)
    }
    expect(found).toEqual([
      [1, { n: 1 }],
      [2, 2],
      [3, 3],
    ])
    expect(again.messages).toBe(0)
    expect(await rejectionOf(again.add(newSOCMessage('a', 'x'.repeat(2000))))).toMatchObject({
      code: 'ERR_IPC_BUFFER_FULL',
      reason: 'full',
    })
    again.attach({ onLost: () => undefined })
    expect(await rejectionOf(again.add(newSOCMessage('a', 1)))).toBeInstanceOf(TypeError)
    expect(() => {
      again.attach({ onLost: () => undefined })
    }).toThrow(TypeError)
  })
})

describe('inspect', () => {
  it('reads a spool that is open, without claiming or changing it', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await opened(directory, { durability: 'fsync', segmentBytes: 4096 })
    for (let i = 0; i < 5; ++i) await spool.append(entry(events, spool.next)).durable
    spool.settle(1, 30)
    await until(() => spool.recordedThrough === 30)
    // A segment that holds nothing more may still be on its way out.
    await new Promise((resolve) => setTimeout(resolve, 60))
    const before = bytesOf(directory)
    const seen = await Spool.inspect(directory)
    expect(seen).toMatchObject({
      session: spool.session,
      durability: 'fsync',
      rebooted: false,
      settledThrough: 30,
      next: 101,
      messages: 70,
      bytes: spool.bytes,
      lost: 0,
      damage: [],
    })
    expect(seen.records.map(({ first, count, messages }) => [first, count, messages])).toEqual([
      [21, 20, 10],
      [41, 20, 20],
      [61, 20, 20],
      [81, 20, 20],
    ])
    for (const { ageMs } of seen.records) expect(ageMs).toBeGreaterThanOrEqual(0)
    expect(seen.segments.map(({ name }) => name)).toEqual(segmentsOf(directory))
    expect(bytesOf(directory)).toBe(before)
  })

  it('refuses a directory that is absent, and makes nothing', async () => {
    const directory = join(temporaryDirectory(), 'none')
    expect(await rejectionOf(Spool.inspect(directory))).toMatchObject({
      code: 'ERR_IPC_SYSTEM',
      cause: { code: 'ENOENT' },
    })
  })
})

describe('options', () => {
  it.each([
    [{}, TypeError, 'directory'],
    [{ directory: '' }, TypeError, 'directory'],
    [{ directory: '/x', durabilty: 'fsync' }, TypeError, 'did you mean durability?'],
    [{ directory: '/x', durability: 'disk' }, TypeError, 'durability'],
    [{ directory: '/x', maxBytes: 0 }, RangeError, 'maxBytes'],
    [{ directory: '/x', maxAgeMs: 0 }, RangeError, 'maxAgeMs'],
    [{ directory: '/x', segmentBytes: 1 }, RangeError, 'segmentBytes'],
    [{ directory: '/x', onDamage: 1 }, TypeError, 'onDamage'],
  ])('%j are refused', async (options, kind, text) => {
    const error = await rejectionOf(Spool.open(options as { directory: string }))
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).message).toContain(text)
  })

  it('onDamage may throw', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory })
    await spool.append(entry(events, 1)).durable
    await spool.close()
    const [segment = ''] = segmentsOf(directory)
    const { truncateSync } = await import('node:fs')
    truncateSync(join(directory, segment), statSync(join(directory, segment)).size - 1)
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    await opened(directory, {
      onDamage: (damage: SpoolDamage) => {
        throw new Error(damage.what)
      },
    })
    expect((await warned).message).toContain('onDamage threw')
  })
})

describe('ages', () => {
  const DAY = 86_400_000
  const WEEK = 7 * DAY

  function clock(bootId: string): {
    bootId: string
    boot: number
    wall: number
    sinceBootMs(): number
    wallMs(): number
  } {
    return {
      bootId,
      boot: 60_000,
      wall: Date.UTC(2026, 0, 1),
      sinceBootMs() {
        return this.boot
      },
      wallMs() {
        return this.wall
      },
    }
  }

  it('do not follow a wall clock that is set, in either direction', async () => {
    const system = clock('one')
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await openSpool({ directory, maxAgeMs: WEEK }, system)
    await spool.append(entry(['a'], 1)).durable
    for (const wall of [Date.UTC(1970), Date.UTC(2126), 0]) {
      system.wall = wall
      system.boot += 1000
      spool.expire(0)
      expect(spool.messages).toBe(1)
    }
    system.boot += WEEK
    spool.expire(0)
    expect(spool.messages).toBe(0)
    await spool.close()
  })

  it('count suspension, and go on when the spool is opened again', async () => {
    const system = clock('one')
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await openSpool({ directory, maxAgeMs: WEEK }, system)
    await spool.append(entry(['a'], 1)).durable
    system.boot += 4 * DAY
    await spool.close()
    const again = await openSpool({ directory, maxAgeMs: WEEK }, system)
    again.expire(0)
    expect(again.messages).toBe(1)
    system.boot += 4 * DAY
    again.expire(0)
    expect(again.messages).toBe(0)
    await again.close()
  })

  it('believe the wall clock about a stop of the machine up to a bound', async () => {
    const system = clock('one')
    const directory = join(temporaryDirectory(), 'spool')
    const options = { directory, maxAgeMs: WEEK, durability: 'fsync' as const }
    const spool = await openSpool(options, system)
    await spool.append(entry(['a'], 1)).durable
    await spool.close()
    for (const [offMs, waitMs, left] of [
      [2 * DAY, 4 * DAY, 1],
      [2 * DAY, 5 * DAY + 1, 0],
      [20_000 * DAY, 3 * DAY, 1], // 1970, and then it is set
      [20_000 * DAY, 4 * DAY, 0],
      [-20_000 * DAY, 6 * DAY, 1],
      [-20_000 * DAY, 7 * DAY + 1, 0],
    ] as const) {
      const next = clock('two')
      next.wall = system.wall + offMs + next.boot
      const again = await openSpool({ ...options, directory: leftBehind(directory) }, next)
      next.boot += waitMs
      again.expire(0)
      expect([offMs, waitMs, again.messages]).toEqual([offMs, waitMs, left])
      await again.close()
    }
  })

  it('add up over several starts of the machine', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const options = { directory, maxAgeMs: WEEK }
    let wall = Date.UTC(2026)
    const left: number[] = []
    for (let start = 0; start < 5; ++start) {
      const system = { ...clock(`start ${start}`), wall }
      const spool = await openSpool(options, system)
      if (start === 0) await spool.append(entry(['a'], 1)).durable
      spool.expire(0)
      left.push(spool.messages)
      await spool.close()
      wall += 2 * DAY
    }
    expect(left).toEqual([1, 1, 1, 1, 0])
  })

  it.each([
    ['process', false],
    ['fsync', true],
  ] as const)('with durability %s a new start begins a new session: kept %s', async (durability, kept) => {
    const directory = join(temporaryDirectory(), 'spool')
    const options = { directory, durability }
    const first = await openSpool(options, clock('one'))
    await first.append(entry(['a'], 1)).durable
    await first.close()
    const second = await openSpool(options, clock('two'))
    expect(second.session === first.session).toBe(kept)
    expect(contents(second)).toEqual([[1, '1']])
    const { session } = second
    await second.close()
    const third = await openSpool(options, clock('two'))
    expect(third.session).toBe(session)
    await third.close()
  })

  it('come from the machine', () => {
    const system = systemClock()
    expect(system.sinceBootMs()).toBeGreaterThan(performance.now())
    if (process.platform === 'linux') expect(system.bootId).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('settling', () => {
  it('takes safe integers only', async () => {
    const spool = await opened(join(temporaryDirectory(), 'spool'))
    await spool.append(entry(['a'], 1)).durable
    for (const wrong of [Infinity, NaN, 1.5, Number.MAX_SAFE_INTEGER]) {
      expect(() => spool.settle(1, wrong)).toThrow(RangeError)
      expect(() => spool.settle(wrong, 1)).toThrow(RangeError)
    }
    expect([spool.next, spool.messages]).toEqual([2, 1])
    expect(spool.settle(1, 1)).toBe(1)
  })
})
