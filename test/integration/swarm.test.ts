// The swarm across processes: its demo, and a store that is far too large for one line.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const DEMO = fileURLToPath(new URL('../../out/examples/swarm/main.js', import.meta.url))
const BENCHMARK = fileURLToPath(new URL('../../out/test/bench/main.js', import.meta.url))

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(
  script: string,
  args: readonly string[],
  onOutput?: (text: string, stop: () => void) => void,
): Promise<Run> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    onOutput?.(stdout, () => child.kill('SIGINT'))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve) => {
    child.once('close', (code) => {
      resolve({ code, stdout, stderr })
    })
  })
}

describe('the demo', () => {
  it('kills a node, brings it back, and all hold the same facts', async () => {
    const { code, stdout, stderr } = await run(DEMO, ['--facts', '3000'])
    expect(stderr).toBe('')
    // It explains what a viewer sees, step by step.
    expect(stdout).toContain('without a server')
    for (const step of [1, 2, 3, 4, 5]) expect(stdout).toMatch(new RegExp(`^${step}\\. [A-Z]`, 'm'))
    // Two first syncs are there to be watched before anything is killed, however busy the machine is.
    const before = stdout.slice(0, stdout.indexOf('\n3. '))
    expect(before.match(/synced with node-\d: [2-6]\d{3} in/g)?.length).toBeGreaterThanOrEqual(2)
    expect(stdout).toMatch(/kills node-\d, which listens/)
    // The one that came back knowing nothing gets what the two that lived began with, and what it had told them by then.
    expect(stdout).toMatch(/synced with node-\d: [6-9]\d{3} in/)
    expect(stdout).not.toMatch(/critical|error:/)
    expect(stdout).toContain('all 3 nodes hold the same facts: yes')
    expect(code).toBe(0)
  })

  it('checks itself at Ctrl-C', async () => {
    const { code, stdout } = await run(DEMO, ['--facts', '100'], (text, stop) => {
      if (text.includes('starts node-2')) stop()
    })
    expect(stdout).toContain('is interrupted')
    expect(stdout).toContain('hold the same facts: yes')
    expect(code).toBe(0)
  })

  it('explains itself, and refuses what it does not know', async () => {
    expect(await run(DEMO, ['--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Usage') as string,
    })
    expect(await run(DEMO, ['--facts', 'many'])).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('a sync between processes', () => {
  // The benchmark fails when the receiving store does not hold every fact.
  it('moves every fact, into memory and into LMDB', async () => {
    const place = temporaryDirectory()
    const output = ['--json', join(place, 'figures.json'), '--plots', place]
    const { stdout, code } = await run(BENCHMARK, ['--quick', '--only', 'swarm', ...output])
    expect(stdout).toContain('Sync of 10,000 facts')
    expect(stdout).toMatch(/MemoryFactStore +\S*\d.*\n.*LmdbFactStore +\S*\d/)
    expect(code).toBe(0)
  })
})
