// Polling gives way: where it does not pay, and where others want the processor that it occupies.

import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const hasCompiler = spawnSync('c++', ['--version']).status === 0
const hasTaskset = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0

describe.skipIf(!hasCompiler)('the rules of polling and of rounds (skipped without a compiler)', () => {
  it.each([
    ['poll_history', 'make polls rare that do not pay'],
    ['contention', 'stop polling where the scheduler preempts it'],
    ['read_rounds', 'end when all that was ready has been read'],
  ])('%s: %s', (name) => {
    const program = join(temporaryDirectory(), name)
    execFileSync('c++', [
      '-std=c++17',
      `-I${join(root, 'native')}`,
      join(root, `test/native/readiness/${name}_test.cc`),
      '-o',
      program,
    ])
    const { status, stdout } = spawnSync(program, { encoding: 'utf8' })
    expect([stdout, status]).toEqual(['', 0])
  })
})

describe.skipIf(!hasTaskset)('two processes on one processor (skipped without taskset)', () => {
  it('seldom poll, even if told to', async () => {
    const waits = 2000
    const onOne = { execPath: 'taskset', execArgv: ['-c', '0', process.execPath] }
    const polls = await startChild(
      'polling-together',
      { directory: temporaryDirectory(), waits },
      onOne,
    ).report()
    expect(polls).toBeLessThan(waits / 4)
  })
})
