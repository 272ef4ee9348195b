// The demo of the swarm: starts three nodes, kills the one that listens, brings it back, and checks at the end that all three
// hold the same facts. Explains each step before it happens.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { plural, wrapped } from '../soc-pipeline/text.js'
import type { NodeState } from './protocol.js'
import { Swarm } from './swarm.js'

const HELP = `Usage: npm run demo:swarm -- [options]

Three nodes, each a process of its own, share what they know through sentinel-ipc. The first one listens, the others dial it.
After a while the listener is killed and another node takes its place. When the killed node comes back with an empty memory,
it gets everything from the others.

Options:
  --facts N  facts that each node starts with, up to 500,000 (default: 20,000)
  --help     show this text

It ends by itself after about 10 seconds, later on a busy machine. Ctrl-C skips to the check.

Exit code: 0 if all nodes have synced and hold the same facts in the end, 1 if not, 2 for a wrong command line.
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
  // Only this user can enter the directory, so no other user can listen there.
  const directory = mkdtempSync(join(tmpdir(), 'swarm-'))
  const begin = performance.now()
  const print = (who: string, text: string): void => {
    write(`${((performance.now() - begin) / 1000).toFixed(2).padStart(6)} s  ${who.padEnd(6)}  ${text}\n`)
  }
  write(introduction(directory))
  const swarm = new Swarm(directory, print)
  const interrupted = new AbortController()
  // The reader of a pipe, such as head, may go away early.
  process.stdout.on('error', () => {
    interrupted.abort()
  })
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

/** Tells a viewer what the demo is about. */
function introduction(directory: string): string {
  return `
What you see: three security processes on this machine that tell each other what they have learnt, without a server.

    node-1 ──┐          All three know one socket: ${join(directory, 'swarm.sock')}
    node-2 ──┼─ socket  The first node listens there; the others dial it four times a second.
    node-3 ──┘          Each connection syncs both ways, and only facts that the other side lacks go over it.

Before a byte is read, the kernel tells each side which user and process is at the other end. Then they compare the hash of
their genes, the facts that all of them must share, and part if it differs. Each line below has the time, who says it, and what
happened; "in" counts facts that a node got, "out" those that it gave.
`
}

type Print = (who: string, text: string) => void

/** Runs the story; Ctrl-C ends it early. */
async function run(swarm: Swarm, facts: number, print: Print, interrupted: AbortSignal): Promise<void> {
  try {
    explain(
      '1. Each node starts with facts of its own. Watch the first sync of each pair: it moves all of them, in pages of 128 KiB.',
    )
    for (const name of NAMES) {
      print(
        'main',
        `starts ${name} (pid ${swarm.start(name, facts)}) with ${facts.toLocaleString('en-US')} facts`,
      )
      // So that the first one is the one that listens.
      await sleep(200, undefined, { signal: interrupted })
    }
    explain(
      '2. From now on each node notes the load of this machine ten times a second. Later syncs move only those new facts, so they ' +
        'are short; they are summed up once a second.',
    )
    await sleep(PHASE_MS, undefined, { signal: interrupted })
    // On a busy machine the first syncs take longer, and there would be nothing to see of them.
    await reach(swarm, interrupted, (all) => all.every((state) => state.facts >= NAMES.length * facts))
    const states = await swarm.states()
    const victim = [...states].find(([, state]) => state?.listening === true)?.[0] ?? 'node-1'
    explain(
      '3. Now the node that listens is killed, in the middle of whatever it does. Another one finds the address free and takes ' +
        'it; a sync that was cut off continues with the next dial.',
    )
    print('main', `kills ${victim}, which listens, with SIGKILL`)
    await swarm.kill(victim)
    await sleep(PHASE_MS, undefined, { signal: interrupted })
    await reach(swarm, interrupted, (all) => all.some(({ listening }) => listening))
    explain(
      '4. The killed node starts again with an empty memory. Its first sync brings back everything, its own old facts included.',
    )
    print('main', `brings ${victim} back (pid ${swarm.start(victim, 0)}), knowing nothing`)
    await sleep(PHASE_MS, undefined, { signal: interrupted })
    await reach(swarm, interrupted, (all) => all.every((state) => state.facts >= NAMES.length * facts))
  } catch (error) {
    if (!interrupted.aborted) throw error
    print('main', 'is interrupted')
  }
}

/** Waits until the nodes that respond are as far as `isThere` says, or for {@link SETTLE_MS}. */
async function reach(
  swarm: Swarm,
  interrupted: AbortSignal,
  isThere: (states: readonly NodeState[]) => boolean,
): Promise<void> {
  const deadline = performance.now() + SETTLE_MS
  while (performance.now() < deadline) {
    const states = [...(await swarm.states()).values()].filter((state) => state !== undefined)
    if (isThere(states)) return
    await sleep(250, undefined, { signal: interrupted })
  }
}

/** Writes lines, broken at spaces where a terminal has no room for them. */
function write(text: string): void {
  const { isTTY, columns } = process.stdout
  const lines = isTTY && columns > 0 ? text.split('\n').map((line) => wrapped(line, columns - 1)) : [text]
  process.stdout.write(lines.join('\n'))
}

/** Prints what the viewer is about to see. */
function explain(text: string): void {
  write(`\n${text}\n`)
}

/** Waits until the nodes have synced the rest, and compares them. */
async function check(swarm: Swarm): Promise<number> {
  explain(
    '5. The nodes stop noting new facts and sync the rest. A digest over all facts of a node shows whether they hold the same.',
  )
  swarm.settle()
  const deadline = performance.now() + SETTLE_MS
  for (;;) {
    const states = [...(await swarm.states())]
    const digests = new Set(states.map(([, state]) => state?.digest))
    // Nodes that know nothing hold the same too, but have not synced.
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
          ? 'does not respond'
          : `${state.facts.toLocaleString('en-US')} facts, digest ${state.digest}, ` +
            `${plural(state.trusted, 'trusted peer')}${state.listening ? ', listens' : ''}`
      process.stdout.write(`${name}: ${text}\n`)
    }
    if (!met) process.stdout.write('not every node has synced with another one\n')
    process.stdout.write(`all ${states.length} nodes hold the same facts: ${same ? 'yes' : 'no'}\n`)
    return same ? 0 : 1
  }
}
