// npm run test:arm64: runs the tests, and the processes that they start, on a Node for arm64 under qemu. Only
// vitest's own process, which holds no connection, runs on this machine's Node. Arguments go to vitest.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { fetchPackage } from '../../../release/npm-package.js'
import { cache, root } from '../../../release/root.js'
import { output, run } from '../../../release/run.js'
import { emulator, makeNode, missingForArm64 } from './node.js'

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

/** The tests that need the groups of a peer that has several. */
const SEVERAL_GROUPS = [
  'admits by supplementary group',
  'lets no peer in, as its supplementary one, even where the policy names it',
]

/** What the kernel says under this qemu of a peer with two groups, if not what it should. */
function groupsAreNotTold(): string | undefined {
  const program = join(root, 'out/arm64/peer_groups')
  const source = join(root, 'test/platforms/arm64/peer_groups.c')
  run('aarch64-linux-gnu-gcc', ['-Wall', '-Wextra', '-Werror', source, '-o', program])
  const [qemu, ...options] = emulator()
  const { status, stdout } = spawnSync(qemu, [...options, program], { encoding: 'utf8' })
  if (status === 0) return undefined
  if (status !== 1) throw new Error(`peer_groups cannot tell: ${stdout}`)
  return `${stdout.trim()} (seen by test/platforms/arm64/peer_groups.c)`
}

function main(): void {
  const reason = missingForArm64()
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
  const untold = process.getuid?.() === 0 ? groupsAreNotTold() : undefined
  if (untold !== undefined) for (const name of SEVERAL_GROUPS) console.log(`SKIPPED '${name}': ${untold}`)
  console.log(
    "SKIPPED package, faults and symbol-versions: they build for, or preload into, this machine's processor",
  )
  const { status } = spawnSync(
    process.execPath,
    [
      '--require',
      preload,
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'test/platforms/arm64/vitest.config.ts',
      ...(untold === undefined ? [] : ['--testNamePattern', `^(?!.*(?:${SEVERAL_GROUPS.join('|')})$)`]),
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: 'inherit', env },
  )
  process.exitCode = status ?? 1
}

main()
