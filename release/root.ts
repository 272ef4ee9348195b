// Finds the root of this checkout from the compiled files.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the package: the nearest one above this file that holds binding.gyp. */
export const root = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'binding.gyp'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('there is no binding.gyp above the release scripts')
  return findRoot(parent)
}

/** Where downloads are kept between runs. Ignored by git. */
export const cache = join(root, '.cache')
