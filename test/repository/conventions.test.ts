// Conventions outside of lib/ and native/: every source file says its job in its first line, developers' commands explain
// themselves, and nothing names a registry or holds a token.

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .trim()
  .split('\n')

function read(file: string): string {
  return readFileSync(`${root}${file}`, 'utf8')
}

describe('a source file', () => {
  const sources = files.filter((file) => /^(test|examples|release)\/.*\.(ts|cc|c|h|go)$/.test(file))

  it.each(sources)('%s says its job in its first line', (file) => {
    expect(read(file)).toMatch(/^\/\/ \S/)
  })

  it.each(files.filter((file) => /\.sh$|^\.ci\/run$/.test(file)))(
    '%s says its job below its #! line',
    (file) => {
      expect(read(file)).toMatch(/^(#!.*\n)?# \S/)
    },
  )
})

describe("a developer's command", () => {
  const programs = files.filter(
    (file) =>
      /^(test|release)\/.*\.ts$/.test(file) && !file.endsWith('.test.ts') && read(file).includes('parseArgs'),
  )
  const commands = files.filter(
    (file) => /^(test|release)\/.*\.ts$/.test(file) && /\breadOptions\(\w*(HELP|help|\n)/.test(read(file)),
  )

  it('reads its options in one place', () => {
    expect(programs).toEqual(['release/options.ts', 'test/bench/command-line.ts'])
  })

  it.each(commands.filter((file) => file !== 'release/options.ts'))('%s explains itself', (file) => {
    const program = `${root}out/${file.replace(/(options)?\.ts$/, (_, options) => (options === undefined ? '.js' : 'main.js'))}`
    const help = spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' })
    expect(help).toMatchObject({ status: 0, stderr: '' })
    expect(help.stdout).toMatch(/^Usage: .+\n\n[\s\S]*  --help /)
    const wrong = spawnSync(process.execPath, [program, '--unknown'], { encoding: 'utf8' })
    expect(wrong).toMatchObject({ status: 2, stdout: '' })
    expect(wrong.stderr).toMatch(/^Unknown option '--unknown'.*--help lists the options\)\n$/)
  })
})

describe('the repository', () => {
  const text = files.filter((file) => /\.(json|ya?ml|ts|sh|npmrc)$|^\.ci\/run$/.test(file))

  it('names no registry address', () => {
    // In two parts, so that this file does not name one either.
    const address = new RegExp(['registry\\.(npmjs|yarnpkg|npmmirror)', '\\.(org|com)|registry-url'].join(''))
    expect(text.filter((file) => !file.endsWith('conventions.test.ts') && address.test(read(file)))).toEqual(
      [],
    )
  })

  it('publishes without a token', () => {
    expect(text.filter((file) => /NODE_AUTH_TOKEN|NPM_TOKEN|_authToken/.test(read(file)))).toEqual([
      'test/repository/conventions.test.ts',
    ])
  })
})
