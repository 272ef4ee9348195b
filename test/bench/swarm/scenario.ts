// How fast a node that knows nothing learns what another one knows.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'

const FACTS: Readonly<Record<Scale, number>> = { quick: 10_000, normal: 100_000, full: 100_000 }
const CONTENT_UNITS = 200

export function swarm(scale: Scale): Scenario {
  const facts = FACTS[scale]
  const nodes = pairIn(new URL('./nodes.js', import.meta.url))
  return {
    name: 'swarm',
    title: `Sync of ${facts.toLocaleString('en-US')} facts of ${CONTENT_UNITS} characters into an empty store in another process`,
    notes: [
      'About 330 bytes a fact on the wire. From the dial to the word that everything is stored, in processes that are new.',
      'Into LMDB, everything is on the disk by then.',
    ],
    metrics: [
      { name: 'factsPerSecond', label: 'facts/s', digits: 0 },
      { name: 'producerCpuUs', label: 'giver µs/fact', digits: 2 },
      { name: 'consumerCpuUs', label: 'taker µs/fact', digits: 2 },
    ],
    contestants: [
      { name: 'memory', label: 'MemoryFactStore', ...nodes, params: { store: 'memory' } },
      { name: 'lmdb', label: 'LmdbFactStore', ...nodes, params: { store: 'lmdb' } },
    ],
    targets: [
      {
        path: 'sync into memory',
        contestant: 'memory',
        metric: 'factsPerSecond',
        of: 'value',
        atLeast: 250_000,
      },
      { path: 'sync into LMDB', contestant: 'lmdb', metric: 'factsPerSecond', of: 'value', atLeast: 150_000 },
    ],
    params: { facts, contentUnits: CONTENT_UNITS },
    timeoutMs: 90_000,
    trialMs: scale === 'quick' ? 700 : 1500,
  }
}
