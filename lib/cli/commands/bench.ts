// `sentinel-ipc bench`: a short run of this library against net on this machine.

import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'

import { measure, type Measured, type Rate } from '../bench/measure.js'
import { PEER_VARIABLE, runPeer } from '../bench/peer.js'
import type { Workload } from '../bench/workloads.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { ExitCode } from '../kit/exit-code.js'
import { loadLibrary } from '../kit/load.js'
import { table } from '../kit/text.js'
import { formatDuration, groupDigits, parseCount, parseDuration } from '../kit/units.js'

export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure this library against net on this machine',
  description:
    'Two processes, this library against net with NDJSON: messages per second one way, and the time for one message there\n' +
    'and back. Both parse every payload. A short run says how the two compare here; it is no benchmark to publish.',
  positionals: [],
  options: {
    duration: { value: 'TIME', help: 'how long each of the four runs takes; default: 1s' },
    bytes: { value: 'N', help: 'bytes of text in each payload; default: 200' },
  },
  examples: [['sentinel-ipc bench', 'takes about six seconds']],
  run,
}

const KINDS = ['ours', 'net'] as const
const RUNS = ['stream', 'round-trip'] as const

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { out, env, signal } = context
  const order = env[PEER_VARIABLE]
  if (order !== undefined) {
    await runPeer(order)
    return ExitCode.ok
  }
  const durationMs = parseDuration(args.text('duration') ?? '1s', 'duration')
  const bytes = parseCount(args.text('bytes') ?? '200', 'bytes')
  const library = await loadLibrary()
  const directory = mkdtempSync(join(tmpdir(), 'sentinel-ipc-bench-'))
  const windows = process.platform === 'win32'
  const results = new Map<string, Measured>()
  try {
    for (const what of RUNS) {
      for (const kind of KINDS) {
        const address = windows
          ? `\\\\.\\pipe\\sentinel-bench-${process.pid}-${kind}-${what}`
          : join(directory, `${kind}-${what}`)
        const workload: Workload = { kind, what, address, bytes, durationMs }
        results.set(`${what} ${kind}`, await measure(library, workload, signal))
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  if (args.flag('json')) await out.json(JSON.stringify(jsonOf(results, bytes)))
  else await print(results, bytes, context)
  return ExitCode.ok
}

function rate(measured: Measured | undefined): Rate {
  return measured !== undefined && 'perSecond' in measured ? measured : { perSecond: 0 }
}

interface Trip {
  readonly p50: number
  readonly p99: number
}

function durations(measured: Measured | undefined): Trip {
  return measured !== undefined && 'p50' in measured ? measured : { p50: NaN, p99: NaN }
}

function jsonOf(results: ReadonlyMap<string, Measured>, bytes: number): unknown {
  const of = (kind: string): unknown => ({
    stream: results.get(`stream ${kind}`),
    roundTripMs: results.get(`round-trip ${kind}`),
  })
  return { bytes, node: process.version, processors: cpus().length, ours: of('ours'), net: of('net') }
}

async function print(results: ReadonlyMap<string, Measured>, bytes: number, { out }: Context): Promise<void> {
  const model = cpus()[0]?.model.trim() ?? 'unknown'
  await out.line(
    `${cpus().length} × ${model}, Node ${process.version}, payloads of ${groupDigits(bytes)} bytes`,
  )
  await out.line()
  const rows = [['', 'sentinel-ipc', 'net', 'better']]
  const add = (
    title: string,
    values: readonly number[],
    format: (value: number) => string,
    ratio: number,
  ): void => {
    rows.push([title, ...values.map(format), `${ratio.toFixed(2)} ×`])
  }
  const [one, other] = KINDS.map((kind) => rate(results.get(`stream ${kind}`))) as [Rate, Rate]
  const [trip, otherTrip] = KINDS.map((kind) => durations(results.get(`round-trip ${kind}`))) as [Trip, Trip]
  const { perSecond } = one
  add('messages per second', [perSecond, other.perSecond], groupDigits, perSecond / other.perSecond)
  add('round trip, median', [trip.p50, otherTrip.p50], formatDuration, otherTrip.p50 / trip.p50)
  add('round trip, 99 %', [trip.p99, otherTrip.p99], formatDuration, otherTrip.p99 / trip.p99)
  const [head = '', ...lines] = table(rows, new Set([1, 2, 3]))
  await out.line(out.style(head, 'bold'))
  for (const line of lines) await out.line(line)
}
