// A node that hostile peers are set upon, in a process of its own: reports how long its event loop was held at a time, and how
// much memory it took at most.

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
let turnBegan = workMs()

/** Milliseconds that this thread has had a processor: beside other work, the time of day would measure that. */
function workMs(): number {
  if (process.platform !== 'linux') return performance.now()
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
}

/** Ends a turn of the event loop. As an immediate is always pending, no turn waits for events. */
function turn(): void {
  const now = workMs()
  longestMs = Math.max(longestMs, now - turnBegan)
  turnBegan = now
  setImmediate(turn)
}
turn()

function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

process.on('message', (question: 'begin' | 'memory' | 'end') => {
  if (question === 'memory') {
    // A collection is part of the measurement, not of the work.
    peakBytes = Math.max(peakBytes, heldBytes())
    turnBegan = workMs()
    process.send?.({ bytes: peakBytes - baseBytes })
    return
  }
  if (question === 'begin') {
    baseBytes = heldBytes()
    peakBytes = baseBytes
  }
  process.send?.({ longestMs, bytes: peakBytes - baseBytes, exchanges })
  longestMs = 0
  exchanges = 0
  turnBegan = workMs()
})
process.send?.({ ready: true })
