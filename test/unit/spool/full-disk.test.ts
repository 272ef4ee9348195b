// A spool on a full disk: what does not fit is rejected, and nothing else happens.

import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { systemClock } from '../../../lib/spool/clock.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { LogFiles } from '../../../lib/spool/log-files.js'
import { openSpool, Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry } from '../../support/spool.js'
import { leftBehind, segmentsOf } from '../../support/spool-files.js'
import { until } from '../../support/wait.js'

const needsRoot = process.getuid?.() !== 0
const why = needsRoot ? ' (skipped: needs root to mount a tmpfs)' : ''
const FULL = { code: 'ERR_IPC_BUFFER_FULL', reason: 'disk-full' }

/** A separate file system of `bytes`, and a way to fill it up. */
function smallDisk(size: string): { directory: string; fill: () => void; free: () => void } {
  const mounted = temporaryDirectory()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', mounted])
  onTestFinished(() => void execFileSync('umount', ['-l', mounted]))
  const filler = join(mounted, 'filler')
  return {
    directory: join(mounted, 'spool'),
    fill() {
      const descriptor = openSync(filler, 'a')
      for (const bytes of [Buffer.alloc(65_536), Buffer.alloc(512)]) {
        try {
          for (;;) writeSync(descriptor, bytes)
        } catch {
          // full
        }
      }
      closeSync(descriptor)
    },
    free() {
      rmSync(filler, { force: true })
    },
  }
}

function events(count: number): string[] {
  return Array.from({ length: count }, () => 'soc_event')
}

function bytesOf(directory: string): number {
  // A segment may be deleted meanwhile.
  return segmentsOf(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

function numbersOf(spool: Spool): number[] {
  const found = contents(spool)
  expect(found.every(([number, id]) => id === String(number))).toBe(true)
  return found.map(([number]) => number)
}

describe.skipIf(needsRoot)(`a full disk${why}`, () => {
  it('refuses what does not fit, keeps the rest, and goes on when there is room', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            { weight: 3, arbitrary: fc.integer({ min: 1, max: 800 }) },
            { weight: 2, arbitrary: fc.constant('settle' as const) },
          ),
          { minLength: 5, maxLength: 25 },
        ),
        async (steps) => {
          const { directory } = smallDisk('1m')
          const spool = await Spool.open({ directory, segmentBytes: 65_536 })
          let model: number[] = []
          let refused = 0
          const append = async (count: number): Promise<void> => {
            const { first, durable } = spool.append(entry(events(count), spool.next))
            try {
              await durable
              for (let i = 0; i < count; ++i) model.push(first + i)
            } catch (error) {
              expect(error).toMatchObject(FULL)
              ++refused
            }
          }
          const check = (): void => {
            expect(spool.messages).toBe(model.length)
            expect(numbersOf(spool)).toEqual(model)
          }
          while (refused === 0) await append(800)
          check()
          for (const each of steps) {
            if (each === 'settle') {
              const through = model[model.length >> 1] ?? spool.settledThrough
              const gone = model.filter((number) => number <= through).length
              expect(spool.settle(1, through)).toBe(gone)
              model = model.filter((number) => number > through)
              await new Promise((resolve) => setTimeout(resolve, 30))
            } else await append(each)
            check()
          }
          await spool.close()
          const again = await Spool.open({ directory })
          expect(numbersOf(again)).toEqual(model)
          await again.close()
        },
      ),
      { numRuns: 6 },
    )
  }, 60_000)

  it('is refused at each byte of the write, and the number comes back never', async () => {
    const { directory, fill, free } = smallDisk('512k')
    const spool = await Spool.open({ directory, segmentBytes: 16_384 })
    const model: number[] = []
    for (let round = 0; round < 30; ++round) {
      const before = spool.append(entry(events(1 + round), spool.next))
      await before.durable
      for (let i = 0; i <= round; ++i) model.push(before.first + i)
      fill()
      const outcomes = await Promise.allSettled(
        [20, 60, 40].map((count) => spool.append(entry(events(count), spool.next)).durable),
      )
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(FULL)
      }
      free()
      if (outcomes.every(({ status }) => status === 'rejected')) expect(numbersOf(spool)).toEqual(model)
      spool.settle(spool.settledThrough + 1, before.first - 1)
      model.splice(0, model.indexOf(before.first))
      for (const number of numbersOf(spool)) if (!model.includes(number)) model.push(number)
    }
    await spool.close()
    const again = await Spool.open({ directory })
    expect(numbersOf(again)).toEqual(model)
    await again.close()
  })

  it('costs nothing while only settlements are recorded, which are there later', async () => {
    const { directory, fill, free } = smallDisk('512k')
    const spool = await Spool.open({ directory, segmentBytes: 16_384 })
    for (let i = 0; i < 20; ++i) await spool.append(entry(events(50), spool.next)).durable
    fill()
    for (let i = 0; i < 10; ++i) {
      expect(spool.settle(i * 100 + 11, i * 100 + 20)).toBe(10)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(spool.messages).toBe(900)
    const numbers = numbersOf(spool)
    free()
    await spool.append(entry(events(1), spool.next)).durable
    await spool.close()
    const again = await Spool.open({ directory })
    expect(numbersOf(again)).toEqual([...numbers, 1001])
    await again.close()
  })

  it('does not keep a spool from being opened, read, emptied and used again', async () => {
    const { directory, fill } = smallDisk('512k')
    const spool = await Spool.open({ directory, segmentBytes: 16_384 })
    for (let i = 0; i < 10; ++i) await spool.append(entry(events(50), spool.next)).durable
    await spool.close()
    fill()
    const again = await Spool.open({ directory, segmentBytes: 16_384 })
    expect(numbersOf(again)).toHaveLength(500)
    await expect(again.append(entry(events(50), again.next)).durable).rejects.toMatchObject(FULL)
    expect(again.settle(1, 500)).toBe(500)
    await again.close()
    rmSync(join(directory, '..', 'filler'))
    const third = await Spool.open({ directory, segmentBytes: 16_384 })
    await third.append(entry(['soc_event'], third.next)).durable
    await until(() => readdirSync(directory).length <= 12)
    await third.close()
  })

  it.each([
    ['many segments', 65_536],
    ['one segment', 1 << 26],
  ])('that is emptied after a restart gives its space back: %s', async (_, segmentBytes) => {
    const { directory, fill } = smallDisk('2m')
    const options = { directory, segmentBytes }
    const spool = await Spool.open(options)
    const outcomes: PromiseSettledResult<void>[] = []
    while (outcomes.every(({ status }) => status === 'fulfilled')) {
      outcomes.push(...(await Promise.allSettled([spool.append(entry(events(100), spool.next)).durable])))
    }
    const { session, next } = spool
    await spool.close()
    fill()
    const again = await Spool.open(options)
    expect(again.messages).toBeGreaterThan(1000)
    again.settle(1, again.next - 1)
    await until(() => bytesOf(directory) < 16_384)
    await again.append(entry(events(1), again.next)).durable
    expect(again.session).toBe(session)
    expect(again.next).toBeGreaterThanOrEqual(next)
    await again.close()
  })

  it('that is emptied gives its space back without a restart, too', async () => {
    const { directory } = smallDisk('2m')
    const spool = await Spool.open({ directory, segmentBytes: 65_536 })
    for (const count of [800, 100, 10, 1]) {
      for (let failed = false; !failed;) {
        await spool.append(entry(events(count), spool.next)).durable.catch(() => (failed = true))
      }
    }
    spool.settle(1, spool.next - 1)
    await until(() => bytesOf(directory) < 16_384)
    await spool.append(entry(events(800), spool.next)).durable
    await spool.close()
  })

  it('survives a crash at any moment while it is emptied', async () => {
    const { directory, fill } = smallDisk('2m')
    const options = { directory, segmentBytes: 65_536 }
    const spool = await Spool.open(options)
    for (let i = 0; i < 60; ++i) await spool.append(entry(events(100), spool.next)).durable
    const { session, next } = spool
    fill()
    for (let first = 1; first < next; first += 700) {
      spool.settle(first, Math.min(first + 699, next - 1))
      for (let turn = 0; turn < 4; ++turn) {
        await new Promise((resolve) => setTimeout(resolve, 10))
        const copy = await openSpool({ directory: leftBehind(directory) }, systemClock())
        const settled = copy.settledThrough
        expect([copy.session, copy.next]).toEqual([session, next])
        expect(settled).toBeLessThanOrEqual(first + 699)
        expect(numbersOf(copy)).toEqual(
          Array.from({ length: next - 1 - settled }, (__, i) => settled + 1 + i),
        )
        await copy.close()
      }
    }
    await spool.close()
  })
})

describe('a write that fails in the middle', () => {
  it('leaves nothing of its record in the log', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory })
    onTestFinished(() => spool.close())
    await spool.append(entry(['a'], 1)).durable
    const before = bytesOf(directory)
    vi.spyOn(LogFiles.prototype, 'write').mockImplementationOnce(({ descriptor }, [buffer], position) => {
      if (buffer !== undefined) writeSync(descriptor, buffer, 0, 20, position)
      return Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
    })
    await expect(spool.append(entry(['b'], spool.next)).durable).rejects.toMatchObject(FULL)
    expect(bytesOf(directory)).toBe(before)
    await spool.append(entry(['c'], spool.next)).durable
    expect(contents(spool)).toHaveLength(2)
  })
})

describe('messages that are added together', () => {
  const messages = Array.from({ length: 10 }, (_, i) =>
    newSOCMessage('soc_event', 'x'.repeat(60_000), { id: String(i) }),
  )

  type Write = (this: LogFiles, ...args: Parameters<LogFiles['write']>) => Promise<void>
  const originalWrite = (): Write => Reflect.get<LogFiles, 'write'>(LogFiles.prototype, 'write')

  /** Lets writes of messages fail after the first ones, until `restore`. */
  function diskOf(writes: number, code: string): { restore: () => void } {
    const write = originalWrite()
    let left = writes
    const spy = vi.spyOn(LogFiles.prototype, 'write').mockImplementation(function (this: LogFiles, ...args) {
      const [, buffers] = args
      const isLarge = buffers.some(({ length }) => length > 50_000)
      if (isLarge && left-- <= 0) return Promise.reject(Object.assign(new Error(code), { code }))
      return write.apply(this, args)
    })
    const restore = (): void => {
      spy.mockRestore()
    }
    onTestFinished(restore)
    return { restore }
  }

  it.each([
    ['is full', 'ENOSPC', FULL],
    [
      'fails',
      'EIO',
      { code: 'ERR_IPC_SYSTEM', message: expect.stringMatching(/cannot be written$/) as string },
    ],
  ])('are stored all or not at all if the disk %s in between', async (_what, code, error) => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory, segmentBytes: 65_536 })
    onTestFinished(() => spool.close())
    await spool.add(newSOCMessage('soc_event', 1, { id: 'before' }))
    const disk = diskOf(2, code)
    await expect(spool.add(messages)).rejects.toMatchObject(error)
    const afterKill = await openSpool({ directory: leftBehind(directory) }, systemClock())
    expect(contents(afterKill).map(([, id]) => id)).toEqual(['before'])
    await afterKill.close()
    expect(spool.messages).toBe(1)
    disk.restore()
    await spool.add(messages)
    const ids = ['before', ...messages.map(({ id }) => id)]
    expect(contents(spool).map(([, id]) => id)).toEqual(ids)
    await spool.close()
    const again = await Spool.open({ directory })
    expect(contents(again).map(([, id]) => id)).toEqual(ids)
    await again.close()
  })

  it('may be kept if the disk takes some, and then not even their removal', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const spool = await Spool.open({ directory, segmentBytes: 65_536 })
    onTestFinished(() => spool.close())
    const write = originalWrite()
    let writes = 0
    const spy = vi.spyOn(LogFiles.prototype, 'write').mockImplementation(function (this: LogFiles, ...args) {
      return ++writes <= 2 ? write.apply(this, args) : Promise.reject(new Error('EIO'))
    })
    onTestFinished(() => {
      spy.mockRestore()
    })
    await expect(spool.add(messages)).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'maybe-kept' })
  })
})
