// What the packed package must hold, whatever binaries it comes with, and nothing else.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Of everything that a user of one platform gets, on disk. */
export const MOST_BYTES_OF_ONE_SET = 2 << 20

export interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

/** Sorted; `root` is the checkout, `binaries` are paths in the package. */
export function expectedFiles(root: string, binaries: readonly string[]): string[] {
  const lib = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replace(/\.ts$/, '').replaceAll('\\', '/'))
  return [
    ...['LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'prebuilds/README.md'],
    ...binaries,
    // One file for each entry point and one for what they share: many small ones would take longer to load.
    ...['dist/index.js', 'dist/lmdb/index.js', 'dist/chunk.js'],
    ...lib.map((file) => `dist/${file}.d.ts`),
  ].sort()
}

/** What the package takes with one of its binaries and without the others. */
export function bytesOfSet(packed: Packed, binary: string): number {
  return packed.files
    .filter(({ path }) => path === binary || !path.endsWith('.node'))
    .reduce((total, { size }) => total + size, 0)
}
