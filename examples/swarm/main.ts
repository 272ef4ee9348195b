// The demo of the swarm: starts three nodes, kills the one that listens, brings it back, and checks at the end that all
// three hold the same facts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { Swarm } from './swarm.js'

const HELP = `Usage: npm run demo:swarm -- [options]

Three nodes, each a process of its own, that share what they know through sentinel-ipc. The one that comes first
listens, the others dial it. After a while it is killed; another one takes its place, and when the killed one comes back
with nothing in memory, it gets everything from the others.

Options:
  --facts N  facts that each node begins with, up to 500,000 (default 20,000)
  --help     this text

It ends by itself after about 10 seconds. Ctrl-C goes to the check at once.

Exit code: 0 when all nodes have synced and hold the same facts in the end, 1 when not, 2 for a wrong command line.
`

const NAMES = ['node-1', 'node-2', 'node-3']
const PHASE_MS = 2500
const SETTLE_MS = 15_000
const MAX_FACTS = 500_000

process.exitCode = await main()

async function main(): Promise<number> {
  let facts: number
  try {
    const { values } = parseArgs({
      options: { help: { type: 'boolean', short: 'h' }, facts: { type: 'string' } },
    })
    if (values.help === true) {
      process.stdout.write(HELP)
      return 0
    }
    facts = Number(values.facts ?? 20_000)
    if (!Number.isInteger(facts) || facts < 0 || facts > MAX_FACTS)
      throw new Error(`--facts takes 0 to ${MAX_FACTS}`)
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : ''}\nSee --help.\n`)
    return 2
  }
  // Only we can enter this directory, so only we can listen in it.
  const directory = mkdtempSync(join(tmpdir(), 'swarm-'))
  const begin = performance.now()
  const print = (who: string, text: string): void => {
    process.stdout.write(
      `${((performance.now() - begin) / 1000).toFixed(2).padStart(6)} s  ${who.padEnd(6)}  ${text}\n`,
    )
  }
  const swarm = new Swarm(directory, print)
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted.abort()
    })
  }
  try {
    await run(swarm, facts, print, interrupted.signal)
    return await check(swarm)
  } finally {
    await swarm.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

type Print = (who: string, text: string) => void

/** The story; Ctrl-C ends it early. */
async function run(swarm: Swarm, facts: number, print: Print, interrupted: AbortSignal): Promise<void> {
  try {
    for (const name of NAMES) {
      print(
        'main',
        `starts ${name} (pid ${swarm.start(name, facts)}) with ${facts.toLocaleString('en-US')} facts`,
      )
      // The first one is to be there first.
      await sleep(200, undefined, { signal: interrupted })
    }
    await sleep(PHASE_MS, undefined, { signal: interrupted })
    const states = await swarm.states()
    const victim = [...states].find(([, state]) => state?.listening === true)?.[0] ?? 'node-1'
    print('main', `kills ${victim}, which listens, with SIGKILL`)
    await swarm.kill(victim)
    await sleep(PHASE_MS, undefined, { signal: interrupted })
    print('main', `brings ${victim} back (pid ${swarm.start(victim, 0)}), knowing nothing`)
    await sleep(PHASE_MS, undefined, { signal: interrupted })
  } catch (error) {
    if (!interrupted.aborted) throw error
    print('main', 'is interrupted')
  }
}

/** Lets the nodes come to rest, and compares them. */
async function check(swarm: Swarm): Promise<number> {
  swarm.settle()
  const deadline = performance.now() + SETTLE_MS
  for (;;) {
    const states = [...(await swarm.states())]
    const digests = new Set(states.map(([, state]) => state?.digest))
    // Nodes that know nothing, and so the same, have not synced.
    const met = states.every(([, state]) => state !== undefined && state.trusted > 0 && state.facts > 0)
    const same = met && digests.size === 1
    if (!same && performance.now() < deadline) {
      await sleep(200)
      continue
    }
    process.stdout.write('\n')
    for (const [name, state] of states) {
      const text =
        state === undefined
          ? 'does not answer'
          : `${state.facts.toLocaleString('en-US')} facts, digest ${state.digest}, ` +
            `${state.trusted} trusted peers${state.listening ? ', listens' : ''}`
      process.stdout.write(`${name}: ${text}\n`)
    }
    if (!met) process.stdout.write('not every node has synced with another one\n')
    process.stdout.write(`all ${states.length} nodes hold the same facts: ${same ? 'yes' : 'no'}\n`)
    return same ? 0 : 1
  }
}
