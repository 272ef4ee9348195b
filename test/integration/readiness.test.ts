// What keeps a process alive: a connected descriptor that something waits for, counted once, and nothing else.

import { execFileSync } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

const READ = [true, false] as const
const WRITE = [false, true] as const
const NOTHING = [false, false] as const

/** Long enough for a process that nothing keeps to end. */
const LONG_MS = 1500

async function endOf(steps: readonly unknown[], env?: NodeJS.ProcessEnv): Promise<unknown> {
  const child = startChild(
    'wanting',
    { directory: temporaryDirectory(), steps },
    env === undefined ? {} : { env },
  )
  let said = await child.report()
  const failed = said
  if (said !== 'done') said = await child.report()
  expect(said).toBe('done')
  const alive = new Promise((resolve) => setTimeout(resolve, LONG_MS, 'alive'))
  const end = await Promise.race([child.exited.then(([code]) => code), alive])
  return failed === 'done' ? end : [failed, end]
}

describe('a process that waits for a connection', () => {
  it.each([
    ['reading', [['want', 0, ...READ]]],
    [
      'one of two',
      [
        ['want', 0, ...READ],
        ['want', 1, ...READ],
        ['want', 1, ...NOTHING],
      ],
    ],
    [
      'again',
      [
        ['want', 0, ...READ],
        ['keepAlive', 0, false],
        ['keepAlive', 0, true],
      ],
    ],
    [
      'one of two that are unref’d',
      [
        ['want', 0, ...READ],
        ['want', 1, ...READ],
        ['keepAlive', 0, false],
      ],
    ],
  ])('stays alive: %s', async (_what, steps) => {
    expect(await endOf(steps)).toBe('alive')
  })

  it.each([
    ['nothing was waited for', []],
    [
      'it stopped',
      [
        ['want', 0, ...READ],
        ['want', 0, ...NOTHING],
      ],
    ],
    [
      'it stopped after it had waited twice',
      [
        ['want', 0, ...READ],
        ['want', 0, ...READ],
        ['want', 0, ...NOTHING],
      ],
    ],
    [
      'it stopped twice',
      [
        ['want', 0, ...READ],
        ['want', 1, ...NOTHING],
        ['want', 0, ...NOTHING],
      ],
    ],
    [
      'it was closed',
      [
        ['want', 0, ...READ],
        ['want', 1, ...WRITE],
        ['close', 0],
        ['close', 1],
      ],
    ],
    [
      'it was closed twice',
      [
        ['want', 0, ...READ],
        ['close', 0],
        ['close', 0],
        ['want', 1, ...NOTHING],
      ],
    ],
    [
      'it was unref’d',
      [
        ['want', 0, ...READ],
        ['keepAlive', 0, false],
      ],
    ],
    [
      'it was unref’d before',
      [
        ['keepAlive', 0, false],
        ['want', 0, ...READ],
      ],
    ],
    [
      'it was unref’d and closed',
      [
        ['want', 0, ...READ],
        ['keepAlive', 0, false],
        ['close', 0],
      ],
    ],
  ])('ends: %s', async (_what, steps) => {
    expect(await endOf(steps)).toBe(0)
  })
})

// A sanitizer's runtime must be loaded first.
describe.skipIf(process.env['SANITIZED'] === '1')('a wait that fails', () => {
  const shim = fileURLToPath(new URL('../../out/test/faults-readiness.so', import.meta.url))

  beforeAll(() => {
    const source = fileURLToPath(new URL('../native/faults/faults.c', import.meta.url))
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-o', shim, source, '-ldl'])
  })

  it('does not keep the process alive', async () => {
    const env = { ...process.env, LD_PRELOAD: shim, FAULTS: `epoll_ctl:${constants.errno.ENOMEM}:1` }
    expect(await endOf([['want', 0, ...READ]], env)).toEqual([{ failed: 'epoll_ctl' }, 0])
  })
})
