// npm run test:matrix: the tests with each supported line of Node, its newest version, from npm's node-linux-* packages.

import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'

import { fetchPackage, newestVersion } from '../../../release/npm-package.js'
import { misused, readOptions } from '../../../release/options.js'
import { root } from '../../../release/root.js'

const LINES = ['20', '22', '24', 'newest']
const DAY_MS = 86_400_000

const given = process.argv.slice(2)
const end = given.includes('--') ? given.indexOf('--') : given.length
const forVitest = given.slice(end + 1)
const HELP = `Usage: npm run test:matrix -- [line ...] [options] [-- arguments of vitest]

Runs the tests with the newest version of each supported line of Node: ${LINES.join(', ')}. Fetches them from npm into .cache.

  --today  one line that the date chooses, other than that of this process
  --help   this text`

const { values, positionals } = readOptions(HELP, {
  args: given.slice(0, end),
  options: { today: { type: 'boolean' } },
  allowPositionals: true,
})

function chosen(): readonly string[] {
  const unknown = positionals.filter((line) => !LINES.includes(line))
  if (unknown.length > 0) misused(`no line ${unknown.join(', ')}; there are ${LINES.join(', ')}`)
  if (values.today === true) {
    // Not the line that npm test runs with.
    const others = LINES.filter((line) => !process.versions.node.startsWith(`${line}.`))
    return others.filter((_, i) => i === Math.floor(Date.now() / DAY_MS) % others.length)
  }
  return positionals.length > 0 ? positionals : LINES
}

/** Whether the tests passed. */
function test(line: string): { node: string; passed: boolean } {
  const name = `node-linux-${process.arch}`
  const version = newestVersion(name, line === 'newest' ? '*' : line)
  const bin = join(fetchPackage(name, version), 'bin')
  console.log(`\n== Node ${version}`)
  const result = spawnSync(
    join(bin, 'node'),
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', ...forVitest],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
    },
  )
  return { node: version, passed: result.status === 0 }
}

if (process.platform !== 'linux') {
  console.log(
    `SKIPPED test:matrix: the packages of Node that it uses are for Linux, and this is ${process.platform}`,
  )
} else {
  const results = chosen().map(test)
  console.log(results.map(({ node, passed }) => `Node ${node}: ${passed ? 'passed' : 'FAILED'}`).join('\n'))
  if (results.some(({ passed }) => !passed)) process.exitCode = 1
}
