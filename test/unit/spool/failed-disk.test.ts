// A disk that fails when records are written, and again when the failed write is undone: a message is reported as given up only
// if it cannot come back.

import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { systemClock } from '../../../lib/spool/clock.js'
import { LogFiles } from '../../../lib/spool/log-files.js'
import { openSpool, Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, entry } from '../../support/spool.js'
import { leftBehind } from '../../support/spool-files.js'

const EIO = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
const ENOSPC = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

type Operation = 'write' | 'sync' | 'truncate'

/** Lets the next calls of an operation fail. */
function failing(operation: Operation, error: Error, times = 1): void {
  const spy = vi.spyOn(LogFiles.prototype, operation)
  onTestFinished(() => {
    spy.mockRestore()
  })
  for (let i = 0; i < times; ++i) spy.mockRejectedValueOnce(error)
}

async function spoolWithOne(durability: 'process' | 'fsync'): Promise<Spool> {
  const spool = await Spool.open({ directory: join(temporaryDirectory(), 'spool'), durability })
  onTestFinished(() => spool.close())
  await append(spool, 'kept')
  return spool
}

function append(spool: Spool, type: string): Promise<void> {
  return spool.append(entry([type], spool.next)).durable
}

/** The numbers that the next process finds if this one is killed now. */
async function foundAfterKill({ directory }: Spool): Promise<number[]> {
  const found = await openSpool({ directory: leftBehind(directory) }, systemClock())
  const numbers = contents(found).map(([number]) => number)
  await found.close()
  return numbers
}

async function foundAfterClose(spool: Spool): Promise<number[]> {
  await spool.close()
  const again = await Spool.open({ directory: spool.directory })
  const numbers = contents(again).map(([number]) => number)
  await again.close()
  return numbers
}

async function expectFailed(spool: Spool, cause: Error, maybeKept: Promise<void>): Promise<void> {
  // Not written together with it.
  await new Promise<void>((resolve) => {
    process.nextTick(resolve)
  })
  const behind = append(spool, 'behind')
  await expect(maybeKept).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'maybe-kept', cause })
  expect(spool.messages).toBe(2)
  for (const later of [behind, append(spool, 'later')]) {
    await expect(later).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'spool-failed', cause })
  }
  expect(spool.messages).toBe(2)
  // It is not durable, so a sender must not send it.
  expect(contents(spool).map(([number]) => number)).toEqual([1])
}

describe('a record that cannot be forced to the disk', () => {
  it('is gone when its rejection is reported, and the spool goes on', async () => {
    const spool = await spoolWithOne('fsync')
    failing('sync', EIO)
    await expect(append(spool, 'refused')).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM', cause: EIO })
    expect(spool.messages).toBe(1)
    expect(await foundAfterKill(spool)).toEqual([1])
    await append(spool, 'next')
    expect(await foundAfterClose(spool)).toEqual([1, 3])
  })

  it('has an unknown fate if it cannot be removed either: the next process may have it', async () => {
    const spool = await spoolWithOne('fsync')
    failing('sync', EIO)
    failing('truncate', EIO, 2)
    await expectFailed(spool, EIO, append(spool, 'unknown'))
    expect(await foundAfterKill(spool)).toEqual([1, 2])
    expect(await foundAfterClose(spool)).toEqual([1, 2])
  })

  it('has an unknown fate if its removal cannot be forced to the disk', async () => {
    const spool = await spoolWithOne('fsync')
    failing('sync', EIO, 3)
    await expectFailed(spool, EIO, append(spool, 'unknown'))
  })
})

describe('a write that fails in the middle', () => {
  it('leaves an unknown fate if it cannot be undone', async () => {
    const spool = await spoolWithOne('process')
    vi.spyOn(LogFiles.prototype, 'write').mockImplementationOnce(({ descriptor }, [buffer], position) => {
      if (buffer !== undefined) writeSync(descriptor, buffer, 0, buffer.length, position)
      return Promise.reject(EIO)
    })
    failing('truncate', EIO, 2)
    await expectFailed(spool, EIO, append(spool, 'unknown'))
    expect(await foundAfterKill(spool)).toEqual([1, 2])
  })

  it('is undone with the space of the reserve if the full disk has none for that', async () => {
    const spool = await spoolWithOne('process')
    failing('write', ENOSPC)
    failing('truncate', ENOSPC)
    await expect(append(spool, 'refused')).rejects.toMatchObject({ reason: 'disk-full' })
    await append(spool, 'next')
    expect(await foundAfterClose(spool)).toEqual([1, 3])
  })
})
