// Checks that NOTICE carries the notices of what is compiled into the binaries. `npm pack` runs it and fails when one is missing.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { root } from './root.js'

const require = createRequire(import.meta.url)

/** The files of a package that is compiled in, or that holds its license. */
const COMPILED_IN: Readonly<Record<string, readonly string[]>> = {
  '@nozbe/simdjson': ['src/simdjson.cpp', 'src/simdjson.h'],
  'node-addon-api': ['LICENSE.md', 'napi.h', 'napi-inl.h'],
}

/** Ignores comment marks, line breaks, link targets and spacing. */
function plain(text: string): string {
  return text
    .replace(/^[ \t]*(\/\/|\*)/gm, ' ')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ')
}

/** From `Copyright` to the end of its sentence, name or line. */
function copyrights(text: string): string[] {
  const lines = text.replace(/\(c\) 2009 Florian\s+/g, '(c) 2009 Florian ').split('\n')
  return lines.flatMap((line) => /Copyright (?:\(c\) )?\d{4}.*/.exec(line)?.[0].split('. ')[0] ?? [])
}

/** The copyright lines of the compiled-in packages that `notice` does not carry. */
export function missingNotices(notice: string): string[] {
  const carried = plain(notice)
  const wanted = Object.entries(COMPILED_IN).flatMap(([name, files]) => {
    const folder = dirname(require.resolve(`${name}/package.json`))
    return files.flatMap((file) => copyrights(readFileSync(join(folder, file), 'utf8')))
  })
  return [...new Set(wanted)].filter((line) => !carried.includes(plain(line).trim()))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingNotices(readFileSync(join(root, 'NOTICE'), 'utf8'))
  for (const line of missing) console.error(`NOTICE lacks: ${line}`)
  if (missing.length > 0) process.exitCode = 1
}
