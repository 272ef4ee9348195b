// The files that the packed package must hold, whatever binaries it comes with, and nothing else.

import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

import { root as checkout } from '../../release/root.js'

/** Upper bound in bytes for what a user of one platform needs, unpacked. */
export const MOST_BYTES_OF_ONE_SET = 11 << 18

export interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

const { exports } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { require: { default: string } }>
}

/** What package.json exports: the name to import, and the path below lib/ without extension. */
const EXPORTS = Object.entries(exports).flatMap(([name, entry]): [string, string][] =>
  typeof entry === 'string' ? [] : [[name, entry.require.default.replace(/^\.\/dist\/(.*)\.cjs$/, '$1')]],
)

/** The names under which the package is imported. */
export const IMPORTED_NAMES = EXPORTS.map(([name]) => posix.join('sentinel-ipc', name))

/** The paths below lib/ that package.json exports, without extension. */
export const ENTRY_POINTS = EXPORTS.map(([, path]) => path)

/** The names of the files that entry points share carry a hash of their content; this stands for each of them. */
export const SHARED = 'dist/shared.cjs'

/** The paths of `packed`, sorted, with {@link SHARED} for the shared files. */
export function packedFiles(packed: Packed): string[] {
  return packed.files.map(({ path }) => path.replace(/^dist\/shared-[A-Z0-9]{8}\.cjs$/, SHARED)).sort()
}

/** Sorted paths in the package. `root` is the checkout, `binaries` are paths in the package. */
export function expectedFiles(root: string, binaries: readonly string[]): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
      file.replaceAll('\\', '/'),
    )
  // Commands have no declarations: no program imports them.
  const declarations = below('lib').filter((file) => file.endsWith('.ts') && !file.startsWith('cli/'))
  return [
    ...[
      'CHANGELOG.md',
      'LICENSE',
      'NOTICE',
      'dist/sbom.cdx.json',
      'README.md',
      'SECURITY.md',
      'package.json',
      'prebuilds/README.md',
    ],
    ...below('docs')
      .filter((file) => /\.(md|svg|json)$/.test(file))
      .map((file) => `docs/${file}`),
    ...binaries,
    // Few files, since many small ones would take longer to load.
    ...ENTRY_POINTS.flatMap((entry) =>
      ['cjs', 'import.cjs', 'mjs', 'd.mts'].map((extension) => `dist/${entry}.${extension}`),
    ),
    SHARED, // of all entry points
    SHARED, // of the bridge and its command
    'dist/cli/kit/bridge-library.cjs',
    'dist/cli/kit/library.cjs',
    'dist/cli/main.cjs',
    ...declarations.map((file) => `dist/${file.replace(/\.ts$/, '.d.cts')}`),
  ].sort()
}

/** Unpacked bytes of the package with only this one of its binaries. */
export function bytesOfSet(packed: Packed, binary: string): number {
  return packed.files
    .filter(({ path }) => path === binary || !path.endsWith('.node'))
    .reduce((total, { size }) => total + size, 0)
}
