// npm run prebuild: the binary of this machine's own platform. With --all also those for which there are cross compilers;
// with names of targets only those. Ends with what was made and what this machine lacks for the rest; exit code 1 if
// anything is missing at the end.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'

import { crossCompile } from './cross-compile.js'
import { misused, readOptions } from './options.js'
import { root } from './root.js'
import { run } from './run.js'
import { asksFor, tooNew } from './symbol-versions.js'
import { crossTargets, lacksCommands, ownName } from './targets.js'

/** Upper bound of one binary on disk. */
const MOST_BYTES = 2 << 20

/**
 * The build for Windows is a script of its own: it takes no arguments, runs at the top of the checkout, and leaves
 * prebuilds/win32-x64/sentinel-ipc.node.
 */
const windows = { script: 'release/win32-x64.sh', file: 'prebuilds/win32-x64/sentinel-ipc.node' }

interface Build {
  readonly name: string
  readonly note: string
  /** Whether the binary is for Linux, whose symbol versions are checked. */
  readonly elf: boolean
  readonly lacks: () => string | undefined
  /** Returns the path of the binary. */
  readonly make: () => string | Promise<string>
}

const onLinux = process.platform === 'linux'

function lacksForOwn(): string | undefined {
  return onLinux
    ? lacksCommands(
        ['make', process.env['CXX'] ?? 'g++', 'python3', 'readelf'],
        'Debian: apt-get install make g++ python3 binutils',
      )
    : undefined
}

function buildOwn(): string {
  const folder = join(root, 'prebuilds', ownName)
  // On Linux prebuildify names the C library in the file name, which differs between machines.
  const before = new Map(filesOf(folder).map((file) => [file, statSync(file).mtimeMs]))
  const prebuildify = createRequire(import.meta.url).resolve('prebuildify/bin.js')
  const options = ['--napi', '--strip', ...(onLinux ? ['--tag-libc'] : [])]
  run(process.execPath, [prebuildify, ...options], { cwd: root, env: { ...process.env, JOBS: 'max' } })
  const made = filesOf(folder).find((file) => statSync(file).mtimeMs !== before.get(file))
  if (made === undefined) throw new Error(`prebuildify left nothing new in ${folder}`)
  return made
}

function filesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []
}

function buildForWindows(): string {
  rmSync(join(root, windows.file), { force: true })
  run('bash', [windows.script], { cwd: root })
  return join(root, windows.file)
}

const builds: readonly Build[] = [
  { name: ownName, note: 'for this machine', elf: onLinux, lacks: lacksForOwn, make: buildOwn },
  ...crossTargets
    .filter(({ name }) => name !== ownName)
    .map((target) => ({
      name: target.name,
      note: target.note,
      elf: target.os === 'linux',
      lacks: target.lacks,
      make: () => crossCompile(target),
    })),
  {
    name: 'win32-x64',
    note: 'npm run test:windows runs it under Wine',
    elf: false,
    lacks: () =>
      lacksCommands(['x86_64-w64-mingw32-g++-posix'], 'Debian: apt-get install g++-mingw-w64-x86-64'),
    make: buildForWindows,
  },
]

/** Builds one binary. Returns a line about it. */
async function build({ name, note, elf, make }: Build): Promise<string> {
  const started = performance.now()
  const binary = await make()
  const bytes = statSync(binary).size
  if (bytes > MOST_BYTES) throw new Error(`${binary} has ${bytes} bytes; ${MOST_BYTES} are the most`)
  const complaints = elf ? tooNew(binary) : []
  if (complaints.length > 0)
    throw new Error(`${binary} would not load where it must:\n${complaints.join('\n')}`)
  const asks = elf ? asksFor(binary) : []
  console.log(`  ${name} took ${((performance.now() - started) / 1000).toFixed(0)} s`)
  return [relative(root, binary), `${(bytes / 1024).toFixed(0)} KiB`, note, asks.join(' ')]
    .filter((part) => part !== '')
    .join(' · ')
}

function chosen(): readonly Build[] {
  const names = builds.map(({ name }) => name)
  const help = `Usage: npm run prebuild -- [target ...] [--all]

Builds the binary of this machine's own platform, or those of the targets: ${names.join(', ')}.

  --all   all of them
  --help  this text`
  const { values, positionals } = readOptions(help, {
    options: { all: { type: 'boolean' } },
    allowPositionals: true,
  })
  if (values.all === true) return builds
  if (positionals.length === 0) return builds.slice(0, 1)
  const unknown = positionals.filter((name) => !names.includes(name))
  if (unknown.length > 0) misused(`no target ${unknown.join(', ')}; there are ${names.join(', ')}`)
  return builds.filter(({ name }) => positionals.includes(name))
}

const made: string[] = []
const missing: string[] = []
const all = chosen()
for (const [i, one] of all.entries()) {
  console.log(`\n== ${one.name} (${i + 1} of ${all.length})`)
  const lack = one.lacks()
  if (lack !== undefined) {
    missing.push(`${one.name} · NOT BUILT: this machine has ${lack}`)
    continue
  }
  try {
    made.push(await build(one))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    missing.push(`${one.name} · FAILED: see above`)
  }
}
console.log(`\n${[...made, ...missing].join('\n')}`)
if (missing.length > 0) process.exitCode = 1
