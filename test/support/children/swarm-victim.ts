// A node that hostile peers are set upon, in a process of its own: reports how long its event loop was held at a time, and how
// much memory it took at most.

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
  return new LmdbFactStore(lmdb)
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
let turnBegan = performance.now()

/** Ends a turn of the event loop. What a turn takes beside work is the wait for events, which a pending immediate makes none. */
function turn(): void {
  const now = performance.now()
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
    turnBegan = performance.now()
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
  turnBegan = performance.now()
})
process.send?.({ ready: true })
