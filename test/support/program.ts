// Programs of a user, in processes of their own: their output line by line, and how they end.

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { onTestFinished } from 'vitest'

import { until } from './wait.js'

export class Program {
  readonly child: ChildProcess
  readonly lines: string[] = []
  errors = ''
  readonly ended: Promise<number | null>
  #rest = ''

  constructor(child: ChildProcess) {
    this.child = child
    this.ended = new Promise((resolve) => child.once('close', resolve))
    child.stderr?.on('data', (bytes: Buffer) => (this.errors += bytes.toString()))
    child.stdout?.on('data', (bytes: Buffer) => {
      const parts = (this.#rest + bytes.toString()).split('\n')
      this.#rest = parts.pop() ?? ''
      this.lines.push(...parts)
    })
  }

  /** Waits for a line that contains `text`. */
  async says(text: string): Promise<string> {
    try {
      await until(() => this.lines.some((line) => line.includes(text)))
    } catch (cause) {
      throw new Error(`it never said ${text}, but:\n${this.lines.join('\n')}\n${this.errors}`, { cause })
    }
    return this.lines.find((line) => line.includes(text)) ?? ''
  }

  /** Sends a signal and waits for the end. Returns the exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal)
    return this.ended
  }
}

/** Starts a program. It is killed when the test ends. */
export function startProgram(command: string, args: readonly string[], options: SpawnOptions = {}): Program {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  onTestFinished(() => void child.kill('SIGKILL'))
  return new Program(child)
}
