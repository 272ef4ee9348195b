// Runs one contestant once: starts its consumer, then its producer, waits for the figures of either, and sees to it
// that both processes are gone afterwards, whatever happened.

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Halves } from './processors.js'
import type { ChildTask, FromChild, ToChild } from './messages.js'
import type { Contestant, Figures, RoleSource, Scenario } from './scenario.js'

/** Time for a child to end by itself, and to write its profile, before it is killed. */
const STOP_MS = 3000

const program = fileURLToPath(new URL('./child.js', import.meta.url))
const running = new Set<ChildProcess>()

/** Kills the children still running. For when the main process is to end. */
export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}

export interface TrialOptions {
  /** Where each process leaves a CPU profile. */
  readonly profileDirectory: string | undefined
  /** Where the sides of scenarios run that keep them apart; undefined: where the scheduler puts them. */
  readonly halves: Halves | undefined
}

export async function runTrial(
  scenario: Scenario,
  contestant: Contestant,
  options: TrialOptions,
): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), 'sentinel-bench-'))
  const trial = new Trial(scenario, contestant, directory, options)
  // It has no priority of its own, so that it takes a fair share of one processor.
  const third =
    contestant.busyThird === true
      ? spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
      : undefined
  try {
    return await trial.run()
  } finally {
    third?.kill('SIGKILL')
    await trial.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

class Trial {
  readonly #scenario: Scenario
  readonly #contestant: Contestant
  readonly #directory: string
  readonly #options: TrialOptions
  readonly #children: ChildProcess[] = []
  #onFigures!: (figures: Figures) => void
  #onFailure!: (error: Error) => void

  constructor(scenario: Scenario, contestant: Contestant, directory: string, options: TrialOptions) {
    this.#scenario = scenario
    this.#contestant = contestant
    this.#directory = directory
    this.#options = options
  }

  async run(): Promise<Figures> {
    const { timeoutMs } = this.#scenario
    const { consumer, producer } = this.#contestant
    const timer = setTimeout(() => {
      this.#fail(`no figures within ${timeoutMs} ms`)
    }, timeoutMs)
    try {
      return await new Promise<Figures>((resolve, reject) => {
        this.#onFigures = resolve
        this.#onFailure = reject
        this.#start(consumer, () => {
          if (producer !== undefined) this.#start(producer, () => undefined)
        })
      })
    } finally {
      clearTimeout(timer)
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map(stopChild))
  }

  #start(role: RoleSource, onReady: () => void): void {
    const { params, execArgv = [] } = this.#scenario
    const task: ChildTask = {
      role,
      directory: this.#directory,
      params: { ...params, ...this.#contestant.params },
    }
    const { profileDirectory, halves } = this.#options
    const profile =
      profileDirectory === undefined
        ? []
        : [
            '--cpu-prof',
            `--cpu-prof-dir=${profileDirectory}`,
            `--cpu-prof-name=${this.#scenario.name}-${this.#contestant.name}-${role.name}.cpuprofile`,
          ]
    const nodeArgv = [...execArgv, ...profile]
    // taskset becomes the process that it starts, so that its id and its channel stay the same.
    const half = this.#processorsOf(halves)
    const command =
      half === undefined
        ? { execArgv: nodeArgv }
        : { execPath: 'taskset', execArgv: ['-c', half, process.execPath, ...nodeArgv] }
    const child = fork(program, [JSON.stringify(task)], {
      ...command,
      // The table alone goes to standard output.
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    running.add(child)
    for (const other of this.#children) introduce(child, other)
    this.#children.push(child)
    child.on('message', (message: FromChild) => {
      switch (message.kind) {
        case 'ready':
          onReady()
          break
        case 'tell':
          for (const other of this.#children)
            if (other !== child) tell(other, { kind: 'told', what: message.what })
          break
        case 'figures':
          this.#onFigures(message.figures)
          break
        case 'failed':
          this.#fail(`its ${role.name} failed: ${message.reason}`)
      }
    })
    child.on('error', (error) => {
      this.#fail(`its ${role.name}: ${error.message}`)
    })
    child.on('exit', (code, signal) => {
      running.delete(child)
      // Of no interest any more once there are figures.
      this.#fail(`its ${role.name} ended early (${signal ?? `exit code ${String(code)}`})`)
    })
  }

  /** Where the next process runs, in the words of taskset; undefined: where the scheduler puts it. */
  #processorsOf(halves: Halves | undefined): string | undefined {
    const placement = this.#contestant.placement ?? (this.#scenario.apart === true ? 'apart' : 'free')
    if (placement === 'free') return undefined
    if (placement === 'apart') return halves?.[this.#children.length]
    return halves?.[0].split(',')[0]
  }

  #fail(reason: string): void {
    this.#onFailure(new Error(`${this.#scenario.name}: ${this.#contestant.name}: ${reason}`))
  }
}

function tell(child: ChildProcess, message: ToChild): void {
  // It may be gone already, which is for its exit event to tell.
  if (child.connected) child.send(message, () => undefined)
}

function introduce(one: ChildProcess, other: ChildProcess): void {
  // A child that could not be started has no id, and its error event is on its way.
  if (one.pid === undefined || other.pid === undefined) return
  tell(one, { kind: 'other', pid: other.pid })
  tell(other, { kind: 'other', pid: one.pid })
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = once(child, 'exit')
  tell(child, { kind: 'stop' })
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await gone
  clearTimeout(timer)
}
