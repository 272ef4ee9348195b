// Two nodes of the swarm: the producer knows facts and dials, the consumer listens with an empty store.

import { join } from 'node:path'
import { MemoryFactStore, PeerRegistry, SwarmTransport, type Fact, type FactStore } from 'sentinel-ipc'

import { processorTimeNs } from '../harness/processor-time.js'
import type { Figures, RoleContext } from '../harness/scenario.js'

const CHUNK = 5000
const EXCHANGE_TIMEOUT_MS = 60_000

function fact(i: number, units: number): Fact {
  const id = `fact_${String(i).padStart(12, '0')}`
  return {
    id,
    content: `${id} was seen by the collector on a host of this network; `.repeat(8).slice(0, units),
    level: i % 4 === 0 ? 1 : 0,
    isGene: false,
    source: 'collector',
    createdAt: new Date(1_760_000_000_000 + i * 37),
  }
}

function transport(context: RoleContext, node: string, store: FactStore): SwarmTransport {
  return new SwarmTransport({
    directory: context.directory,
    registry: new PeerRegistry(node),
    store,
    genomeHash: '',
    exchangeTimeoutMs: EXCHANGE_TIMEOUT_MS,
  })
}

async function emptyStore(context: RoleContext): Promise<FactStore> {
  if (context.text('store') === 'memory') return new MemoryFactStore()
  const { LmdbFactStore } = await import('sentinel-ipc/lmdb')
  return LmdbFactStore.open(join(context.directory, 'facts'))
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const store = await emptyStore(context)
  const node = transport(context, 'consumer', store)
  void node.listen()
  while (!node.isListening) await new Promise(setImmediate)
  context.ready()
  await context.heard('synced')
  const count = await store.count()
  if (count !== context.number('facts')) throw new Error(`the store holds ${count} facts`)
  context.tell('counted')
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const facts = context.number('facts')
  const store = new MemoryFactStore()
  for (let at = 0; at < facts; at += CHUNK) {
    const length = Math.min(CHUNK, facts - at)
    await store.addBatch(Array.from({ length }, (_, i) => fact(at + i, context.number('contentUnits'))))
  }
  const node = transport(context, 'producer', store)
  const readCpuNs = (): number[] => [processorTimeNs(process.pid), processorTimeNs(context.otherPid() ?? 0)]
  const [producerBegin = 0, consumerBegin = 0] = readCpuNs()
  const begin = performance.now()
  if (!(await node.dial())) throw new Error('the nodes did not sync')
  const ms = performance.now() - begin
  const [producerEnd = 0, consumerEnd = 0] = readCpuNs()
  context.tell('synced')
  await context.heard('counted')
  return {
    factsPerSecond: (facts / ms) * 1000,
    producerCpuUs: (producerEnd - producerBegin) / facts / 1000,
    consumerCpuUs: (consumerEnd - consumerBegin) / facts / 1000,
  }
}
