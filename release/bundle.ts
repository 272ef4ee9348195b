// npm run bundle: makes dist/ from out/lib. One CommonJS implementation, an ES wrapper for each entry point that
// re-exports it by name, and one set of declarations, so that `require`, `import` and TypeScript all see the same
// classes. Each command is another file, which loads the library when it needs it.

import { build as esbuild, type Metafile, type Plugin } from 'esbuild'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'

import { forOldCompilers, toCommonJs } from './declarations.js'
import { root } from './root.js'

const compiled = join(root, 'out/lib')
const dist = join(root, 'dist')
/** The split ES modules, before they become CommonJS: esbuild splits only those. */
const split = join(root, 'out/split')

interface Manifest {
  readonly engines: { readonly node: string }
  readonly exports: Readonly<Record<string, string | { readonly require: { readonly default: string } }>>
  readonly bin?: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
const target = `node${manifest.engines.node.replace(/^>=/, '')}`

/** The paths below lib/ that package.json names as entry points and commands, without extension. */
function entryPoints(): { readonly modules: string[]; readonly commands: string[] } {
  const inDist = (file: string): string => posix.relative('dist', posix.normalize(file)).replace(/\.cjs$/, '')
  const exported = Object.values(manifest.exports).filter((entry) => typeof entry !== 'string')
  return {
    modules: exported.map((entry) => inDist(entry.require.default)),
    commands: Object.values(manifest.bin ?? {}).map(inDist),
  }
}

const { modules, commands } = entryPoints()
/** What a command loads of the library, when it first needs it: the second needs optional packages. */
const libraries = commands.flatMap((command) =>
  ['kit/library', 'kit/bridge-library'].map((file) => posix.join(posix.dirname(command), file)),
)
const entryFiles = new Set([...modules, ...libraries].map((entry) => join(compiled, `${entry}.js`)))

/**
 * Makes every other entry point import the whole of the main one, so that all of it is one shared file. Between files
 * of CommonJS each use of an imported constant calls a getter, which costs loops over messages a tenth of their time
 * and more.
 */
const importMain: Plugin = {
  name: 'import-main',
  setup(build) {
    const main = join(compiled, 'index.js')
    build.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (path === main || !entryFiles.has(path)) return undefined
      return { contents: `${readFileSync(path, 'utf8')}\nimport ${JSON.stringify(main)}\n`, loader: 'js' }
    })
  },
}

/** Gives what the entry points share a file of its own. Returns what each output exports. */
async function splitModules(entries: readonly string[]): Promise<Metafile['outputs']> {
  rmSync(split, { recursive: true, force: true })
  const { metafile } = await esbuild({
    entryPoints: entries.map((entry) => join(compiled, `${entry}.js`)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target,
    packages: 'external',
    outdir: split,
    outbase: compiled,
    chunkNames: 'shared-[hash]',
    metafile: true,
    plugins: [importMain],
    logLevel: 'warning',
    absWorkingDir: root,
  })
  return metafile.outputs
}

/** The split modules refer to each other by name, and those names change with the format. */
const renameImports: Plugin = {
  name: 'rename-imports',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\// }, ({ path, kind }) =>
      kind === 'entry-point' ? undefined : { path: path.replace(/\.js$/, '.cjs'), external: true },
    )
  },
}

async function convertToCommonJs(modules: readonly string[]): Promise<void> {
  await esbuild({
    entryPoints: modules.map((module) => join(split, module)),
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target,
    packages: 'external',
    outdir: dist,
    outbase: split,
    outExtension: { '.js': '.cjs' },
    plugins: [renameImports],
    // Where the addon is looked for from. CommonJS has no `import.meta`.
    define: { 'import.meta.url': '__moduleUrl' },
    banner: { js: "'use strict'; const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: 'warning',
    absWorkingDir: root,
  })
}

/** A command works without the addon as far as it can, so its file has copies of the little that it shares with the library. */
async function bundleCommand(command: string): Promise<void> {
  const file = join(dist, `${command}.cjs`)
  const loadLibrary: Plugin = {
    name: 'load-library',
    setup(build) {
      build.onResolve({ filter: /\/(bridge-)?library\.js$/ }, ({ path }) => ({
        path: `./kit/${posix.basename(path, '.js')}.cjs`,
        external: true,
      }))
    },
  }
  await esbuild({
    entryPoints: [join(compiled, `${command}.js`)],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target,
    packages: 'external',
    outfile: file,
    plugins: [loadLibrary],
    // By require(): in Node 20 an error of a module that import() loads is an uncaught exception as well.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__moduleUrl' },
    banner: {
      js: "#!/usr/bin/env node\n'use strict'; const __moduleUrl = require('node:url').pathToFileURL(__filename).href;",
    },
    logLevel: 'warning',
    absWorkingDir: root,
  })
  chmodSync(file, 0o755)
}

/** An ES module that evaluates nothing of its own: evaluated twice, it still hands out the same classes. */
function writeWrapper(entry: string, names: readonly string[]): void {
  const file = posix.basename(entry)
  // In Node 20 a CommonJS module that throws while an ES module imports it is an uncaught exception as well, even if the
  // caller of `import()` catches the error. So the error crosses as a value.
  const crossing = `'use strict'
try {
  exports.implementation = require('./${file}.cjs')
} catch (error) {
  exports.error = error
}
`
  const exported = names.map((name) => `export const ${name} = implementation.${name}`)
  const wrapper = `import loaded from './${file}.import.cjs'

if (loaded.implementation === undefined) throw loaded.error
const { implementation } = loaded
${exported.join('\n')}
`
  write(`${entry}.import.cjs`, crossing)
  write(`${entry}.mjs`, wrapper)
}

/** Declarations of the CommonJS files. Those of the wrappers re-export them, so that each class is declared once. */
function writeDeclarations(entries: readonly string[]): void {
  // The compiler leaves what it made of a source that is gone, so go by the sources.
  const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  const ofCommand = (name: string): boolean =>
    commands.some((command) => name.startsWith(posix.dirname(command)))
  for (const source of sources.filter((name) => name.endsWith('.ts') && !ofCommand(name))) {
    const file = source.replace(/\.ts$/, '.d.ts')
    const text = readFileSync(join(compiled, file), 'utf8')
    write(file.replace(/\.d\.ts$/, '.d.cts'), forOldCompilers(toCommonJs(text)))
  }
  for (const entry of entries) write(`${entry}.d.mts`, `export * from './${posix.basename(entry)}.cjs'\n`)
}

/** Names the binaries to tools that copy the files of a program (nft): they evaluate paths made from `__dirname`. */
function nameBinaries(shared: string): void {
  const file = join(dist, shared)
  const hint = `require('node:path').join(__dirname, '${relative(dirname(file), join(root, 'prebuilds'))}')`
  writeFileSync(file, `${readFileSync(file, 'utf8')}require('node-gyp-build')\n${hint}\n`)
}

function write(file: string, text: string): void {
  mkdirSync(dirname(join(dist, file)), { recursive: true })
  writeFileSync(join(dist, file), text)
}

const outputs = await splitModules([...modules, ...libraries])
rmSync(dist, { recursive: true, force: true })
const made = Object.keys(outputs).map((file) => relative(split, join(root, file)))
await convertToCommonJs(made)
for (const file of made.filter((name) => /^shared-\w+\.js$/.test(name)))
  nameBinaries(file.replace(/\.js$/, '.cjs'))
for (const entry of modules) {
  const output = outputs[posix.join('out/split', `${entry}.js`)]
  if (output === undefined) throw new Error(`package.json exports ${entry}, and esbuild made no such file`)
  writeWrapper(entry, [...output.exports].sort())
}
for (const command of commands) await bundleCommand(command)
writeDeclarations(modules)
