// What the misconfigurations of doctor.test.ts are made of: the shape of a case, what it needs of the machine, and the parts that
// several of them set up.

import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, onTestFinished } from 'vitest'

import { type Cause } from '../../../lib/cli/doctor/report.js'
import { startChild } from '../../support/child.js'
import { until } from '../../support/wait.js'
import { main, type RunOptions } from './command.js'

const isRoot = process.getuid?.() === 0
export const ALICE = 23_456
export const asAlice = { prefix: ['setpriv', `--reuid=${ALICE}`, `--regid=${ALICE}`, '--clear-groups'] }
const canUnshare = spawnSync('unshare', ['--pid', '--mount', '--user', '--fork', 'true']).status === 0

/** What a case sets up: arguments after `doctor --json`, and how to run it. */
export interface SetUp {
  readonly args: readonly string[]
  readonly options?: RunOptions
}

export interface Case {
  readonly title: string
  readonly cause: Cause
  readonly remedy: RegExp
  readonly needs?: 'root' | 'namespaces'
  readonly setUp: (directory: string) => SetUp | Promise<SetUp>
}

export const at = (directory: string, ...args: string[]): SetUp => ({
  args: ['test', '-d', directory, ...args],
})

/** A socket that is bound; with a backlog it listens and accepts nothing. Ends with the test. */
export async function plainSocket(path: string, backlog?: number): Promise<void> {
  const program = [
    'import socket, sys, time',
    's = socket.socket(socket.AF_UNIX)',
    's.bind(sys.argv[1])',
    ...(backlog === undefined ? [] : [`s.listen(${backlog})`]),
    'print("ready", flush=True)',
    'time.sleep(600)',
  ].join('\n')
  const child = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'ignore'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let ready = false
  child.stdout.on('data', () => {
    ready = true
  })
  await until(() => ready)
}

export async function listenAs(uid: number, directory: string, order: object = {}): Promise<void> {
  const child = startChild('endpoint', { role: 'listen', directory, ...order }, { uid, gid: uid })
  expect(await child.report()).toHaveProperty('listening')
}

/** A directory that another user may use, too. */
export function open(directory: string, mode = 0o755): string {
  chmodSync(directory, mode)
  return directory
}

/** The command in a copy of the package without its binary, or with a broken one. */
export function copyOfPackage(directory: string, binary?: string): RunOptions {
  const root = dirname(dirname(dirname(main)))
  for (const entry of ['dist', 'package.json', 'node_modules/node-gyp-build']) {
    mkdirSync(dirname(join(directory, entry)), { recursive: true })
    cpSync(join(root, entry), join(directory, entry), { recursive: true })
  }
  if (binary !== undefined) {
    mkdirSync(join(directory, 'build/Release'), { recursive: true })
    writeFileSync(join(directory, 'build/Release/sentinel_ipc.node'), binary)
  }
  return { main: join(directory, 'dist/cli/main.cjs') }
}

/** A command in a mount namespace of its own, with something mounted on the directory. */
export function mounted(directory: string, mountOptions: string): { readonly prefix: readonly string[] } {
  const script = `mount -t tmpfs -o ${mountOptions} none "$0" && exec "$@"`
  return { prefix: ['unshare', '--mount', 'sh', '-c', script, directory] }
}

/** Why a case cannot run here, behind its title; '' if it can. */
export function whySkipped({ needs }: Case): string {
  if (needs === 'root' && !isRoot) return ' (skipped: needs root to act as another user)'
  if (needs === 'namespaces' && !(isRoot && canUnshare)) return ' (skipped: needs root and unshare)'
  return ''
}
