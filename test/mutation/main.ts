// Removes checks of the library one at a time, each in a copy, and runs the tests that must notice. A removal that no test
// notices fails the run. Usage: npm run test:mutation -- [--only TEXT]

import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { deliveryMutations } from './delivery.js'
import type { Mutation } from './mutation.js'
import { servicesMutations } from './services.js'

/** Add the lists of other parts here. */
const MUTATIONS: readonly Mutation[] = [...deliveryMutations, ...servicesMutations]

const root = fileURLToPath(new URL('../../..', import.meta.url))
/** A test that a mutation makes hang has noticed it as well. */
const TIMEOUT_MS = 180_000
const TEST_TIMEOUT_MS = 10_000

interface Verdict {
  readonly caughtBy: readonly string[]
  readonly output: string
}

/** A copy of everything that the unit tests need. */
function makeCopy(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-mutation-'))
  for (const part of ['lib', 'test', 'release', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(directory, part), { recursive: true })
  }
  for (const part of ['node_modules', 'build', 'prebuilds', 'dist', 'out']) {
    symlinkSync(join(root, part), join(directory, part))
  }
  return directory
}

function mutate(directory: string, { file, from, to }: Mutation): () => void {
  const path = join(directory, file)
  const source = readFileSync(path, 'utf8')
  const found = source.split(from).length - 1
  if (found !== 1) throw new Error(`${file} has ${found} times, not once: ${from}`)
  writeFileSync(
    path,
    source.replace(from, () => to),
  )
  return () => {
    writeFileSync(path, source)
  }
}

function runTests(directory: string, tests: readonly string[]): Promise<Verdict> {
  const args = ['vitest', 'run', '--config', 'test/vitest.config.ts', '--reporter', 'json']
  const options = {
    cwd: directory,
    timeout: TIMEOUT_MS,
    maxBuffer: 1 << 26,
    env: { ...process.env, CI: '1' },
  }
  return new Promise((resolve) => {
    execFile(
      'npx',
      [...args, `--testTimeout=${TEST_TIMEOUT_MS}`, ...tests],
      options,
      (error, stdout, stderr) => {
        resolve({ caughtBy: error === null ? [] : failedIn(stdout), output: stdout + stderr })
      },
    )
  })
}

/** The names of the tests that failed; something else if the run itself did. */
function failedIn(stdout: string): string[] {
  try {
    const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
      testResults: { assertionResults: { status: string; fullName: string }[] }[]
    }
    const results = report.testResults.flatMap(({ assertionResults }) => assertionResults)
    const failed = results.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName)
    return failed.length > 0 ? failed : ['the run as a whole']
  } catch {
    return ['the run as a whole']
  }
}

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const chosen = MUTATIONS.filter(({ name, file }) => `${name} ${file}`.includes(values.only))
const directory = makeCopy()
let missed = 0
try {
  const tests = [...new Set(chosen.flatMap((each) => each.tests))]
  const { caughtBy, output } = await runTests(directory, tests)
  if (caughtBy.length > 0) {
    throw new Error(`tests fail without any mutation: ${caughtBy.join('; ')}\n${output.slice(-4000)}`)
  }
  for (const mutation of chosen) {
    const undo = mutate(directory, mutation)
    const verdict = await runTests(directory, mutation.tests)
    undo()
    if (verdict.caughtBy.length === 0) ++missed
    const [first] = verdict.caughtBy
    const more = verdict.caughtBy.length > 1 ? ` (and ${verdict.caughtBy.length - 1} more)` : ''
    console.log(
      first === undefined ? `MISSED  ${mutation.name}` : `caught  ${mutation.name}: ${first}${more}`,
    )
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
console.log(`${chosen.length - missed} of ${chosen.length} mutations caught`)
process.exitCode = missed === 0 ? 0 : 1
