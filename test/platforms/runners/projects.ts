// The test runners and their ways to evaluate modules, each with the test file that a user would write and the command that
// runs it. Must not know how packages get here.

/** A project of its own, with two test files that run in one process. */
export interface Project {
  readonly name: string
  /** The test runner: its package in node_modules of this checkout, or one that is fetched; none for node:test. */
  readonly runner?: { readonly name: string; readonly line?: string; readonly script: string }
  /** A package that the tests import. */
  readonly imports?: string
  readonly file: string
  readonly source: string
  readonly nodeOptions: readonly string[]
  readonly options: readonly string[]
}

const IMPORTS = `import * as api from 'sentinel-ipc'\nimport exercise from './exercise.cjs'\nconst { steps } = exercise\n`
const REQUIRES = `const api = require('sentinel-ipc')\nconst { steps } = require('./exercise.cjs')\n`
const DIRECTORY = `const directory = process.env.EXERCISE_DIRECTORY\n`
const TESTS = `for (const [name, step] of Object.entries(steps)) test(name, () => step(api, directory))\n`

/** The tests, and the tests again while `fake` has replaced timers and clocks. */
function source(head: string, fake: string, real: string): string {
  const faked = `  test(name + ', under fake timers', async () => {
    ${fake}
    try {
      await step(api, directory)
    } finally {
      ${real}
    }
  })`
  return `${head}${DIRECTORY}${TESTS}for (const [name, step] of Object.entries(steps))\n${faked}\n`
}

function jest(line: string): Project[] {
  const runner = { name: 'jest', line, script: 'bin/jest.js' }
  const [fake, real] = ['jest.useFakeTimers()', 'jest.useRealTimers()']
  const options = ['--ci', '--runInBand', '--config', '{"transform":{},"testMatch":["**/*.test.*js"]}']
  return [
    {
      name: `jest ${line}, CommonJS`,
      runner,
      file: 'test.cjs',
      source: source(REQUIRES, fake, real),
      nodeOptions: [],
      options,
    },
    {
      name: `jest ${line}, ES modules`,
      runner,
      file: 'test.mjs',
      source: source(`import { jest } from '@jest/globals'\n${IMPORTS}`, fake, real),
      nodeOptions: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
      options,
    },
  ]
}

const vitest: Project[] = ['threads', 'forks', 'vmThreads', 'vmForks'].map((pool) => ({
  name: `vitest, ${pool}`,
  runner: { name: 'vitest', script: 'vitest.mjs' },
  file: 'test.mjs',
  source: source(
    `import { test, vi } from 'vitest'\n${IMPORTS}`,
    `vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate', 'Date', 'performance', 'queueMicrotask'] })`,
    'vi.useRealTimers()',
  ),
  nodeOptions: [],
  options: ['run', `--pool=${pool}`, '--maxWorkers=1'],
}))

const nodeTest = { nodeOptions: [], options: ['--test', '--test-concurrency=1'] }
const mocked = `mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })`
// Without nextTick, which node:test itself needs to go on.
const sinon = `const clock = sinon.useFakeTimers({
      toFake: ['setTimeout', 'setInterval', 'setImmediate', 'Date', 'performance', 'hrtime', 'queueMicrotask'],
    })`

export const projects: readonly Project[] = [
  ...jest('29'),
  ...jest('30'),
  ...vitest,
  {
    ...nodeTest,
    name: 'node:test, CommonJS',
    file: 'test.cjs',
    source: source(`const { mock, test } = require('node:test')\n${REQUIRES}`, mocked, 'mock.timers.reset()'),
  },
  {
    ...nodeTest,
    name: 'node:test, ES modules, timers of sinon',
    imports: 'sinon',
    file: 'test.mjs',
    source: source(
      `import { test } from 'node:test'\nimport sinon from 'sinon'\n${IMPORTS}`,
      sinon,
      'clock.restore()',
    ),
  },
]
