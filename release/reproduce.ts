// npm run release:reproduce: builds the committed state twice, in two folders of different names, and compares the bytes of the
// binary of this machine's platform and of everything in dist/.

import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { root } from './root.js'
import { output, run } from './run.js'
import { ownName } from './targets.js'

/** Paths of different lengths: one that got into a file would show. */
const FOLDERS = ['a', 'another-place/with-a-longer-name']

/** Builds a clone in `folder`. Returns the hash of each file that goes into the package. */
function build(folder: string): Map<string, string> {
  run('git', ['clone', '--quiet', '--no-hardlinks', root, folder])
  cpSync(join(root, 'node_modules'), join(folder, 'node_modules'), {
    recursive: true,
    verbatimSymlinks: true,
  })
  output('npm', ['run', '--silent', 'prebuild'], { cwd: folder })
  const files = ['dist', `prebuilds/${ownName}`].flatMap((below) =>
    readdirSync(join(folder, below), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  return new Map(
    files.map((file) => [
      file.slice(folder.length + 1),
      createHash('sha256').update(readFileSync(file)).digest('hex'),
    ]),
  )
}

const place = mkdtempSync(join(tmpdir(), 'sentinel-reproduce-'))
try {
  const [first, second] = FOLDERS.map((name, i) => {
    console.log(`build ${i + 1} of ${FOLDERS.length}`)
    return build(join(place, name))
  })
  const names = new Set([...(first?.keys() ?? []), ...(second?.keys() ?? [])])
  const different = [...names].filter((name) => first?.get(name) !== second?.get(name))
  for (const name of different) console.error(`differs: ${name}`)
  if (names.size === 0 || different.length > 0) process.exitCode = 1
  else console.log(`${names.size} files, the same bytes in both builds, ${ownName} among them`)
} finally {
  rmSync(place, { recursive: true, force: true })
}
