// Provides what the contestants need: installs the packages of test/bench/peers, compiles the Go and C++ programs. What this
// machine cannot have comes back with a reason; nothing here ends a run.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { listen, type ListenOptions } from 'sentinel-ipc'

import { peersRoot, programPath, programSources, requirePeer } from './project.js'
import type { Need, Scenario } from './scenario.js'

const INSTALL_MS = 120_000
const COMPILE_MS = 180_000

/** Why a contestant has to be left out; undefined when it has all that it needs. */
export type WhyMissing = (needs: readonly Need[] | undefined) => string | undefined

export async function provideNeeds(
  scenarios: readonly Scenario[],
  besides: readonly Need[],
  onProgress: (line: string) => void,
): Promise<WhyMissing> {
  const reasons = new Map<string, string | undefined>()
  const ofContestants = scenarios.flatMap(({ contestants }) =>
    contestants.flatMap(({ needs }) => needs ?? []),
  )
  for (const need of [...ofContestants, ...besides]) {
    if (!reasons.has(keyOf(need))) reasons.set(keyOf(need), await provide(need, onProgress))
  }
  return (needs) => needs?.map((need) => reasons.get(keyOf(need))).find((reason) => reason !== undefined)
}

function keyOf({ kind, name }: Need): string {
  return `${kind} ${name}`
}

async function provide(need: Need, onProgress: (line: string) => void): Promise<string | undefined> {
  switch (need.kind) {
    case 'package':
      return providePackage(need.name, onProgress)
    case 'program':
      return provideProgram(need.name, onProgress)
    case 'feature':
      return provideBusyPoll()
  }
}

let npmSaid: string | undefined

function providePackage(name: string, onProgress: (line: string) => void): string | undefined {
  if (!existsSync(join(peersRoot, 'node_modules', name)) && npmSaid === undefined) {
    onProgress('installing the peers of test/bench/peers/package.json')
    const install = ['ci', '--prefix', peersRoot, '--ignore-scripts', '--no-audit', '--no-fund']
    npmSaid = run('npm', install, peersRoot, INSTALL_MS) ?? ''
  }
  try {
    requirePeer(name)
    return undefined
  } catch (error) {
    const reason = npmSaid ?? (error instanceof Error ? error.message : String(error))
    return `${name} cannot be had: ${firstLine(reason)}`
  }
}

function provideProgram(name: 'go' | 'native', onProgress: (line: string) => void): string | undefined {
  const target = programPath(name)
  const sources = programSources(name)
  const files = readdirSync(sources).map((file) => join(sources, file))
  const newest = Math.max(...files.map((file) => statSync(file).mtimeMs))
  if (existsSync(target) && statSync(target).mtimeMs > newest) return undefined
  onProgress(`compiling ${sources}`)
  mkdirSync(join(target, '..'), { recursive: true })
  const units = files.filter((file) => file.endsWith('.cc'))
  const said =
    name === 'go'
      ? run('go', ['build', '-o', target, '.'], sources, COMPILE_MS)
      : run(
          'g++',
          ['-std=c++17', '-O2', '-pthread', '-Wall', '-Wextra', '-Werror', '-o', target, ...units],
          sources,
          COMPILE_MS,
        )
  return said === undefined ? undefined : `its program cannot be compiled: ${firstLine(said)}`
}

/** Returns what went wrong; undefined on success. */
function run(command: string, args: readonly string[], cwd: string, timeout: number): string | undefined {
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' }
  const { error, status, stderr } = spawnSync(command, args, { cwd, env, timeout, encoding: 'utf8' })
  if (error !== undefined) return `${command}: ${error.message}`
  return status === 0 ? undefined : `${command}: ${stderr.trim()}`
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}

/** A library that supports the option refuses an invalid value of it. */
async function provideBusyPoll(): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'sentinel-bench-'))
  const options = { directory, busyPoll: { maxMicroseconds: -1 } } as ListenOptions
  try {
    const listener = await listen('probe', options)
    listener.close()
    return 'this version of the library has no busyPoll'
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined
    throw error
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
