// A node that hostile peers are set upon, in a process of its own: reports how long its event loop was held at a time, how fast
// the machine is at that moment, and how much memory it took at most.

import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { MemoryFactStore, PeerRegistry, SwarmTransport, type FactStore } from 'sentinel-ipc'

const { directory, genomeHash, lmdb } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  genomeHash: string
  lmdb?: string
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

async function openStore(): Promise<FactStore> {
  if (lmdb === undefined) return new MemoryFactStore()
  const { LmdbFactStore } = await import('sentinel-ipc/lmdb')
  return LmdbFactStore.open(lmdb)
}

let exchanges = 0
const transport = new SwarmTransport({
  directory,
  registry: new PeerRegistry('victim'),
  store: await openStore(),
  genomeHash,
  onExchange: () => ++exchanges,
})
void transport.listen()

let longestMs = 0
let peakBytes = 0
let baseBytes = 0
let turnBegan = now()

interface Clock {
  /** Milliseconds that this thread has had a processor, which Linux counts up every few milliseconds only. */
  readonly workMs: number
  readonly wallMs: number
}

function now(): Clock {
  const wallMs = performance.now()
  if (process.platform !== 'linux') return { workMs: wallMs, wallMs }
  return { workMs: Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6, wallMs }
}

/** Ends a turn of the event loop. As an immediate is always pending, no turn waits for events. */
function turn(): void {
  const ended = now()
  // The time of day counts what other processes do as well; the other count may begin up to a tick early.
  const tookMs = Math.min(ended.workMs - turnBegan.workMs, ended.wallMs - turnBegan.wallMs)
  longestMs = Math.max(longestMs, tookMs)
  turnBegan = ended
  setImmediate(turn)
}
turn()

function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const REFERENCE = JSON.stringify(
  Array.from({ length: 10_000 }, (_, id) => ({ id, text: 'x'.repeat(20), list: [1, 2, 3] })),
)

/** What parsing half a megabyte takes now: the best of five. */
function referenceMs(): number {
  let best = Infinity
  for (let i = 0; i < 5; ++i) {
    const begin = performance.now()
    JSON.parse(REFERENCE)
    best = Math.min(best, performance.now() - begin)
  }
  return best
}

process.on('message', (question: 'begin' | 'memory' | 'end') => {
  if (question === 'memory') {
    // A collection is part of the measurement, not of the work.
    peakBytes = Math.max(peakBytes, heldBytes())
    turnBegan = now()
    process.send?.({ bytes: peakBytes - baseBytes })
    return
  }
  if (question === 'begin') {
    baseBytes = heldBytes()
    peakBytes = baseBytes
  }
  process.send?.({ longestMs, referenceMs: referenceMs(), bytes: peakBytes - baseBytes, exchanges })
  longestMs = 0
  exchanges = 0
  turnBegan = now()
})
process.send?.({ ready: true })
