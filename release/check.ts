// npm run release:check: everything that a release needs, without releasing anything. Each step is named with its time; a step
// that fails does not keep the others from running. Exit code 1 if anything is missing.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { missingNotices } from './notices.js'
import { readOptions } from './options.js'
import { root } from './root.js'
import { output } from './run.js'
import { billOfMaterials } from './sbom.js'

const HELP = `Usage: npm run release:check -- [options]

Checks that this commit can be released: a clean tree, the version and its entry in CHANGELOG.md, no placeholder in
package.json, the binary of each platform, lint, API reference, unused code and dependencies, package contents and types,
notices, bill of materials, no registry address, and the same bytes from two builds.

  --rehearsal  the version may be unreleased, and placeholders may stand
  --quick      without lint, API reference and the two builds
  --help       this text
`

/** What stands in package.json until the project has a home. */
const PLACEHOLDER = 'PLACEHOLDER'
const BINARIES = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-x64'] as const

interface Manifest {
  readonly version: string
  readonly [key: string]: unknown
}

interface Step {
  readonly name: string
  /** Left out with --quick. */
  readonly slow?: boolean
  /** Returns what is wrong; nothing if all is well. */
  readonly check: () => readonly string[]
}

const { values } = readOptions(HELP, {
  options: {
    rehearsal: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest

function git(...args: readonly string[]): string {
  return output('git', args, { cwd: root }).trim()
}

/** The first lines of what a command printed, if it failed. */
function complaintsOf(command: string, ...args: readonly string[]): string[] {
  try {
    output(command, args, { cwd: root })
    return []
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split('\n').slice(0, 20)
  }
}

function placeholders(): string[] {
  return ['repository', 'bugs', 'homepage'].flatMap((field) => {
    const text = JSON.stringify(manifest[field])
    if (text === undefined) return [`package.json has no ${field}`]
    return text.includes(PLACEHOLDER) ? [`package.json: ${field} is still a placeholder`] : []
  })
}

function changelog(): string[] {
  const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  if (text.includes(`\n## [${manifest.version}]`)) return []
  return [`CHANGELOG.md has no entry for ${manifest.version}`]
}

const steps: readonly Step[] = [
  {
    name: 'nothing is uncommitted',
    check: () =>
      git('status', '--porcelain')
        .split('\n')
        .filter((line) => line !== ''),
  },
  { name: 'the version has an entry in the changelog', check: () => (values.rehearsal ? [] : changelog()) },
  { name: 'no placeholder is left', check: () => (values.rehearsal ? [] : placeholders()) },
  {
    name: 'each platform has its binary (npm run prebuild:all)',
    check: () =>
      BINARIES.filter((name) => !existsSync(join(root, 'prebuilds', name))).map(
        (name) => `prebuilds/${name} is missing`,
      ),
  },
  {
    name: 'no registry address is named',
    check: () => {
      // Written apart, so that this line does not find itself.
      const address = ['registry', 'npmjs', 'org'].join('.')
      return complaintsOf('sh', '-c', `! git grep -n '${address}'`)
    },
  },
  {
    name: 'the notices are complete',
    check: () => missingNotices(readFileSync(join(root, 'NOTICE'), 'utf8')),
  },
  {
    name: 'the bill of materials is the same twice',
    check: () => (billOfMaterials() === billOfMaterials() ? [] : ['two runs differ']),
  },
  { name: 'no code and no dependency is unused', check: () => complaintsOf('npx', 'knip') },
  {
    name: 'the package holds what it should, with types that resolve',
    check: () =>
      complaintsOf(
        'npx',
        'vitest',
        'run',
        '--config',
        'test/vitest.config.ts',
        'test/integration/package.test.ts',
      ),
  },
  { name: 'lint', slow: true, check: () => complaintsOf('npm', 'run', '--silent', 'lint') },
  {
    name: 'API reference without warnings',
    slow: true,
    check: () => complaintsOf('npm', 'run', '--silent', 'docs'),
  },
  {
    name: 'two builds give the same bytes',
    slow: true,
    check: () => complaintsOf('node', 'out/release/reproduce.js'),
  },
]

const failed = steps
  .filter(({ slow }) => !(values.quick && slow === true))
  .filter(({ name, check }) => {
    const begin = performance.now()
    const complaints = check()
    const seconds = ((performance.now() - begin) / 1000).toFixed(0)
    console.log(`${complaints.length === 0 ? 'ok    ' : 'FAILED'}  ${name} (${seconds} s)`)
    for (const complaint of complaints) console.log(`        ${complaint}`)
    return complaints.length > 0
  })
console.log(failed.length === 0 ? 'ready' : `not ready: ${failed.length} of these`)
if (failed.length > 0) process.exitCode = 1
