// Whose files a spool uses. The parts that need other users run as root only.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { entry, opened } from '../../support/spool.js'
import { segmentsOf } from '../../support/spool-files.js'
import { rejectionOf } from '../../support/wait.js'

const root = process.getuid?.() === 0
const why = root ? '' : ' (skipped: needs root to act as other users)'
const ALICE = 23_456
const GROUP = 24_242
const UNSAFE = { code: 'ERR_IPC_UNSAFE_PATH' }

async function refusal(directory: string): Promise<unknown> {
  const refused = await rejectionOf(Spool.open({ directory }))
  expect(await rejectionOf(Spool.inspect(directory))).toMatchObject({ code: expect.any(String) as string })
  return refused
}

async function filled(): Promise<string> {
  const directory = join(temporaryDirectory(), 'spool')
  const spool = await Spool.open({ directory })
  await spool.append(entry(['a', 'b'], 1)).durable
  await spool.close()
  return directory
}

/** A private directory as `path` that holds the file system entry that `make` makes there. */
function holding(name: string, make: (path: string) => void): string {
  const directory = join(temporaryDirectory(), 'spool')
  mkdirSync(directory, { mode: 0o700 })
  make(join(directory, name))
  return directory
}

describe('a spool refuses', () => {
  it.each(['755', '770', '701', '777', '1777'])('a directory of mode %s', async (digits) => {
    const mode = Number.parseInt(digits, 8)
    const directory = await filled()
    chmodSync(directory, mode)
    expect(await refusal(directory)).toMatchObject(UNSAFE)
    expect(statSync(directory).mode & 0o7777).toBe(mode)
  })

  it('a directory below one that others may write to', async () => {
    const above = temporaryDirectory()
    chmodSync(above, 0o777)
    expect(await refusal(join(above, 'spool'))).toMatchObject(UNSAFE)
    expect(readdirSync(above)).toEqual([])
  })

  it.each(['lock', '0000000000000001.log'])(
    'a %s that is a link, has a second name, or is open',
    async (name) => {
      const elsewhere = join(temporaryDirectory(), 'file')
      writeFileSync(elsewhere, 'mine', { mode: 0o600 })
      const linked = holding(name, (path) => {
        symlinkSync(elsewhere, path)
      })
      expect(await rejectionOf(Spool.open({ directory: linked }))).toMatchObject(UNSAFE)
      const named = holding(name, (path) => {
        linkSync(elsewhere, path)
      })
      expect(await rejectionOf(Spool.open({ directory: named }))).toMatchObject(UNSAFE)
      const readable = holding(name, (path) => {
        writeFileSync(path, '', { mode: 0o644 })
      })
      expect(await rejectionOf(Spool.open({ directory: readable }))).toMatchObject(UNSAFE)
      const fifo = holding(name, (path) => {
        execFileSync('mkfifo', ['-m', '600', path])
      })
      expect(await rejectionOf(Spool.open({ directory: fifo }))).toMatchObject(UNSAFE)
      expect(statSync(elsewhere)).toMatchObject({ size: 4 })
      expect(statSync(elsewhere).mode & 0o777).toBe(0o600)
    },
  )

  it('nothing for files that are not its own, which stay', async () => {
    const directory = holding('lost+found', (path) => {
      mkdirSync(path)
    })
    writeFileSync(join(directory, 'note.log'), 'x')
    const spool = await opened(directory)
    await spool.append(entry(['a'], 1)).durable
    expect(readdirSync(directory).sort()).toEqual([
      '0000000000000001.log',
      'lock',
      'lost+found',
      'note.log',
      'reserve',
    ])
  })
})

it('a spool follows links of its own user', async () => {
  const directory = await filled()
  const link = join(temporaryDirectory(), 'link')
  symlinkSync(join(directory, '..'), link)
  const spool = await opened(join(link, 'spool'))
  expect(spool.messages).toBe(2)
})

it('an open spool keeps its directory, whatever takes its path', async () => {
  const directory = await filled()
  const spool = await opened(directory, { segmentBytes: 4096 })
  renameSync(directory, `${directory}-moved`)
  mkdirSync(directory, { mode: 0o700 })
  for (let i = 0; i < 10; ++i)
    await spool.append(
      entry(
        Array.from({ length: 50 }, () => 'a'),
        spool.next,
      ),
    ).durable
  expect(readdirSync(directory)).toEqual([])
  expect(segmentsOf(`${directory}-moved`).length).toBeGreaterThan(2)
})

describe.skipIf(!root)(`files of other users${why}`, () => {
  it('are refused: the directory, one above it, the lock, a segment', async () => {
    for (const path of ['.', '..', 'lock', '0000000000000001.log']) {
      const directory = await filled()
      chownSync(join(directory, path), ALICE, ALICE)
      expect(await rejectionOf(Spool.open({ directory }))).toMatchObject(UNSAFE)
    }
  })

  it('are refused as links in the path, in a sticky directory and in one of a group', async () => {
    for (const mode of [0o1777, 0o3770]) {
      const above = temporaryDirectory()
      const target = temporaryDirectory()
      chownSync(above, 0, GROUP)
      chmodSync(above, mode)
      execFileSync('setpriv', [
        `--reuid=${ALICE}`,
        `--regid=${GROUP}`,
        '--clear-groups',
        'ln',
        '-s',
        target,
        join(above, 'soc'),
      ])
      expect(await refusal(join(above, 'soc', 'spool'))).toMatchObject({
        ...UNSAFE,
        message: expect.stringContaining(
          `symbolic link ${join(above, 'soc')} belongs to user ${ALICE}`,
        ) as string,
      })
      expect(readdirSync(target)).toEqual([])
    }
  })
})
