// Polling gives way: where the scheduler leaves one processor only, and where others want the one that it occupies.

import { execFileSync, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { startChild, type ChildOptions } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const hasCompiler = spawnSync('c++', ['--version']).status === 0
const hasTaskset = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0

describe('contention of the processor', () => {
  it.skipIf(!hasCompiler)('bans polling for a while after preemptions (skipped without a compiler)', () => {
    const program = join(temporaryDirectory(), 'contention')
    execFileSync('c++', [
      '-std=c++17',
      `-I${join(root, 'native')}`,
      join(root, 'test/native/readiness/contention_test.cc'),
      '-o',
      program,
    ])
    const { status, stdout } = spawnSync(program, { encoding: 'utf8' })
    expect([stdout, status]).toEqual(['', 0])
  })
})

describe.skipIf(!hasTaskset)('a process of one processor (skipped without taskset)', () => {
  const pollsOf = async (options: ChildOptions): Promise<number> =>
    startChild('polling-alone', { directory: temporaryDirectory() }, options).report()

  it('never polls, even if told to', async () => {
    const onOne = { execPath: 'taskset', execArgv: ['-c', '0', process.execPath] }
    expect(await pollsOf(onOne)).toBe(0)
  })

  it.skipIf(availableParallelism() < 2)('polls where it has more', async () => {
    expect(await pollsOf({})).toBeGreaterThan(0)
  })
})
