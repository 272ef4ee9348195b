// How long a message and its answer take: while nothing else is under way, and beside a stream of other messages.

import { pairIn, roleIn, type Contestant, type Need, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'
import { NODE_IPC } from '../input/node-ipc.js'
import { ZEROMQ } from '../input/zeromq.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 500, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 1500, full: 3000 }
const LOAD_PER_SECOND = 50_000
const BUSY_POLL_US = 50

export function roundTrip(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'round-trip',
    title: `one line of ${LINE_BYTES} bytes and its answer, objects at both ends`,
    notes: [
      `One at a time, for ${measureMs} ms after a warm-up of ${warmUpMs} ms; HDR histogram. The answer is a new message with the payload that came.`,
      `-load: meanwhile ${LOAD_PER_SECOND.toLocaleString('en-US')} messages/s on a second connection between the same processes.`,
      'C++: bytes only.',
    ],
    metrics: [
      { name: 'p50Us', label: 'p50 µs', digits: 1 },
      { name: 'p90Us', label: 'p90 µs', digits: 1 },
      { name: 'p99Us', label: 'p99 µs', digits: 1 },
      { name: 'p999Us', label: 'p99.9 µs', digits: 1 },
      { name: 'maxUs', label: 'max µs', digits: 0 },
    ],
    reference: 'net',
    contestants,
    targets: [
      target('round trip', 'ours', 'p50Us', 0.75),
      target('round trip', 'ours', 'p99Us', 0.7),
      target('the same with busy polling', 'ours-busy', 'p50Us', 0.45),
    ],
    params: { measureMs, warmUpMs, loadPerSecond: 0, busyPollUs: 0 },
    timeoutMs: 30_000 + measureMs,
    trialMs: 300 + measureMs + warmUpMs,
    plots: [
      {
        ...plotBase,
        file: 'latency-idle',
        title: 'Round trip, nothing else under way',
        subtitle: `One line of ${LINE_BYTES} bytes and its answer. Medians of the rounds. Both axes logarithmic; lower is better.`,
        shown: {
          'ours-busy': 'sentinel-ipc, busy polling',
          ours: 'sentinel-ipc',
          net: 'net + JSON',
          zeromq: 'zeromq.js',
          go: 'Go',
          'fork-json': 'child_process',
          'c-blocking': 'C++, blocking',
          'c-polling': 'C++, polling',
        },
      },
      {
        ...plotBase,
        file: 'latency-load',
        title: `Round trip beside ${LOAD_PER_SECOND.toLocaleString('en-US')} other messages a second`,
        subtitle: `They go one way on a second connection between the same processes. Lower is better.`,
        shown: {
          'ours-busy-load': 'sentinel-ipc, busy polling',
          'ours-load': 'sentinel-ipc',
          'net-load': 'net + JSON',
          'zeromq-load': 'zeromq.js',
        },
      },
    ],
  }
}

function target(
  path: string,
  contestant: string,
  metric: string,
  atMost: number,
): Scenario['targets'][number] {
  return { path, contestant, metric, of: 'ratio', against: 'net', atMost }
}

const plotBase = {
  kind: 'percentiles',
  unit: 'µs',
  metrics: [
    [0.5, 'p50Us'],
    [0.9, 'p90Us'],
    [0.99, 'p99Us'],
    [0.999, 'p999Us'],
  ],
} as const

const BUSY_POLL: readonly Need[] = [{ kind: 'feature', name: 'busyPoll' }]
const GO: readonly Need[] = [{ kind: 'program', name: 'go' }]
const NATIVE: readonly Need[] = [{ kind: 'program', name: 'native' }]

const net = pairIn(new URL('./net.js', import.meta.url))
const ours = pairIn(new URL('./ours.js', import.meta.url))
const zeromq = { ...pairIn(new URL('./zeromq.js', import.meta.url)), needs: ZEROMQ }
const childProcess = { consumer: roleIn(new URL('./child-process.js', import.meta.url), 'consumer') }
const programs = new URL('./programs.js', import.meta.url)
const native = {
  consumer: roleIn(programs, 'nativeConsumer'),
  producer: roleIn(programs, 'nativeProducer'),
  needs: NATIVE,
}
const load = { loadPerSecond: LOAD_PER_SECOND }
const busy = { busyPollUs: BUSY_POLL_US }

const contestants: readonly Contestant[] = [
  { name: 'net', label: "'data' listeners, one write a message", ...net },
  { name: 'zeromq', label: 'request and reply over ipc://', ...zeromq },
  {
    name: 'node-ipc',
    label: '@achrinza/node-ipc',
    ...pairIn(new URL('./node-ipc.js', import.meta.url)),
    needs: NODE_IPC,
  },
  {
    name: 'fork-json',
    label: "child_process, serialization 'json'",
    ...childProcess,
    params: { serialization: 'json' },
  },
  {
    name: 'fork-advanced',
    label: "child_process, serialization 'advanced'",
    ...childProcess,
    params: { serialization: 'advanced' },
  },
  {
    name: 'go',
    label: 'encoding/json and net',
    consumer: roleIn(programs, 'goConsumer'),
    producer: roleIn(programs, 'goProducer'),
    needs: GO,
  },
  { name: 'c-blocking', label: 'C++, blocking', ...native, params: { wait: 'blocking' } },
  { name: 'c-polling', label: 'C++, polling', ...native, params: { wait: 'polling' } },
  { name: 'ours', label: 'send() and next()', ...ours },
  {
    name: 'ours-busy',
    label: `the same, busyPoll up to ${BUSY_POLL_US} µs`,
    ...ours,
    params: busy,
    needs: BUSY_POLL,
  },
  { name: 'net-load', label: 'net, under load', ...net, params: load, reference: 'net-load' },
  { name: 'zeromq-load', label: 'zeromq, under load', ...zeromq, params: load, reference: 'net-load' },
  { name: 'ours-load', label: 'ours, under load', ...ours, params: load, reference: 'net-load' },
  {
    name: 'ours-busy-load',
    label: 'ours, busyPoll, under load',
    ...ours,
    params: { ...load, ...busy },
    reference: 'net-load',
    needs: BUSY_POLL,
  },
]
