// Finds the binary of the addon and loads it. If that fails, says why and what to do. Must not know what the addon
// exports.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

import { parseJson } from '../base/json.js'
import { describeError, IpcError, isError } from '../base/errors.js'

const supported = ['linux', 'darwin', 'win32']

/** Runtimes that load addons but lack libuv's event loop, by their key in `process.versions`. */
const foreignRuntimes = { bun: 'Bun', deno: 'Deno' }

/**
 * Refuses a runtime that would end the process at the first call of libuv, because its libuv functions are stubs that
 * abort. Its sockets cannot adopt a descriptor either, so there is no fallback.
 */
function checkRuntime(): void {
  for (const [key, name] of Object.entries(foreignRuntimes)) {
    const version = process.versions[key]
    if (version === undefined) continue
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc needs the event loop of Node.js, which ${name} ${version} does not have: ` +
        'run this program with Node.js 20.19 or newer',
    )
  }
}

/** Describes the host that a binary must match. */
function describeHost(): string {
  const { platform, arch, version, versions } = process
  const parts = [`${platform} ${arch}`]
  if (platform === 'linux') {
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
    parts.push(header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`)
  }
  return [...parts, `Node ${version}`, `Node-API ${versions['napi'] ?? '?'}`].join(', ')
}

/**
 * The folder of the package, which holds prebuilds/: the nearest above this file with a package.json. The sources, the
 * compiled files and the bundle lie at different depths below it.
 */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  for (let folder = here; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return dirname(here)
}

/** Whether a folder is the root of this package, rather than of a program that this file was bundled into. */
function isOwnRoot(folder: string): boolean {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return false
  const { name } = parseJson(readFileSync(file, 'utf8')) as { name?: unknown }
  return name === 'sentinel-ipc'
}

function explainBundle(): string {
  return (
    `sentinel-ipc was bundled into ${fileURLToPath(import.meta.url)}, away from its binary. Have the bundler leave it ` +
    'outside (esbuild: --external:sentinel-ipc), and deploy node_modules along with the bundle.'
  )
}

/** Returns why this process may not load addons, and how to start it instead. */
function explainDisabledAddons(root: string): string {
  const rule =
    'permission' in process
      ? `with its permission model but without --allow-addons. Add that, and --allow-fs-read for ${root}`
      : 'with --no-addons. Remove that, also from NODE_OPTIONS'
  return `sentinel-ipc cannot load its binary, because Node was started ${rule}: there is no fallback, because the binary makes the security checks.`
}

/** Loads the addon and returns its exports. @throws {IpcError} ERR_IPC_SYSTEM */
export function loadAddon(): object {
  checkRuntime()
  const root = packageRoot()
  const { platform, arch } = process
  if (!supported.includes(platform)) {
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc does not run on ${platform} (${arch}); it supports ${supported.join(', ')}`,
    )
  }
  const require = createRequire(import.meta.url)
  try {
    const { path } = require('node-gyp-build') as { path: (root: string) => string }
    // Not by require(), which returns the same exports to every evaluation of this file in a thread: test runners
    // evaluate it once per test file. dlopen gives each evaluation an instance with state of its own.
    const loaded = { exports: {} }
    process.dlopen(loaded, path(root))
    return loaded.exports
  } catch (cause) {
    const code = isError(cause) && 'code' in cause ? cause.code : undefined
    if (code === 'ERR_DLOPEN_DISABLED')
      throw new IpcError('ERR_IPC_SYSTEM', explainDisabledAddons(root), { cause })
    const [why = ''] = describeError(cause).split('\n')
    if (!isOwnRoot(root)) throw new IpcError('ERR_IPC_SYSTEM', explainBundle(), { cause })
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `sentinel-ipc has no binary that loads here (${describeHost()}): ${why}. ` +
        `Looked in ${join(root, 'prebuilds')} and ${join(root, 'build', 'Release')}. To make one, run ` +
        `'npm ci && npm run prebuild' in a checkout of the repository, which needs Python 3 and a C++17 compiler, ` +
        `and copy its prebuilds${sep}${platform}-${arch} to ${join(root, 'prebuilds')}.`,
      { cause },
    )
  }
}
