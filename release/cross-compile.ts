// Builds the addon for another system than this one by calling its compiler directly: node-gyp builds in one folder only,
// and for its own system. The sources and definitions come from binding.gyp.

import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'

import { readBinding } from './binding.js'
import { root } from './root.js'
import { run } from './run.js'
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

/** Answers the path of the binary. */
export function crossCompile(target: CrossTarget): string {
  const { sources, defines, warnings } = readBinding(target.os)
  const [command = '', ...choice] = target.compiler()
  const objects = join(root, 'out/cross', target.name)
  const simdjson = join(dirname(require.resolve('@nozbe/simdjson/package.json')), 'src')
  const napi = (require('node-addon-api') as { include_dir: string }).include_dir
  const common = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti']
  const definitions = defines.map((define) => `-D${define}`)
  const headers = [simdjson, join(root, napi), nodeHeaders()].flatMap((folder) => ['-isystem', folder])
  mkdirSync(objects, { recursive: true })

  const compile = (source: string, flags: readonly string[]): string => {
    const object = join(objects, `${basename(source).replace(/\.\w+$/, '')}.o`)
    console.log(`  ${source}`)
    try {
      run(
        command,
        [...choice, ...common, ...target.compileFlags, ...definitions, ...flags, '-c', source, '-o', object],
        {
          cwd: root,
        },
      )
    } catch (cause) {
      if (existsSync(object)) throw cause
      throw new Error(`cannot compile for ${target.name}. The compiler: ${target.hint}`, { cause })
    }
    return object
  }
  const compiled = [
    ...sources.map((source) => compile(source, [...headers, ...warnings])),
    compile(join(simdjson, 'simdjson.cpp'), ['-w']),
  ]
  const binary = join(root, target.file)
  mkdirSync(dirname(binary), { recursive: true })
  run(command, [...choice, ...target.linkFlags, ...compiled, '-o', binary], { cwd: root })
  return binary
}
