// The systems that an installation can be tried on from this machine, and how Node is run there.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { root } from '../../../release/root.js'
import { output } from '../../../release/run.js'
import { makeNode, missingForArm64 } from '../arm64/node.js'

export interface Host {
  readonly name: string
  /** In the package. */
  readonly binary: string
  /** Why it cannot be tried here, if it cannot. */
  readonly missing: () => string | undefined
  /** A command and its first arguments, which take a script's path and its arguments. */
  readonly node: () => readonly [string, ...string[]]
  /** Whether npm runs there too; otherwise this machine's installs. */
  readonly npm: boolean
}

const wine = join(root, 'test/platforms/windows/node.sh')

function missingForWine(): string | undefined {
  const lacks = ['wine', 'wineserver'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
  return lacks.length === 0 ? undefined : `there is no ${lacks.join(' and no ')} (Debian: wine64 wine)`
}

export const hosts: readonly Host[] = [
  {
    name: 'linux-x64',
    binary: 'prebuilds/linux-x64/sentinel-ipc.glibc.node',
    missing: () =>
      process.platform === 'linux' && process.arch === 'x64' ? undefined : 'this is no Linux on x64',
    node: () => [process.execPath],
    npm: true,
  },
  {
    name: 'linux-arm64, under qemu',
    binary: 'prebuilds/linux-arm64/sentinel-ipc.glibc.node',
    missing: missingForArm64,
    node: () => [makeNode().command],
    npm: true,
  },
  ...(['newer', 'older'] as const).map((version) => ({
    name: `win32-x64, the ${version} Node, under Wine`,
    binary: 'prebuilds/win32-x64/sentinel-ipc.node',
    missing: missingForWine,
    // The script and Wine need ours; programs in there have a PATH of Windows.
    node: (): readonly [string, ...string[]] => [
      '/usr/bin/env',
      `PATH=${process.env['PATH'] ?? ''}`,
      'bash',
      wine,
      version,
    ],
    npm: false,
  })),
]

/** Runs a program there with an empty PATH. Returns its output. */
export function runNode(host: Host, folder: string, args: readonly string[], path: string): string {
  const [command, ...first] = host.node()
  const env = { HOME: process.env['HOME'], PATH: path }
  return output(command, [...first, ...args], { cwd: folder, env })
}
