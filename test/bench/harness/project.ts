// Paths of the project, of its third-party packages and of the programs in other languages. None are part of the
// library.

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/** Root folder of the checkout. */
export const projectRoot = dirname(require.resolve('sentinel-ipc/package.json'))
/**
 * Folder of the package.json with the outside packages, among the sources and not the compiled code. It has nothing else
 * in it: code beside a package.json could not import sentinel-ipc by its name.
 */
export const peersRoot = join(projectRoot, 'test', 'bench', 'peers')

/** The package with this name, from test/bench/peers/node_modules. */
export function requirePeer(name: string): unknown {
  return createRequire(join(peersRoot, 'package.json'))(name)
}

/** Folder of the sources of a program in another language. */
export function programSources(name: 'go' | 'native'): string {
  return join(projectRoot, 'test', 'bench', 'programs', name)
}

/** Where it is once it is compiled. */
export function programPath(name: string): string {
  return join(projectRoot, 'out', 'bench-programs', name)
}
