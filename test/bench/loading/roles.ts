// How much longer a process takes that imports the package than one that does nothing: whole processes, in turns.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { summarize } from '../harness/statistics.js'

export async function consumer(context: RoleContext): Promise<Figures> {
  const processes = context.number('processes')
  const empty = join(context.directory, 'empty.mjs')
  const loading = join(context.directory, 'loading.mjs')
  writeFileSync(empty, '')
  writeFileSync(loading, `import ${JSON.stringify(import.meta.resolve('sentinel-ipc'))}\n`)
  const times = { empty: [] as number[], loading: [] as number[] }
  // The first of each finds the files not yet in memory.
  run(empty)
  run(loading)
  for (let i = 0; i < processes; ++i) {
    times.empty.push(run(empty))
    times.loading.push(run(loading))
  }
  const [emptyMs, loadingMs] = [summarize(times.empty).median, summarize(times.loading).median]
  return { emptyMs, loadingMs, extraMs: loadingMs - emptyMs }
}

function run(script: string): number {
  const begin = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${script}: ${stderr}`)
  return performance.now() - begin
}
