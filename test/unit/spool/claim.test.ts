// Who may open a spool: one opener at a time across processes, threads, containers and users, until it ends.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'

import { Spool } from '../../../lib/spool/spool.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'
import { contents, opened } from '../../support/spool.js'
import { rejectionOf } from '../../support/wait.js'

const holder = fileURLToPath(new URL('../../../out/test/support/children/spool-holder.js', import.meta.url))
const IN_USE = { code: 'ERR_IPC_ADDRESS_IN_USE', reason: 'spool-in-use' }

async function startWorker(directory: string): Promise<{ worker: Worker; report: unknown }> {
  const worker = new Worker(holder, { workerData: { directory } })
  onTestFinished(async () => {
    await worker.terminate()
  })
  const [report] = (await once(worker, 'message')) as [unknown]
  return { worker, report }
}

function canUnshare(): boolean {
  try {
    execFileSync('unshare', ['-p', '-f', '--mount-proc', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe('a claim', () => {
  it('excludes other processes, and ends with its own, however that ends', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const child = startChild('spool-holder', { directory })
    expect(await child.report()).toEqual({ opened: 1 })
    expect(await rejectionOf(Spool.open({ directory }))).toMatchObject(IN_USE)
    await child.kill('SIGKILL')
    await opened(directory)
    const second = startChild('spool-holder', { directory })
    expect(await second.report()).toEqual({ failed: IN_USE.code })
  })

  it('excludes other threads of the process, and ends with its own', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    const { worker, report } = await startWorker(directory)
    expect(report).toEqual({ opened: 1 })
    expect(await rejectionOf(Spool.open({ directory }))).toMatchObject(IN_USE)
    expect((await startWorker(directory)).report).toEqual({ failed: IN_USE.code })
    await worker.terminate()
    const spool = await opened(directory)
    await spool.close()
    expect((await startWorker(directory)).report).toEqual({ opened: 1 })
  })

  it('ends with a thread that is terminated while it writes, and nothing kept is lost', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    let kept = 0
    for (let round = 0; round < 10; ++round) {
      const { worker, report } = await startWorker(directory)
      expect(report).toMatchObject({ opened: expect.any(Number) as number })
      worker.on('message', (message: { kept: number }) => (kept = message.kept))
      worker.postMessage({ append: 1_000_000 })
      await once(worker, 'message')
      await new Promise((resolve) => setTimeout(resolve, round * 3))
      await worker.terminate()
      const spool = await Spool.open({ directory, onDamage: () => undefined })
      const numbers = contents(spool).map(([number]) => number)
      expect(numbers).toEqual(numbers.map((_, i) => i + 1))
      expect(numbers.length).toBeGreaterThanOrEqual(kept)
      await spool.close()
    }
  })

  const unshares = canUnshare()
  it.skipIf(!unshares)(
    `excludes other containers, which count processes from 1${unshares ? '' : ' (skipped: needs unshare -p)'}`,
    async () => {
      const directory = join(temporaryDirectory(), 'spool')
      const inContainer = async (): Promise<unknown> => {
        const container = spawn(
          'unshare',
          ['-p', '-f', '--mount-proc', process.execPath, holder, JSON.stringify({ directory })],
          {
            stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          },
        )
        onTestFinished(() => void container.kill('SIGKILL'))
        const [report] = (await once(container, 'message')) as [unknown]
        return report
      }
      expect(await inContainer()).toEqual({ opened: 1 })
      expect(await inContainer()).toEqual({ failed: IN_USE.code })
    },
  )

  it('of a directory is refused while its lock file cannot be locked, and leaves no descriptor', async () => {
    const directory = join(temporaryDirectory(), 'spool')
    mkdirSync(directory, { mode: 0o700 })
    mkdirSync(join(directory, 'lock'))
    expect(await rejectionOf(Spool.open({ directory }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
  })
})

describe('a process that is killed', () => {
  it.each(['process', 'fsync'])(
    'at any moment loses nothing that was kept, and reuses no number (durability %s)',
    async (durability) => {
      const directory = join(temporaryDirectory(), 'spool')
      let kept = 0
      for (let round = 0; round < 8; ++round) {
        const child = startChild('spool-holder', { directory, durability, segmentBytes: 65_536 })
        expect(await child.report()).toEqual({ opened: expect.any(Number) as number })
        child.send({ append: 1_000_000 })
        const until = Date.now() + 20 + 13 * round
        do ({ kept } = await child.report<{ kept: number }>())
        while (Date.now() < until)
        await child.kill()
        const spool = await Spool.open({ directory, onDamage: () => undefined })
        const numbers = contents(spool).map(([number]) => number)
        expect(numbers).toEqual(numbers.map((_, i) => i + 1))
        expect(numbers.length).toBeGreaterThanOrEqual(kept)
        expect(spool.next).toBe(numbers.length + 1)
        await spool.close()
      }
    },
    60_000,
  )
})
