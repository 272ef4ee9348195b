// npm run bench:bridge: messages a second through NATS JetStream, the client alone against our bridge, in turns on one server.
// Both ends acknowledge: a message counts once JetStream has it and, for `through`, once the receiving application has handled it.

import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

import { readOptions, wholeNumber } from '../../../release/options.js'
import { NatsServer, serverVersion, whyNoServer } from '../../bridge/nats-server.js'
import { summarize } from '../harness/statistics.js'
import type { Task } from './roles.js'
import { reportOf } from '../../support/report.js'

const HELP = `Usage: npm run bench:bridge -- [options]

Prints messages a second through NATS JetStream, the client alone against the bridge, in turns on one server.

  --rounds N    turns of each (default 5)
  --messages N  of each turn (default 20000)
  --window N    that may be under way at once (default 256)
  --help        this text`

const { values } = readOptions(HELP, {
  options: {
    rounds: { type: 'string', default: '5' },
    messages: { type: 'string', default: '20000' },
    window: { type: 'string', default: '256' },
  },
})
const rounds = wholeNumber('rounds', values.rounds, 1)
const messages = wholeNumber('messages', values.messages, 1)
const window = wholeNumber('window', values.window, 1)

interface Contestant {
  readonly name: string
  readonly roles: readonly Task['role'][]
  readonly batch: number
  readonly times: number
}

const OUT: readonly Contestant[] = [
  { name: 'client alone', roles: ['client-producer'], batch: 1, times: 1 },
  { name: 'bridge, message for message', roles: ['out', 'sender'], batch: 1, times: 1 },
  { name: 'bridge, batches', roles: ['out', 'sender'], batch: 4096, times: 10 },
]
const THROUGH: readonly Contestant[] = [
  { name: 'client alone', roles: ['client-consumer', 'client-producer'], batch: 1, times: 1 },
  {
    name: 'bridge, message for message',
    roles: ['receiver', 'in', 'out', 'sender'],
    batch: 1,
    times: 1,
  },
  { name: 'bridge, batches', roles: ['receiver', 'in', 'out', 'sender'], batch: 4096, times: 10 },
]

const script = fileURLToPath(new URL('./roles.js', import.meta.url))

/** Milliseconds from the start until the last process has done its part. */
async function measure(servers: string, { roles, batch, times }: Contestant): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-bench-'))
  const children: ChildProcess[] = []
  try {
    for (const role of roles) {
      const task: Task = { role, servers, directory, messages: messages * times, window, batch }
      const child = fork(script, [JSON.stringify(task)])
      children.push(child)
      await reportOf(child)
    }
    const began = performance.now()
    const done = children.map((child) => reportOf(child))
    for (const child of children) child.send('go')
    await Promise.all(done)
    return performance.now() - began
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

/** An empty stream, as the bridge makes it. */
async function makeStream(servers: string): Promise<void> {
  const nc = await connect({ servers })
  const manager = await jetstreamManager(nc)
  for (const name of ['SENTINEL', 'SENTINEL_STATE', 'SENTINEL_DEAD']) {
    await manager.streams.delete(name).catch(() => undefined)
  }
  await manager.streams.add({
    name: 'SENTINEL',
    subjects: ['sentinel.>'],
    discard: 'new',
    max_bytes: 1 << 30,
  })
  await nc.close()
}

async function compare(title: string, servers: string, contestants: readonly Contestant[]): Promise<void> {
  const rates = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; ++round) {
    for (const [i, contestant] of contestants.entries()) {
      await makeStream(servers)
      const ms = await measure(servers, contestant)
      rates[i]?.push((messages * contestant.times * 1000) / ms)
    }
  }
  console.log(`\n${title}`)
  const reference = rates[0] ?? []
  for (const [i, { name }] of contestants.entries()) {
    const own = rates[i] ?? []
    const { median, min, max } = summarize(own)
    const ratio = summarize(own.map((rate, round) => rate / (reference[round] ?? NaN))).median
    console.log(
      `  ${name.padEnd(30)} ${String(Math.round(median)).padStart(8)} msg/s (${Math.round(min)}–${Math.round(max)})  ${ratio.toFixed(2)} ×`,
    )
  }
}

if (whyNoServer !== undefined) {
  console.log(whyNoServer)
} else {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-bench-nats-'))
  const server = await NatsServer.start(directory)
  try {
    console.log(
      `${serverVersion ?? ''}; ${rounds} rounds of ${messages} messages of 287 bytes, ${window} on their way at once`,
    )
    await compare('out: until JetStream has acknowledged', server.url, OUT)
    await compare('through: until the receiving application has handled it', server.url, THROUGH)
  } finally {
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}
