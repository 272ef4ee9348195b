// The package as a user gets it: packed, installed without install scripts or a compiler, imported, required, and typed.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'
import {
  bytesOfSet,
  IMPORTED_NAMES,
  expectedFiles,
  MOST_BYTES_OF_ONE_SET,
  packedFiles,
  type Packed,
} from '../support/package-contents.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const npmCli = execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).trim()

function npm(cwd: string, ...args: string[]): string {
  return execFileSync(process.execPath, [npmCli, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

let place: string
beforeAll(() => {
  place = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-package-'))
})
afterAll(() => {
  rmSync(place, { recursive: true, force: true })
})

/** A copy of the sources in which binaries can be built without disturbing this checkout. */
function copyOfTheSources(): string {
  const copy = join(place, 'sources')
  for (const entry of [
    'package.json',
    'package-lock.json',
    'binding.gyp',
    'tsconfig.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'NOTICE',
    'SECURITY.md',
    'docs',
    'lib',
    'native',
    'release',
    'prebuilds/README.md',
  ]) {
    mkdirSync(dirname(join(copy, entry)), { recursive: true })
    cpSync(join(root, entry), join(copy, entry), { recursive: true })
  }
  // Without the tests and examples, which a user does not get.
  mkdirSync(join(copy, 'test'))
  writeFileSync(join(copy, 'test/tsconfig.json'), JSON.stringify({ files: [], references: [{ path: '..' }] }))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Sends itself a message in the directory that its argument names, and prints the payload. */
const program = `
  import { dial, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'
  async function main(directory) {
    const listener = await listen('installed', { directory })
    const [client, server] = await Promise.all([dial('installed', { directory }), listener.accept()])
    const sender = new Sender(client, 's')
    await sender.send(newSOCMessage('soc_event', { works: true }))
    await sender.close()
    for await (const message of new Receiver(server, 'r')) console.log(JSON.stringify(message.payload))
    listener.close()
  }
  main(process.argv[2])
`

const otherWays = {
  'program.cjs': `
    const { listen } = require('sentinel-ipc')
    listen('installed', { directory: process.argv[2] }).then((listener) => {
      console.log('{"works":true}')
      listener.close()
    })`,
  'worker.cjs': `
    const { Worker } = require('node:worker_threads')
    new Worker(require.resolve('./program.mjs'), { argv: [process.argv[2]] })`,
}

/** Prints whether `import`, `require` and a second evaluation of each ES wrapper give the same exports. */
const identity = `
  import { createRequire } from 'node:module'
  const require = createRequire(import.meta.url)
  for (const name of JSON.parse(process.argv[2])) {
    const required = require(name)
    const imported = await import(name)
    const again = await import(import.meta.resolve(name) + '?again')
    const names = Object.keys(required).sort()
    const same = (module) => JSON.stringify(Object.keys(module).sort()) === JSON.stringify(names) &&
      names.every((key) => module[key] === required[key])
    console.log(name, names.length > 0, imported !== again, same(imported), same(again))
  }`

/** A user's source. The type errors that it expects show that the declarations are not \`any\`. */
const typed = `
  import { Receiver, SOCMessage, listen, type Connection, type IpcErrorCode } from 'sentinel-ipc'
  import { LmdbFactStore } from 'sentinel-ipc/lmdb'
  export async function first(connection: Connection): Promise<string | undefined> {
    const { value } = await new Receiver(connection, 'r').next()
    return value instanceof SOCMessage ? value.type : undefined
  }
  export const code: IpcErrorCode = 'ERR_IPC_CLOSED'
  export const store: (path: string) => Promise<LmdbFactStore> = LmdbFactStore.open
  // @ts-expect-error: a name is a string
  void listen(42)`

describe('the packed package', () => {
  let sources: string
  let elsewhere: string
  let packed: Packed

  it('is made', () => {
    sources = copyOfTheSources()
    npm(sources, 'run', 'prebuild')
    npm(sources, 'run', 'sbom')
    ;[packed] = JSON.parse(npm(sources, 'pack', '--json', '--ignore-scripts')) as [typeof packed]
  }, 300_000)

  it('holds what it must and nothing else', () => {
    const folder = `prebuilds/${process.platform}-${process.arch}`
    const [name = '', ...others] = readdirSync(join(sources, folder))
    expect(others).toEqual([])
    expect(name).toMatch(/^sentinel-ipc(\.glibc|\.musl)?\.node$/)
    const binary = `${folder}/${name}`
    expect(packedFiles(packed)).toEqual(expectedFiles(root, [binary]))
    expect(bytesOfSet(packed, binary)).toBeLessThan(MOST_BYTES_OF_ONE_SET)
  })

  it('installs where no script may run, with one dependency', () => {
    elsewhere = join(place, 'elsewhere')
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'package.json'), '{"name":"elsewhere","private":true}')
    const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
    npm(elsewhere, 'install', ...options, join(sources, packed.filename))
    const installed = readdirSync(join(elsewhere, 'node_modules')).filter((name) => !name.startsWith('.'))
    expect(installed.sort()).toEqual(['node-gyp-build', 'sentinel-ipc'])
    const declarations = join(elsewhere, 'node_modules/sentinel-ipc/dist/index.d.cts')
    expect(readFileSync(declarations, 'utf8')).toContain('Listener')
    writeFileSync(join(elsewhere, 'program.mjs'), program)
    for (const [file, text] of Object.entries(otherWays)) writeFileSync(join(elsewhere, file), text)
  }, 120_000)

  it.each([
    ['imported', 'program.mjs'],
    ['required', 'program.cjs'],
    ['in a worker thread', 'worker.cjs'],
  ])('works %s, without a compiler', (_, file) => {
    // No compiler is on the PATH.
    const options = { cwd: elsewhere, encoding: 'utf8' as const, env: { PATH: elsewhere } }
    const said = execFileSync(process.execPath, [file, join(elsewhere, `pipes-${file}`)], options)
    expect(said).toBe('{"works":true}\n')
  })

  it('gives one instance however and how often it is loaded', () => {
    writeFileSync(join(elsewhere, 'identity.mjs'), identity)
    symlinkSync(join(root, 'node_modules/lmdb'), join(elsewhere, 'node_modules/lmdb'))
    symlinkSync(join(root, 'node_modules/@nats-io'), join(elsewhere, 'node_modules/@nats-io'))
    const names = IMPORTED_NAMES
    const said = execFileSync(process.execPath, ['identity.mjs', JSON.stringify(names)], {
      cwd: elsewhere,
      encoding: 'utf8',
    })
    expect(said.trim().split('\n')).toEqual(names.map((name) => `${name} true true true true`))
  })

  it.each([
    ['an ES module under node16', 'typed.mts', 'node16', 'node16'],
    ['a CommonJS module under node16', 'typed.cts', 'node16', 'node16'],
    ['an ES module under nodenext', 'typed.mts', 'nodenext', 'nodenext'],
    ['a CommonJS module under nodenext', 'typed.cts', 'nodenext', 'nodenext'],
    ['a bundled module', 'typed.ts', 'esnext', 'bundler'],
  ])('has the right types in %s', (_, file, module, moduleResolution) => {
    writeFileSync(join(elsewhere, file), typed)
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
    const lib = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable', '--strict', '--noEmit']
    const options = ['--module', module, '--moduleResolution', moduleResolution, ...lib, ...types]
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, ...options, file], {
      cwd: elsewhere,
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
  })

  it.each([
    ['publint', ['publint/src/cli.js', '--strict']],
    ['attw', ['@arethetypeswrong/cli/dist/index.js', '--no-emoji', '--format', 'ascii']],
  ])('gives %s nothing to complain about', (_, [script = '', ...options]) => {
    const args = [join(root, 'node_modules', script), join(sources, packed.filename), ...options]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    expect(status, stdout + stderr).toBe(0)
  })

  it.each(['esm', 'cjs'])('works in a bundle of esbuild that leaves it outside, as %s', (format) => {
    const bundle = join(elsewhere, `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`)
    // The options that the README gives.
    const given = ['--bundle', '--platform=node', '--external:sentinel-ipc']
    const esbuild = join(root, 'node_modules/.bin/esbuild')
    execFileSync(
      esbuild,
      ['program.mjs', ...given, `--format=${format}`, `--outfile=${bundle}`, '--log-level=error'],
      {
        cwd: elsewhere,
      },
    )
    expect(statSync(bundle).size).toBeLessThan(10_000)
    const options = { cwd: elsewhere, encoding: 'utf8' as const }
    expect(execFileSync(process.execPath, [bundle, join(elsewhere, `pipes-${format}`)], options)).toBe(
      '{"works":true}\n',
    )
  })
})

describe('a package without a binary that fits', () => {
  const program = `import('sentinel-ipc').catch((error) => console.log(error.code, error.message))`

  /** The output of a program that loads it there; `before` runs first. */
  function loading(before: string, make: (prebuilds: string) => void = () => undefined): string {
    const there = join(temporaryDirectory(), 'package')
    cpSync(join(root, 'dist'), join(there, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(there, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(there, 'node_modules'))
    make(join(there, 'prebuilds', `${process.platform}-${process.arch}`))
    return execFileSync(process.execPath, ['-e', `${before};${program}`], { cwd: there, encoding: 'utf8' })
  }

  it('says what it would have to fit, and how to make one', () => {
    expect(loading('')).toMatch(
      new RegExp(
        `^ERR_IPC_SYSTEM .*linux ${process.arch}, (glibc \\d+\\.\\d+|musl), Node ${process.version}, Node-API \\d+.*` +
          `No native build was found.*'npm ci && npm run prebuild'.*prebuilds/linux-${process.arch} to `,
      ),
    )
  })

  it('says why one that is there does not load', () => {
    const said = loading('', (prebuilds) => {
      mkdirSync(prebuilds, { recursive: true })
      writeFileSync(join(prebuilds, 'sentinel-ipc.node'), 'no binary at all')
    })
    expect(said).toMatch(
      /^ERR_IPC_SYSTEM .*sentinel-ipc\.node: (file too short|invalid ELF header|.*not valid)/,
    )
  })

  it('says that a bundler must leave it outside', () => {
    const there = temporaryDirectory()
    const given = ['--bundle', '--platform=node', '--format=cjs', `--outfile=${there}/bundle.cjs`]
    execFileSync(join(root, 'node_modules/.bin/esbuild'), ['dist/index.cjs', ...given, '--log-level=error'], {
      cwd: root,
    })
    const program = `try { require('./bundle.cjs') } catch ({ code, message }) { console.log(code, message) }`
    const said = execFileSync(process.execPath, ['-e', program], { cwd: there, encoding: 'utf8' })
    expect(said).toMatch(
      /^ERR_IPC_SYSTEM .*bundled into .*bundle\.cjs, away from its binary\..*--external:sentinel-ipc/,
    )
  })

  it('says that it is not made for a platform', () => {
    const said = loading(`Object.defineProperty(process, 'platform', { value: 'sunos' })`)
    expect(said).toMatch(/^ERR_IPC_SYSTEM sentinel-ipc does not run on sunos \(\w+\); it supports linux, /)
  })
})
