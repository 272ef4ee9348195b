// Where the project stands, and the outside packages of test/bench/peers: they are no dependencies of the library, so
// they are installed there when a benchmark first needs them.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/** Root folder of the checkout. */
export const projectRoot = dirname(require.resolve('sentinel-ipc/package.json'))
/**
 * Folder of the package.json with the outside packages, among the sources and not the compiled code. It has nothing else
 * in it: code beside a package.json could not import sentinel-ipc by its name.
 */
const peersRoot = join(projectRoot, 'test', 'bench', 'peers')

/** The package with this name, from test/bench/peers/node_modules. */
export function requirePeer(name: string): unknown {
  return createRequire(join(peersRoot, 'package.json'))(name)
}

/** Installs the outside packages if any of these is missing. */
export function installPeers(names: readonly string[], onProgress: (line: string) => void): void {
  if (names.every((name) => existsSync(join(peersRoot, 'node_modules', name)))) return
  onProgress(`installing ${names.join(', ')} into test/bench/peers/node_modules`)
  try {
    execFileSync('npm', ['ci', '--prefix', peersRoot, '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: peersRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 120_000,
    })
  } catch (cause) {
    const said = (cause as { stderr?: Buffer }).stderr?.toString().trim() ?? ''
    throw new Error(
      `cannot install ${names.join(', ')}, which some benchmarks compare with. Run 'npm ci' in ${peersRoot}, ` +
        `or leave those benchmarks out with --only. npm said:\n${said}`,
      { cause },
    )
  }
}
