// Runs the command line as a user does: the bundled file in a process of its own.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

import { until } from '../../support/wait.js'

export const main = fileURLToPath(new URL('../../../dist/cli/main.cjs', import.meta.url))

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
  /** A program and its arguments that run Node with the command line. */
  readonly prefix?: readonly string[]
  /** Another file than the bundled one. */
  readonly main?: string
}

/** The environment without what changes the output. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const left = new Set(['SENTINEL_IPC_DIRECTORY', 'FORCE_COLOR', 'NO_COLOR'])
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !left.has(name)))
}

/** A running command. */
export class Running {
  readonly process: ChildProcessWithoutNullStreams
  stdout = ''
  stderr = ''
  readonly done: Promise<Result>

  constructor(args: readonly string[], { env, cwd, uid, gid, prefix = [], main: file = main }: RunOptions) {
    if (!existsSync(file)) throw new Error(`${file} is not there: run 'npm run compile' first`)
    const [program = process.execPath, ...rest] = [...prefix, process.execPath, file, ...args]
    this.process = spawn(program, rest, {
      cwd,
      env: { ...plainEnvironment(), ...env },
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    })
    this.process.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.process.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.process.stdin.on('error', () => undefined)
    this.done = new Promise((resolve) => {
      this.process.on('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  /** Resolves once the output contains a text. */
  async prints(text: string): Promise<void> {
    await until(() => this.stdout.includes(text) || this.process.exitCode !== null)
    if (!this.stdout.includes(text))
      throw new Error(`it ended without printing ${text}: ${this.stderr}${this.stdout}`)
  }
}

/** Starts a command, which is ended with the test. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const running = new Running(args, options)
  onTestFinished(() => {
    running.process.kill('SIGKILL')
  })
  return running
}

/** Runs a command to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const running = start(args, options)
  running.process.stdin.end(options.input ?? '')
  return running.done
}

/** The lines of a text of NDJSON. */
export function jsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}
