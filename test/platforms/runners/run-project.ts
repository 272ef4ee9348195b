// Makes a project of a test runner and runs its two test files in one process, so that the package is evaluated twice there.

import { spawnSync } from 'node:child_process'
import { buildSync } from 'esbuild'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { root } from '../../../release/root.js'
import { install, makeProject } from './place.js'
import { steps } from './exercise.js'
import type { Project } from './projects.js'

const TIMEOUT_MS = 60_000

/** The script of the runner, which Node runs. */
function scriptOf({ runner }: Project): string[] {
  if (runner === undefined) return []
  const { name, line, script } = runner
  return [join(line === undefined ? join(root, 'node_modules', name) : install(name, line), script)]
}

export function runProject(project: Project): void {
  const { name, imports, file, source, nodeOptions, options } = project
  const folder = makeProject(name, imports === undefined ? {} : { [imports]: install(imports) })
  buildSync({
    entryPoints: [join(root, 'out/test/platforms/runners/exercise.js')],
    format: 'cjs',
    platform: 'node',
    outfile: join(folder, 'exercise.cjs'),
  })
  const files = ['first', 'second'].map((which) => `${which}.${file}`)
  for (const test of files) writeFileSync(join(folder, test), source)
  const directory = mkdtempSync(join(tmpdir(), 'sipc-runner-'))
  try {
    const ofNode = project.runner === undefined ? files : []
    const args = [...nodeOptions, ...scriptOf(project), ...options, ...ofNode]
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, CI: '1', NO_COLOR: '1', EXERCISE_DIRECTORY: directory },
      timeout: TIMEOUT_MS,
    })
    const said = stdout + stderr
    if (status !== 0) throw new Error(`ended with ${status ?? signal ?? 'nothing'}:\n${said}`)
    // Each step twice, the second time under fake timers.
    const tests = files.length * 2 * Object.keys(steps).length
    if (!new RegExp(`(?:Tests:? +|pass )${tests}\\b`).test(said))
      throw new Error(`not ${tests} tests passed:\n${said}`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
