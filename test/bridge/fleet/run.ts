// Fleet run: many senders, each with a connection, at one bridge over a real server; a way in and a receiver behind it. Every
// message must arrive once, and those of each sender in order. Measures what the bridge takes for that.

import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import type { BridgeStats } from '../../../lib/bridge/bridge.js'
import type { InArguments, OutArguments, ReceiverArguments } from '../chaos/parts.js'
import { faultsOf, idsOf } from '../chaos/run.js'
import { NatsServer } from '../nats-server.js'
import type { SendersArguments, SendersReport } from './senders.js'
import { reportOf } from '../../support/report.js'

export interface FleetOptions {
  readonly senders: number
  readonly messagesEach: number
  /** Messages a second of each sender; 0: all at once. */
  readonly perSecond: number
  /** Processes that the senders share. */
  readonly processes: number
  readonly timeoutMs: number
}

export interface FleetResult {
  readonly messages: number
  /** What is wrong; empty if all is well. */
  readonly faults: readonly string[]
  /** Until all senders were started and connected. */
  readonly connectSeconds: number
  /** From the first message to the last one that the receiver has. */
  readonly seconds: number
  /** Until a sender's message was acknowledged; the slowest process. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Messages of a batch that was stored, on average. */
  readonly batchMessages: number
  readonly out: Usage
  readonly in: Usage
  readonly server: Usage
  /** The senders' processes together, and that of the receiver: what a fleet has elsewhere. */
  readonly senders: Usage
  readonly receiver: Usage
}

export interface Usage {
  /** Microseconds of processor time for each message. */
  readonly cpuUs: number
  /** Most memory in use, in MiB. */
  readonly peakMiB: number
}

const ROOT = import.meta.url.includes('/out/test/')
  ? new URL('../', import.meta.url)
  : new URL('../../../out/test/bridge/', import.meta.url)
/** Of the kernel's clock in /proc. */
const TICK_US = 10_000

export async function runFleet(options: FleetOptions): Promise<FleetResult> {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-fleet-'))
  const children: ChildProcess[] = []
  const server = await NatsServer.start(directory)
  try {
    return await run(options, directory, server, children)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await server.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function run(
  { senders, messagesEach, perSecond, processes, timeoutMs }: FleetOptions,
  directory: string,
  server: NatsServer,
  children: ChildProcess[],
): Promise<FleetResult> {
  const start = (script: string, argument: object): ChildProcess => {
    const child = fork(fileURLToPath(new URL(script, ROOT)), [JSON.stringify(argument)])
    children.push(child)
    return child
  }
  const output = join(directory, 'output')
  const receiver = start('chaos/receiver.js', { directory, output } satisfies ReceiverArguments)
  await reportOf(receiver)
  const servers = server.url
  const out = start('chaos/out.js', { directory, servers, batch: 4096, inFlight: 32 } satisfies OutArguments)
  const inward = start('chaos/in.js', { directory, servers } satisfies InArguments)
  const share = Math.ceil(senders / processes)
  const groups: ChildProcess[] = []
  const connecting = performance.now()
  for (let first = 0; first < senders; first += share) {
    const count = Math.min(share, senders - first)
    const argument = { directory, first, senders: count, messagesEach, perSecond } satisfies SendersArguments
    const group = start('fleet/senders.js', argument)
    await reportOf(group)
    groups.push(group)
  }
  const connectSeconds = (performance.now() - connecting) / 1000
  const messages = senders * messagesEach
  const deadline = performance.now() + timeoutMs
  const began = performance.now()
  const reports = groups.map((group) => reportOf<SendersReport>(group))
  for (const group of groups) group.send('go')
  const finished = await Promise.race([Promise.all(reports), sleep(timeoutMs, undefined, { ref: false })])
  while (performance.now() < deadline && idsOf(output).length < messages) await sleep(100)
  const seconds = (performance.now() - began) / 1000
  const stats = reportOf<{ stats: BridgeStats }>(out)
  out.send('stats')
  const { batches } = (await stats).stats
  const faults = faultsOf(output, senders, messagesEach)
  if (finished === undefined) faults.push('the senders did not finish in time')
  const times = finished ?? []
  return {
    messages,
    faults,
    connectSeconds,
    seconds,
    p50Ms: Math.max(...times.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...times.map(({ p99Ms }) => p99Ms)),
    batchMessages: messages / batches,
    out: usageOf(out.pid, messages),
    in: usageOf(inward.pid, messages),
    server: usageOf(server.pid, messages),
    senders: sumOf(groups.map(({ pid }) => usageOf(pid, messages))),
    receiver: usageOf(receiver.pid, messages),
  }
}

/** As the kernel counts it; zeros where there is no /proc. */
function usageOf(pid: number | undefined, messages: number): Usage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    const [, peak = '0'] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return { cpuUs: (ticks * TICK_US) / messages, peakMiB: Number(peak) / 1024 }
  } catch {
    return { cpuUs: 0, peakMiB: 0 }
  }
}

function sumOf(usages: readonly Usage[]): Usage {
  return {
    cpuUs: usages.reduce((sum, { cpuUs }) => sum + cpuUs, 0),
    peakMiB: usages.reduce((sum, { peakMiB }) => sum + peakMiB, 0),
  }
}
