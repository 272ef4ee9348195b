// The writer of the log when something fails: every job hears of it, and the writer goes on.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { LogFiles } from '../../../lib/spool/log-files.js'
import { LogWriter } from '../../../lib/spool/log-writer.js'
import { Reserve } from '../../../lib/spool/reserve.js'
import { temporaryDirectory } from '../../support/directory.js'

async function writerIn(directory: string, start: () => Buffer): Promise<LogWriter> {
  const files = await LogFiles.open(directory, 'claim')
  onTestFinished(() => {
    files.close()
  })
  return new LogWriter({
    files,
    reserve: new Reserve(files),
    nextSequence: 1,
    segmentBytes: 1 << 20,
    sync: false,
    start,
    onSegment: () => undefined,
  })
}

/** Enqueues a job. Resolves with whether it was written. */
function written(writer: LogWriter, make: () => Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    writer.enqueue({
      make,
      sync: true,
      urgent: false,
      onWritten: () => {
        resolve(true)
      },
      onFailed: () => {
        resolve(false)
      },
    })
  })
}

const value = (): Buffer => Buffer.from('value')

describe('the log writer', () => {
  it('fails 200,000 waiting jobs if no segment can be created', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const writer = await writerIn(directory, value)
    rmSync(directory, { recursive: true })
    const jobs = Array.from({ length: 200_000 }, () => written(writer, value))
    expect(new Set(await Promise.all(jobs))).toEqual(new Set([false]))
    await writer.idle()
  })

  it('fails the jobs that wait if the start record cannot be made, and goes on', async () => {
    let broken = true
    const writer = await writerIn(join(temporaryDirectory(), 'spool'), () => {
      if (broken) throw new RangeError('too long')
      return value()
    })
    expect(await Promise.all([written(writer, value), written(writer, value)])).toEqual([false, false])
    await writer.idle()
    broken = false
    expect(await written(writer, value)).toBe(true)
  })

  it('fails the group of a job whose record cannot be made, and goes on', async () => {
    const writer = await writerIn(join(temporaryDirectory(), 'spool'), value)
    const jobs = [
      written(writer, value),
      written(writer, () => {
        throw new RangeError('too long')
      }),
    ]
    const next = written(writer, value)
    expect(await Promise.all([...jobs, next])).toEqual([false, false, true])
    await writer.idle()
  })
})
