// Builds the addon for another system than this one by calling its compiler directly: node-gyp builds in one folder only,
// and for its own system. The sources and definitions come from binding.gyp.

import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'

import { readBinding } from './binding.js'
import { root } from './root.js'
import { run, runBeside } from './run.js'
import type { CrossTarget } from './targets.js'

const require = createRequire(import.meta.url)

/** The folder of node_api.h: it is the same for every system. */
function nodeHeaders(): string {
  const folders = [process.env['npm_config_nodedir'], resolve(process.execPath, '../..')]
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, 'include/node'))
  const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')))
  if (found !== undefined) return found
  throw new Error(
    `no headers of Node in ${folders.join(' or ')}: set npm_config_nodedir to the folder that has them`,
  )
}

/** Returns the path of the binary. */
export async function crossCompile(target: CrossTarget): Promise<string> {
  const { sources, defines, warnings } = readBinding(target.os)
  const [command = '', ...choice] = target.compiler()
  const objects = join(root, 'out/cross', target.name)
  const simdjson = join(dirname(require.resolve('@nozbe/simdjson/package.json')), 'src')
  const napi = (require('node-addon-api') as { include_dir: string }).include_dir
  const common = [
    '-std=c++17',
    '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-fno-exceptions',
    '-fno-rtti',
    '-Inative',
  ]
  const definitions = defines.map((define) => `-D${define}`)
  const headers = [simdjson, join(root, napi), nodeHeaders()].flatMap((folder) => ['-isystem', folder])
  rmSync(objects, { recursive: true, force: true })
  mkdirSync(objects, { recursive: true })

  const objectOf = (source: string): string =>
    join(objects, `${relative(root, source).replace(/[/.]+/g, '_')}.o`)
  const compile = async (source: string, flags: readonly string[]): Promise<void> => {
    const given = [...choice, ...common, ...target.compileFlags, ...definitions, ...flags]
    await runBeside(command, [...given, '-c', source, '-o', objectOf(source)], root)
    done++
    console.log(`  ${done}/${all.length} ${basename(source)}`)
  }
  // The largest first, so that no processor waits for it in the end.
  const all = [
    { source: join(simdjson, 'simdjson.cpp'), flags: ['-w'] },
    ...sources.map((source) => ({ source, flags: [...headers, ...warnings] })),
  ]
  let done = 0
  const waiting = all.values()
  let failed = false
  // Wait for all of them, also when one has failed.
  const worker = async (): Promise<void> => {
    for (const { source, flags } of waiting) {
      if (failed) return
      try {
        await compile(source, flags)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: availableParallelism() }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const binary = join(root, target.file)
  mkdirSync(dirname(binary), { recursive: true })
  const compiled = all.map(({ source }) => objectOf(source))
  run(command, [...choice, ...target.linkFlags, ...compiled, '-o', binary], { cwd: root })
  return binary
}
