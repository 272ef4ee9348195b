// Reads from binding.gyp how the addon is built for one system, so that a build without node-gyp compiles the same.

import { join } from 'node:path'

import { root } from './root.js'
import { output } from './run.js'

export interface Binding {
  readonly sources: readonly string[]
  readonly defines: readonly string[]
  readonly warnings: readonly string[]
}

interface Settings {
  readonly target_name?: string
  readonly sources?: readonly string[]
  readonly defines?: readonly string[]
  readonly conditions?: readonly (readonly [string, Settings])[]
}

interface Gyp {
  readonly variables: { readonly warnings: readonly string[] }
  readonly targets: readonly Settings[]
}

/** gyp files are Python literals; Python is what node-gyp needs anyway. */
const READ = 'import ast, json, sys; print(json.dumps(ast.literal_eval(open(sys.argv[1]).read())))'

/** `os` is gyp's name of the system: `linux`, `mac` or `win`. */
export function readBinding(os: string): Binding {
  const gyp = JSON.parse(output('python3', ['-c', READ, join(root, 'binding.gyp')])) as Gyp
  const target = gyp.targets.find((candidate) => candidate.target_name === 'sentinel_ipc')
  const own = target?.conditions?.find(([condition]) => condition === `OS=='${os}'`)?.[1]
  if (target?.sources === undefined || own?.sources === undefined) {
    throw new Error(`binding.gyp names no sources of sentinel_ipc for OS=='${os}'`)
  }
  return {
    sources: [...target.sources, ...own.sources],
    defines: [...(target.defines ?? []), ...(own.defines ?? [])],
    warnings: gyp.variables.warnings,
  }
}
