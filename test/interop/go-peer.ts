// Builds and runs the Go peer of the interop tests.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const SOURCE = fileURLToPath(new URL('./go-peer', import.meta.url))

/** Whether this machine can build Go. */
export const hasGo = spawnSync('go', ['version']).status === 0
/** Appended to the titles of tests that need it. */
export const whyNot = hasGo ? '' : ' (skipped: Go is not installed)'

/** Builds the program in a folder, offline, and returns its path. Default: the peer of these tests. */
export function buildGoPeer(source = SOURCE): { path: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'go-peer-'))
  const path = join(directory, 'go-peer')
  const { status, stderr } = spawnSync('go', ['build', '-o', path, '.'], {
    cwd: source,
    env: { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`go build: ${stderr}`)
  return {
    path,
    remove: () => {
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A running Go peer. */
export interface GoPeer {
  readonly pid: number
  /** Returns the next line that it prints; undefined when it has ended. */
  next(): Promise<Record<string, unknown> | undefined>
}

/** Starts the program; it is killed when the test ends. */
export function startGoPeer(program: string, ...args: string[]): GoPeer {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid ?? -1,
    next: async () => {
      const line = await lines.next()
      return line.done === true ? undefined : (JSON.parse(line.value) as Record<string, unknown>)
    },
  }
}
