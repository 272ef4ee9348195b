// npm run compile:native: builds the addon for this machine with node-gyp, and skips whatever has not changed:
// everything when no input changed, the configure step when only sources did. --debug builds build/Debug without
// optimisation, for a debugger, and removes the release build so that the debug build is loaded.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { root } from './root.js'
import { output } from './run.js'

const require = createRequire(import.meta.url)

type Configuration = 'Release' | 'Debug'

function hashOf(parts: Iterable<string | Buffer>): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

function versionOf(name: string): string {
  return readFileSync(require.resolve(`${name}/package.json`), 'utf8')
}

/** What `node-gyp configure` depends on. The environment can choose the compiler and its flags. */
function configureInputs(): string[] {
  const variables = ['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'LDFLAGS']
  return [
    process.execPath,
    process.version,
    process.arch,
    readFileSync(join(root, 'binding.gyp'), 'utf8'),
    ...variables.map((name) => `${name}=${process.env[name] ?? ''}`),
  ]
}

function* compileInputs(): Generator<string | Buffer> {
  for (const name of ['@nozbe/simdjson', 'node-addon-api']) yield versionOf(name)
  const sources = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
  for (const file of sources.filter((name) => /\.(cc|h)$/.test(name)).sort()) {
    yield file
    yield readFileSync(join(root, 'native', file))
  }
}

function isStamped(file: string, stamp: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8') === stamp
}

function gyp(args: readonly string[], variables: Readonly<Record<string, string>> = {}): void {
  const cli = join(dirname(require.resolve('node-gyp/package.json')), 'bin/node-gyp.js')
  output(process.execPath, [cli, ...args, '--loglevel=error'], {
    cwd: root,
    env: { ...process.env, ...variables },
  })
}

function configure(build: string, stamp: string): void {
  const file = join(build, 'configured.sha256')
  if (existsSync(join(build, 'config.gypi')) && isStamped(file, stamp)) return
  rmSync(file, { force: true })
  gyp(['configure'])
  writeFileSync(file, stamp)
}

function compile(configuration: Configuration): void {
  const build = join(root, 'build')
  const binary = join(build, configuration, 'sentinel_ipc.node')
  const configured = hashOf(configureInputs())
  const compiled = hashOf([configured, ...compileInputs()])
  const stamp = join(build, configuration, 'compiled.sha256')
  // node-gyp-build loads Release where it is there.
  if (configuration === 'Debug') rmSync(join(build, 'Release/sentinel_ipc.node'), { force: true })
  if (existsSync(binary) && isStamped(stamp, compiled)) return

  rmSync(stamp, { force: true })
  configure(build, configured)
  if (configuration === 'Release') gyp(['build', '--release', '--jobs=max'])
  // Behind the flags of binding.gyp, which optimise.
  else gyp(['build', '--debug', '--jobs=max'], { CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -O0 -g` })
  writeFileSync(stamp, compiled)
}

compile(process.argv.includes('--debug') ? 'Debug' : 'Release')
