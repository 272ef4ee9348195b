// One node of the swarm: notes something about this machine now and then, listens if no other node does, and dials the one
// that does. It keeps everything in memory, so after it is killed it has to learn everything again.

import { createHash } from 'node:crypto'
import { freemem, loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

import {
  AlertBus,
  genomeHash,
  MemoryFactStore,
  PeerRegistry,
  SwarmTransport,
  type ExchangeReport,
  type Fact,
} from 'sentinel-ipc'

import { plural } from '../soc-pipeline/text.js'
import type { NodeCommand, NodeConfig, NodeReport, NodeState } from './protocol.js'

const DIAL_EVERY_MS = 250
const SEE_EVERY_MS = 100
const SAY_EVERY_MS = 1000
/** An exchange that moves at least this many facts is reported on a separate line. */
const LARGE = 100
const CHUNK = 5000

/** The genes that all nodes of this swarm share. A node with other genes would be left out. */
const GENES = [{ id: 'gene-0', content: 'a fact is what a node has seen' }]

const config = JSON.parse(process.argv[2] ?? '{}') as NodeConfig
const stop = new AbortController()
const store = new MemoryFactStore()
const registry = new PeerRegistry(config.name)
const alerts = new AlertBus()
const transport = new SwarmTransport({
  directory: config.directory,
  registry,
  store,
  alerts,
  genomeHash: genomeHash(GENES),
  onExchange: tell,
})
let seeing = true

function report(what: NodeReport): void {
  if (process.connected) process.send?.(what)
}

function notice(text: string): void {
  report({ report: 'notice', text })
}

/** Small exchanges since they were last reported. */
const small = { count: 0, received: 0, sent: 0 }
let smallSaidAt = performance.now()

/** Reports what an exchange has moved: large ones one by one, small ones together. */
function tell({ role, node, received, sent, durationMs, outcome, error }: ExchangeReport): void {
  if (stop.signal.aborted) return
  if (outcome !== 'synced') {
    notice(`exchange ${outcome}${error === undefined ? '' : `: ${error.message}`}`)
    return
  }
  if (role !== 'dialer') return
  if (received + sent >= LARGE) {
    const perSecond = Math.round(((received + sent) / durationMs) * 1000).toLocaleString('en-US')
    notice(
      `synced with ${node ?? '?'}: ${received} in, ${sent} out, ${durationMs.toFixed(1)} ms, ${perSecond} facts/s`,
    )
    return
  }
  ++small.count
  small.received += received
  small.sent += sent
  if (performance.now() - smallSaidAt < SAY_EVERY_MS) return
  notice(
    `${plural(small.count, 'more sync')} with ${node ?? '?'}: ${small.received} in, ${small.sent} out; the last took ${durationMs.toFixed(1)} ms`,
  )
  small.count = small.received = small.sent = 0
  smallSaidAt = performance.now()
}

function fact(id: string, content: string): Fact {
  return { id, content, level: 0, isGene: false, source: config.name, createdAt: new Date() }
}

async function fill(): Promise<void> {
  for (let at = 0; at < config.facts; at += CHUNK) {
    const size = Math.min(CHUNK, config.facts - at)
    await store.addBatch(
      Array.from({ length: size }, (_, i) =>
        fact(`${config.name}-${at + i}`, `something that ${config.name} learnt earlier, number ${at + i}`),
      ),
    )
  }
}

async function see(): Promise<void> {
  for (let i = 0; !stop.signal.aborted; ++i) {
    const [load = 0] = loadavg()
    const free = Math.round(freemem() / 2 ** 20)
    if (seeing)
      await store.add(fact(`${config.name}-${process.pid}-${i}`, `load ${load.toFixed(2)}, ${free} MiB free`))
    await sleep(SEE_EVERY_MS)
  }
}

/** Listens as soon as no other node does; the first that tries wins. */
async function listen(): Promise<void> {
  while (!stop.signal.aborted) {
    const listening = transport.listen({ signal: stop.signal })
    await sleep(20)
    if (transport.isListening) notice('listens now')
    await listening
    await sleep(DIAL_EVERY_MS)
  }
}

async function dial(): Promise<void> {
  while (!stop.signal.aborted) {
    try {
      await transport.dial({ signal: stop.signal })
    } catch {
      // Reported by onExchange; the next dial continues what broke off.
    }
    await sleep(DIAL_EVERY_MS)
  }
}

async function stateOf(): Promise<NodeState> {
  const { facts } = await store.page({ maxFacts: Number.MAX_SAFE_INTEGER })
  const lines = facts.map(({ id, content }) => `${id}\0${content}`).sort()
  const digest = createHash('sha256').update(lines.join('\0')).digest('hex').slice(0, 16)
  return { listening: transport.isListening, facts: facts.length, trusted: registry.trustedCount, digest }
}

// Ctrl-C reaches all processes of the terminal. It is ignored here; the parent process ends this one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('message', (command: NodeCommand) => {
  if (command === 'settle') seeing = false
  else if (command === 'stop') stop.abort()
  else
    void stateOf().then((state) => {
      report({ report: 'state', state })
    })
})
process.once('disconnect', () => {
  stop.abort()
})
alerts.subscribe(({ severity, message }) => {
  notice(`${severity}: ${message}`)
})

await fill()
await Promise.all([see(), listen(), dial()])
if (process.connected) process.disconnect()
