// The package as a user gets it: packed, installed without install scripts, on a machine without a compiler.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const npmCli = execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).trim()

function npm(cwd: string, ...args: string[]): string {
  return execFileSync(process.execPath, [npmCli, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** A copy of the sources in which binaries can be built without disturbing this checkout. */
function copyOfTheSources(): string {
  const copy = temporaryDirectory()
  for (const entry of [
    'package.json',
    'binding.gyp',
    'tsconfig.json',
    'README.md',
    'LICENSE',
    'SECURITY.md',
    'lib',
    'native',
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

const program = `
  import { dial, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'
  const directory = process.argv[2]
  const listener = await listen('installed', { directory })
  const [client, server] = await Promise.all([dial('installed', { directory }), listener.accept()])
  const sender = new Sender(client, 's')
  await sender.send(newSOCMessage('soc_event', { works: true }))
  await sender.close()
  for await (const message of new Receiver(server, 'r')) console.log(JSON.stringify(message.payload))
  listener.close()
`

describe('the packed package', () => {
  it('holds what it must and nothing else, and works where no script may run and no compiler is', () => {
    const sources = copyOfTheSources()
    npm(sources, 'run', 'prebuild')
    const [packed] = JSON.parse(npm(sources, 'pack', '--json', '--ignore-scripts')) as [
      { filename: string; unpackedSize: number; files: { path: string }[] },
    ]

    const files = packed.files.map((file) => file.path)
    const lib = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => file.replace(/\.ts$/, ''))
    const expected = [
      ...['LICENSE', 'README.md', 'SECURITY.md', 'package.json', 'prebuilds/README.md'],
      'prebuilds/linux-x64/sentinel-ipc.glibc.node',
      ...lib.flatMap((file) => [`dist/${file}.js`, `dist/${file}.d.ts`]),
    ]
    expect([...files].sort()).toEqual([...expected].sort())
    expect(packed.unpackedSize).toBeLessThan(2 << 20)

    const elsewhere = temporaryDirectory()
    writeFileSync(join(elsewhere, 'package.json'), '{"name":"elsewhere","type":"module","private":true}')
    npm(
      elsewhere,
      'install',
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      join(sources, packed.filename),
    )
    expect(
      readdirSync(join(elsewhere, 'node_modules'))
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(['node-gyp-build', 'sentinel-ipc'])
    writeFileSync(join(elsewhere, 'program.js'), program)
    writeFileSync(join(elsewhere, 'program.cjs'), `console.log(typeof require('sentinel-ipc').listen)`)
    const options = { cwd: elsewhere, encoding: 'utf8' as const, env: { PATH: elsewhere } }
    expect(execFileSync(process.execPath, ['program.js', join(elsewhere, 'pipes')], options)).toBe(
      '{"works":true}\n',
    )
    expect(execFileSync(process.execPath, ['program.cjs'], options)).toContain('function')
    // The types are there for those who compile against them.
    expect(readFileSync(join(elsewhere, 'node_modules/sentinel-ipc/dist/index.d.ts'), 'utf8')).toContain(
      'Listener',
    )
  }, 300_000)

  it('says what is missing where no binary fits', () => {
    const sources = copyOfTheSources()
    const elsewhere = join(sources, 'elsewhere')
    mkdirSync(elsewhere)
    cpSync(join(root, 'dist'), join(elsewhere, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(elsewhere, 'package.json'))
    writeFileSync(
      join(elsewhere, 'program.js'),
      `await import('sentinel-ipc').catch((e) => console.log(e.code, e.message))`,
    )
    const said = execFileSync(process.execPath, ['program.js'], { cwd: elsewhere, encoding: 'utf8' })
    expect(said).toMatch(/^ERR_IPC_SYSTEM .*linux x64.*glibc \d.*Node v\d.*npm ci/)
    const other = execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `Object.defineProperty(process, 'platform', { value: 'sunos' });${readFileSync(join(elsewhere, 'program.js'), 'utf8')}`,
      ],
      { cwd: elsewhere, encoding: 'utf8' },
    )
    expect(other).toContain('does not run on sunos')
  })
})
