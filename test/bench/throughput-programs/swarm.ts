// Measures a sync between two processes: this one has the facts and dials, its child listens with an empty store.
// Run by hand: node out/test/bench/throughput-programs/swarm.js [facts] [memory|lmdb] [units of content] [runs]

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { MemoryFactStore, PeerRegistry, SwarmTransport, type Fact, type FactStore } from 'sentinel-ipc'

interface Order {
  readonly directory: string
  readonly store: string
}

const EXCHANGE_TIMEOUT_MS = 600_000

function factOf(i: number, units: number): Fact {
  const id = `fact_${String(i).padStart(12, '0')}`
  const content = `${id} was seen by the collector on a host of this network; `.repeat(8).slice(0, units)
  return {
    id,
    content,
    level: i % 4 === 0 ? 1 : 0,
    isGene: false,
    source: 'collector',
    createdAt: new Date(1_760_000_000_000 + i * 37),
  }
}

async function fill(store: FactStore, count: number, units: number): Promise<void> {
  for (let at = 0; at < count; at += 5000) {
    await store.addBatch(Array.from({ length: Math.min(5000, count - at) }, (_, i) => factOf(at + i, units)))
  }
}

async function openStore(kind: string, directory: string): Promise<FactStore> {
  if (kind !== 'lmdb') return new MemoryFactStore()
  const { LmdbFactStore } = await import('sentinel-ipc/lmdb')
  return new LmdbFactStore(join(directory, 'facts'))
}

function transportFor(directory: string, node: string, store: FactStore): SwarmTransport {
  const registry = new PeerRegistry(node)
  return new SwarmTransport({
    directory,
    registry,
    store,
    genomeHash: '',
    exchangeTimeoutMs: EXCHANGE_TIMEOUT_MS,
  })
}

/** Peak resident memory of this process in MiB. */
function peakMiB(): number {
  return process.resourceUsage().maxRSS / 1024
}

async function runChild({ directory, store: kind }: Order): Promise<void> {
  const store = await openStore(kind, directory)
  const transport = transportFor(directory, 'receiver', store)
  const stop = new AbortController()
  process.on('message', () => {
    void (async () => {
      const { user, system } = process.cpuUsage()
      process.send?.({ count: await store.count(), peakMiB: peakMiB(), cpuMs: (user + system) / 1000 })
      stop.abort()
      process.disconnect()
    })()
  })
  const listening = transport.listen({ signal: stop.signal })
  while (!transport.isListening) await new Promise(setImmediate)
  process.send?.({ idleMiB: peakMiB() })
  await listening
}

async function measure(source: FactStore, count: number, kind: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-'))
  const order: Order = { directory, store: kind }
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(order)])
  try {
    await once(child, 'message')
    const transport = transportFor(directory, 'sender', source)
    const beforeMiB = peakMiB()
    const cpu = process.cpuUsage()
    const begin = performance.now()
    const synced = await transport.dial()
    const ms = performance.now() - begin
    const { user, system } = process.cpuUsage(cpu)
    child.send('count')
    const [said] = (await once(child, 'message')) as [{ count: number; peakMiB: number; cpuMs: number }]
    await once(child, 'exit')
    process.stdout.write(
      `${kind}: ${said.count} of ${count} facts, ${synced ? 'synced' : 'not synced'}, in ${ms.toFixed(0)} ms = ` +
        `${((count / ms) * 1000).toFixed(0)} facts/s; processor: sender ${((user + system) / 1000).toFixed(0)} ms, ` +
        `receiver ${said.cpuMs.toFixed(0)} ms; peak memory: sender ${peakMiB().toFixed(0)} MiB ` +
        `(${beforeMiB.toFixed(0)} before), ` +
        `receiver ${said.peakMiB.toFixed(0)} MiB\n`,
    )
  } finally {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

const [first = '100000', kind = 'memory', units = '200', runs = '3'] = process.argv.slice(2)
if (first.startsWith('{')) {
  await runChild(JSON.parse(first) as Order)
} else {
  const source = new MemoryFactStore()
  await fill(source, Number(first), Number(units))
  for (let i = 0; i < Number(runs); ++i) await measure(source, Number(first), kind)
}
