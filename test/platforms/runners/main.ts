// npm run test:runners: the package as test runners, old and new TypeScript and bundlers see it. Its programs come from npm, in the
// newest version of each line that is named here, and stay in .cache.

import { rmSync } from 'node:fs'

import { misused, readOptions } from '../../../release/options.js'
import { checkBundles } from './bundles.js'
import { place } from './place.js'
import { projects } from './projects.js'
import { runProject } from './run-project.js'
import { checkTypes, VERSIONS } from './types.js'

interface Check {
  readonly name: string
  /** Throws an error that says what went wrong. */
  readonly run: () => void
}

const checks: readonly Check[] = [
  ...projects.map((project) => ({
    name: project.name,
    run: () => {
      runProject(project)
    },
  })),
  ...VERSIONS.map((version) => ({
    name: `TypeScript ${version}`,
    run: () => {
      checkTypes(version)
    },
  })),
  { name: 'bundles', run: checkBundles },
]

const HELP = `Usage: npm run test:runners -- [text ...]

Uses the package in test runners, with old and new TypeScript, and in bundlers. Texts choose checks whose names contain one
of them:

${checks.map(({ name }) => `  ${name}`).join('\n')}

  --help  this text`

const { positionals: asked } = readOptions(HELP, { allowPositionals: true })
const chosen = checks.filter(({ name }) => asked.length === 0 || asked.some((part) => name.includes(part)))
if (chosen.length === 0)
  misused(`no check has a name like that; there are ${checks.map(({ name }) => name).join('; ')}`)
rmSync(place, { recursive: true, force: true })
const failed: string[] = []
for (const { name, run } of chosen) {
  const started = performance.now()
  try {
    run()
    console.log(`ok      ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  } catch (error) {
    console.log(`FAILED  ${name}\n${error instanceof Error ? error.message : String(error)}`)
    failed.push(name)
  }
}
console.log(`\ntest:runners: ${chosen.length - failed.length} passed, ${failed.length} failed`)
if (failed.length > 0) process.exitCode = 1
