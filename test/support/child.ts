// Forks helper processes for tests: compiled programs from test/support/children, driven over Node's IPC channel.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface ChildOptions {
  readonly uid?: number
  readonly gid?: number
  readonly execArgv?: string[]
  /** Another Node, or a program that runs Node. Default: this Node. */
  readonly execPath?: string
  readonly env?: NodeJS.ProcessEnv
  /** A descriptor that the helper inherits as 4. */
  readonly descriptor?: number
  /** Hides the standard error of a helper that fails on purpose. */
  readonly quiet?: boolean
}

/** A forked helper that replies to messages. */
export class Child {
  readonly process: ChildProcess
  #reports: unknown[] = []
  #waiting: ((report: unknown) => void)[] = []
  readonly exited: Promise<[code: number | null, signal: string | null]>

  constructor(script: string, argument: unknown, { quiet = false, descriptor, ...options }: ChildOptions) {
    this.process = fork(script, [JSON.stringify(argument)], {
      ...options,
      stdio: [
        'ignore',
        'inherit',
        quiet ? 'ignore' : 'inherit',
        'ipc',
        ...(descriptor === undefined ? [] : [descriptor]),
      ],
    })
    this.exited = once(this.process, 'exit') as Promise<[number | null, string | null]>
    this.process.on('message', (report) => {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#reports.push(report)
      else waiting(report)
    })
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  send(question: unknown): void {
    this.process.send(question as object)
  }

  /** The next report of the helper. Rejects if the helper ends instead. */
  async report<T>(): Promise<T> {
    const report = this.#reports.shift()
    if (report !== undefined) return report as T
    const said = new Promise((resolve) => this.#waiting.push(resolve))
    const ended = this.exited.then(([code, signal]) => {
      throw new Error(`the child ended (${code ?? signal ?? ''}) instead of answering`)
    })
    return (await Promise.race([said, ended])) as T
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.process.kill(signal)
    await this.exited
  }
}

/** Starts test/support/children/<name>.ts, as compiled by the build. It is ended with the test. */
export function startChild(name: string, argument: unknown, options: ChildOptions = {}): Child {
  const script = fileURLToPath(new URL(`../../out/test/support/children/${name}.js`, import.meta.url))
  if (!existsSync(script)) throw new Error(`${script} is not there: run 'npm run compile' first`)
  const child = new Child(script, argument, options)
  child.exited.catch(() => undefined)
  onTestFinished(() => {
    child.process.kill('SIGKILL')
  })
  return child
}
