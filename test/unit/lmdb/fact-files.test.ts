// The files of a fact store on disk: who can read, replace or redirect them, and what a full disk does.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { LmdbFactStore, type LmdbFactStoreOptions } from '../../../lib/lmdb/fact-store.js'
import { temporaryDirectory } from '../../support/directory.js'
import { fact, facts } from '../../support/facts.js'
import { windows } from '../../support/platform.js'
import { rejectionOf } from '../../support/wait.js'

const root = process.getuid?.() === 0
const UNSAFE = { code: 'ERR_IPC_UNSAFE_PATH', reason: 'unsafe-fact-store' }

/** The locks that processes hold on a file (proc_locks(5)). */
function locksOn(path: string): string[] {
  const inode = statSync(path).ino
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`:${inode} `))
    .map((line) => line.replace(/^\d+: /, ''))
}

/** A directory with a store that was closed. */
async function closedStore(): Promise<string> {
  const path = join(temporaryDirectory(), 'facts')
  const store = await LmdbFactStore.open(path)
  await store.addBatch(facts(10))
  await store.close()
  return path
}

describe.skipIf(windows)('the files of a fact store', () => {
  it('are open to this user alone, whatever the umask and the name of the directory', async () => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const path = join(temporaryDirectory(), 'made', 'facts.db')
    const store = await LmdbFactStore.open(path)
    await store.add(fact('x'))
    await store.close()
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb'])
    for (const file of readdirSync(path)) expect(statSync(join(path, file)).mode & 0o777).toBe(0o600)
  })

  it.each<[string, (path: string) => void]>([
    [
      'that others may read',
      (path) => {
        chmodSync(join(path, 'data.mdb'), 0o644)
      },
    ],
    [
      'in a directory that others may write to',
      (path) => {
        chmodSync(path, 0o777)
      },
    ],
    [
      'with a hard link elsewhere',
      (path) => {
        linkSync(join(path, 'data.mdb'), join(path, '..', 'other'))
      },
    ],
    [
      'with a hard link of the lock',
      (path) => {
        linkSync(join(path, 'lock.mdb'), join(path, '..', 'other'))
      },
    ],
    [
      'that are symbolic links',
      (path) => {
        renameSync(join(path, 'data.mdb'), join(path, '..', 'elsewhere'))
        symlinkSync('../elsewhere', join(path, 'data.mdb'))
      },
    ],
    [
      'in a directory that others may enter',
      (path) => {
        chmodSync(path, 0o755)
      },
    ],
    [
      'below a directory that others may write to',
      (path) => {
        chmodSync(join(path, '..'), 0o777)
      },
    ],
    [
      'that were cut short',
      (path) => {
        truncateSync(join(path, 'data.mdb'), 12_288)
      },
    ],
    [
      'that are no database',
      (path) => {
        writeFileSync(join(path, 'data.mdb'), Buffer.alloc(65_536, 7))
      },
    ],
  ])('%s are refused', async (_what, spoil) => {
    const path = await closedStore()
    spoil(path)
    expect(await rejectionOf(LmdbFactStore.open(path))).toMatchObject(UNSAFE)
  })

  it.skipIf(!root).each<[string, (path: string) => void]>([
    [
      'the directory',
      (path) => {
        chownSync(path, 1234, 1234)
      },
    ],
    [
      'the database',
      (path) => {
        chownSync(join(path, 'data.mdb'), 1234, 1234)
      },
    ],
    [
      'the lock',
      (path) => {
        chownSync(join(path, 'lock.mdb'), 1234, 1234)
      },
    ],
    [
      'what is above',
      (path) => {
        chownSync(join(path, '..'), 1234, 1234)
      },
    ],
  ])('are refused if another user owns %s', async (_what, spoil) => {
    const path = await closedStore()
    spoil(path)
    expect(await rejectionOf(LmdbFactStore.open(path))).toMatchObject({
      ...UNSAFE,
      message: expect.stringContaining('belongs to user 1234') as string,
    })
  })

  it.skipIf(process.platform !== 'linux')('keep their locks when the process opens them again', async () => {
    const path = join(temporaryDirectory(), 'facts')
    const store = await LmdbFactStore.open(path)
    const held = locksOn(join(path, 'lock.mdb'))
    expect(held.length).toBeGreaterThan(0)
    const again = await LmdbFactStore.open(path)
    expect(locksOn(join(path, 'lock.mdb'))).toEqual(expect.arrayContaining(held))
    await again.close()
    await store.close()
  })

  it('must be named, and take their options by name', async () => {
    expect(await rejectionOf(LmdbFactStore.open(''))).toBeInstanceOf(TypeError)
    expect(await rejectionOf(LmdbFactStore.open('x', { mapSize: 5 }))).toBeInstanceOf(RangeError)
    const misspelt = { mapsize: 1 << 30 } as LmdbFactStoreOptions
    expect(await rejectionOf(LmdbFactStore.open('x', misspelt))).toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('did you mean mapSize?') as string,
    })
  })
})

const CHILD = fileURLToPath(new URL('../../../out/test/support/children/swarm-full-disk.js', import.meta.url))

describe.skipIf(!root || process.platform !== 'linux')('a fact store on a file system that is full', () => {
  function smallFileSystem(size: string): string {
    const directory = join(temporaryDirectory(), 'small')
    mkdirSync(directory)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', directory])
    if (mounted.status !== 0) return ''
    onTestFinished(() => void spawnSync('umount', ['-l', directory]))
    return directory
  }

  it('rejects what does not fit, and goes on', ({ skip }) => {
    const directory = smallFileSystem('6m')
    if (directory === '') skip('tmpfs cannot be mounted here')
    const { stdout, status, signal } = spawnSync(process.execPath, [CHILD, join(directory, 'facts')], {
      encoding: 'utf8',
    })
    expect([status, signal]).toEqual([0, null])
    const { code, added, counted, known } = JSON.parse(stdout) as Record<string, unknown>
    expect(code).toBe('ERR_FACT_STORE_FULL')
    expect(added).toBeGreaterThan(100)
    expect([counted, known]).toEqual([added, 100])
  })

  it('cannot be made, and says so', async ({ skip }) => {
    const directory = smallFileSystem('64k')
    if (directory === '') skip('tmpfs cannot be mounted here')
    try {
      for (let i = 0; i < 100; ++i) writeFileSync(join(directory, `fill-${i}`), Buffer.alloc(4096))
    } catch {
      // Full, as it should be.
    }
    expect(await rejectionOf(LmdbFactStore.open(join(directory, 'facts')))).toMatchObject({
      code: 'ERR_FACT_STORE_FULL',
    })
  })
})
