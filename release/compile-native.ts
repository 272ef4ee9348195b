// npm run compile:native: builds the addon for this machine with node-gyp, and skips whatever has not changed: everything
// when no input changed, the configure step when only sources did. --debug builds without optimisation, for a debugger.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { root } from './root.js'
import { output } from './run.js'

const require = createRequire(import.meta.url)

/** `Release` is what node-gyp-build looks for first; `Debug` is loaded when there is no `Release`. */
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

function gyp(...args: string[]): void {
  const cli = join(dirname(require.resolve('node-gyp/package.json')), 'bin/node-gyp.js')
  output(process.execPath, [cli, ...args, '--loglevel=error'], { cwd: root })
}

function compile(configuration: Configuration): void {
  const build = join(root, 'build')
  const binary = join(build, configuration, 'sentinel_ipc.node')
  const configured = hashOf([configuration, ...configureInputs()])
  const compiled = hashOf([configured, ...compileInputs()])
  const configuredStamp = join(build, 'configured.sha256')
  const compiledStamp = join(build, configuration, 'compiled.sha256')
  if (existsSync(binary) && isStamped(compiledStamp, compiled)) return

  rmSync(compiledStamp, { force: true })
  if (!existsSync(join(build, 'config.gypi')) || !isStamped(configuredStamp, configured)) {
    rmSync(configuredStamp, { force: true })
    gyp('configure', configuration === 'Debug' ? '--debug' : '--release')
    writeFileSync(configuredStamp, configured)
  }
  gyp('build', configuration === 'Debug' ? '--debug' : '--release')
  mkdirSync(dirname(compiledStamp), { recursive: true })
  writeFileSync(compiledStamp, compiled)
}

compile(process.argv.includes('--debug') ? 'Debug' : 'Release')
