// A copy of the project in which checks are removed. Native code is compiled in it by make, which has the objects of the
// project's own build to begin with, so that a removal costs one file and a link.

import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { transform } from 'esbuild'

import { countOf, type Mutation } from './mutation.js'

/** A test that a mutation makes hang has noticed it as well. */
const TIMEOUT_MS = 180_000
const TEST_TIMEOUT_MS = 30_000

/** Where make keeps, for each object, the files that it is made of. */
const DEPENDENCIES = 'build/Release/.deps'

const run = promisify(execFile)

export interface Verdict {
  /** Names of the tests that failed; empty if all passed. */
  readonly caughtBy: readonly string[]
  /** How many tests ran and passed. */
  readonly passed: number
  /** How many tests there are by the names that were asked for, run or skipped. */
  readonly chosen: number
  readonly output: string
}

export class Copy {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sipc-mutation-'))

  constructor(root: string) {
    // With their times, which make compares. `dist` and `out` are what child processes of the tests run.
    const parts = ['lib', 'test', 'release', 'native', 'build', 'dist', 'out', 'prebuilds']
    const files = ['package.json', 'tsconfig.json', 'binding.gyp', 'SECURITY.md']
    for (const part of [...parts, ...files].filter((name) => existsSync(join(root, name)))) {
      cpSync(join(root, part), join(this.#directory, part), { recursive: true, preserveTimestamps: true })
    }
    symlinkSync(join(root, 'node_modules'), join(this.#directory, 'node_modules'))
    this.#allowWarnings()
    // The tests run as other users, too.
    execFileSync('chmod', ['755', this.#directory])
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /**
   * A check that is removed may leave a parameter unused. The commands by which the objects were made are changed as well:
   * make compiles again what was made by another command.
   */
  #allowWarnings(): void {
    const build = join(this.#directory, 'build')
    const made = readdirSync(build, { recursive: true, encoding: 'utf8' })
    for (const file of made.filter((name) => /\.(?:mk|d)$/.test(name))) {
      const path = join(build, file)
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/\s-Werror(?= )/g, ''))
    }
  }

  /** Removes a check. Resolves with a function that restores it. Rejects if the mutant does not compile. */
  async mutate(mutation: Mutation): Promise<() => void> {
    const { file, from, to, bundled = false } = mutation
    const path = join(this.#directory, file)
    const source = readFileSync(path, 'utf8')
    if (countOf(from, source) !== 1) {
      throw new Error(`${file} has ${countOf(from, source)} times, not once: ${from}`)
    }
    const mutated = source.replace(from, () => to)
    const undo = [this.#keep(file)]
    const restore = (): void => {
      for (const each of undo) each()
    }
    try {
      writeFileSync(path, mutated)
      if (file.startsWith('native/')) {
        undo.push(...this.#madeOf(file).map((each) => this.#keep(each)))
        await this.#compile()
      }
      if (bundled) {
        const compiled = join('out', file.replace(/\.ts$/, '.js'))
        undo.push(this.#keep(compiled), this.#keep('dist'))
        const { code } = await transform(mutated, { loader: 'ts', format: 'esm', target: 'node20' })
        writeFileSync(join(this.#directory, compiled), code)
        await run(process.execPath, [join(this.#directory, 'out/release/bundle.js')], {
          cwd: this.#directory,
        })
      }
    } catch (error) {
      restore()
      throw error
    }
    return restore
  }

  /** What make makes again when a native file changes, as the lists say that the compiler wrote of what it included. */
  #madeOf(file: string): string[] {
    const lists = readdirSync(join(this.#directory, DEPENDENCIES), { recursive: true, encoding: 'utf8' })
    const objects = lists
      .filter((name) => name.endsWith('.o.d'))
      .filter((name) => wordsOf(join(this.#directory, DEPENDENCIES, name)).includes(`../${file}`))
      .flatMap((name) => [join(DEPENDENCIES, name), join('build', name.slice(0, -'.d'.length))])
    if (objects.length === 0) throw new Error(`no object in ${DEPENDENCIES} is made of ${file}`)
    return [...objects, 'build/Release/sentinel_ipc.node', 'build/Release/obj.target/sentinel_ipc.node']
  }

  /** `-o Makefile`: what node-gyp made it from may be elsewhere. */
  async #compile(): Promise<void> {
    await run('make', ['-C', 'build', '-o', 'Makefile', 'BUILDTYPE=Release', '-j2'], {
      cwd: this.#directory,
      maxBuffer: 1 << 26,
    })
  }

  /** Returns a function that brings a file or a folder back as it is now, with its times. */
  #keep(name: string): () => void {
    const path = join(this.#directory, name)
    const kept = join(this.#directory, `kept-${name.replaceAll('/', '-')}`)
    const options = { recursive: true, preserveTimestamps: true, force: true }
    if (existsSync(path)) cpSync(path, kept, options)
    return () => {
      // Removed first: a process that has not ended may still have mapped the binary.
      rmSync(path, { recursive: true, force: true })
      if (existsSync(kept)) cpSync(kept, path, options)
      rmSync(kept, { recursive: true, force: true })
    }
  }

  async runTests({ tests, named }: Pick<Mutation, 'tests' | 'named'>): Promise<Verdict> {
    const vitest = join(this.#directory, 'node_modules/vitest/vitest.mjs')
    // The first test that notices is enough.
    const args = [vitest, 'run', '--config', 'test/vitest.config.ts', '--reporter', 'json', '--bail', '1']
    const chosen = named === undefined ? [] : ['-t', named]
    const { succeeded, stdout, stderr } = await runGroup(
      [...args, `--testTimeout=${TEST_TIMEOUT_MS}`, ...chosen, ...tests],
      this.#directory,
    )
    return { ...outcomeOf(stdout, named), ...(succeeded && { caughtBy: [] }), output: stdout + stderr }
  }
}

/**
 * Runs Node in a process group of its own, and ends the whole group after {@link TIMEOUT_MS}: a worker that a mutation makes
 * turn in a loop would outlive vitest.
 */
async function runGroup(
  args: string[],
  cwd: string,
): Promise<{ succeeded: boolean; stdout: string; stderr: string }> {
  const env = { ...process.env, CI: '1', MUTATION: '1' }
  const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const endGroup = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  const timer = setTimeout(endGroup, TIMEOUT_MS)
  process.once('exit', endGroup)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[code: number | null]>,
  ])
  clearTimeout(timer)
  process.off('exit', endGroup)
  return { succeeded: code === 0, stdout, stderr }
}

function wordsOf(path: string): string[] {
  return readFileSync(path, 'utf8').split(/\s+/)
}

/** The names of the tests that failed, or something else if the run itself did; how many passed, and how many there are. */
function outcomeOf(stdout: string, named = ''): Pick<Verdict, 'caughtBy' | 'passed' | 'chosen'> {
  try {
    const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
      testResults: { assertionResults: { status: string; fullName: string }[] }[]
    }
    const results = report.testResults.flatMap(({ assertionResults }) => assertionResults)
    const failed = results.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName)
    const passed = results.filter(({ status }) => status === 'passed').length
    const chosen = results.filter(({ fullName }) => new RegExp(named).test(fullName)).length
    return { caughtBy: failed.length > 0 ? failed : ['the run as a whole'], passed, chosen }
  } catch {
    return { caughtBy: ['the run as a whole'], passed: -1, chosen: -1 }
  }
}
