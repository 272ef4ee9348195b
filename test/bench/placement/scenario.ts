// The round trip wherever the scheduler may put the two processes, and whatever else runs: on one processor, on one each, or
// free; quiet, beside other messages, or beside a third process that is busy.

import {
  pairIn,
  type Contestant,
  type Placement,
  type Scale,
  type Scenario,
  type Target,
} from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 80, normal: 700, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 1500, full: 3000 }
const LOAD_PER_SECOND = 50_000
const BUSY_POLL_US = 50

const PLACEMENTS: Readonly<Record<Placement, string>> = {
  together: 'both on one processor',
  apart: 'one each',
  free: 'free',
}
const SURROUNDINGS = {
  quiet: { words: 'quiet', loadPerSecond: 0, busyThird: false },
  load: { words: 'beside 50,000 messages/s', loadPerSecond: LOAD_PER_SECOND, busyThird: false },
  third: { words: 'beside a busy process', loadPerSecond: 0, busyThird: true },
} as const

const net = pairIn(new URL('../round-trip/net.js', import.meta.url))
const ours = pairIn(new URL('../round-trip/ours.js', import.meta.url))
const CONTESTANTS = [
  { name: 'net', label: 'net', ...net, busyPollUs: 0 },
  { name: 'ours', label: 'ours', ...ours, busyPollUs: 0 },
  { name: 'busy', label: 'ours, busyPoll', ...ours, busyPollUs: BUSY_POLL_US },
] as const

type Surrounding = keyof typeof SURROUNDINGS
const placements = Object.keys(PLACEMENTS) as Placement[]
const surroundings = Object.keys(SURROUNDINGS) as Surrounding[]

export function placement(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'placement',
    title: `round trips of ${LINE_BYTES} bytes by where the processes run and what runs beside them`,
    notes: [
      'together: both processes on one processor; apart: one each; free: where the scheduler puts them.',
      `load: ${LOAD_PER_SECOND.toLocaleString('en-US')} messages/s on a second connection between them; third: a process that turns in a loop, anywhere.`,
      'x: against net in the same place.',
    ],
    metrics: [
      { name: 'p50Us', label: 'p50 µs', digits: 1 },
      { name: 'p90Us', label: 'p90 µs', digits: 1 },
      { name: 'p99Us', label: 'p99 µs', digits: 1 },
      { name: 'p999Us', label: 'p99.9 µs', digits: 1 },
      { name: 'maxUs', label: 'max µs', digits: 0 },
    ],
    contestants: placements.flatMap((place) =>
      surroundings.flatMap((around) => contestantsOf(place, around)),
    ),
    targets: placements.flatMap((place) => surroundings.flatMap((around) => targetsOf(place, around))),
    params: { measureMs, warmUpMs, loadPerSecond: 0, busyPollUs: 0 },
    timeoutMs: 60_000 + measureMs,
    trialMs: 300 + measureMs + warmUpMs,
    plots: placements.map((place) => ({
      kind: 'percentiles',
      file: `latency-${place}`,
      title: `Round trip, ${PLACEMENTS[place]}`,
      subtitle: `One line of ${LINE_BYTES} bytes and its reply, quiet and beside a busy process. Both axes logarithmic; lower is better.`,
      unit: 'µs',
      metrics: [
        [0.5, 'p50Us'],
        [0.9, 'p90Us'],
        [0.99, 'p99Us'],
        [0.999, 'p999Us'],
      ],
      shown: {
        [`ours-${place}-quiet`]: 'sentinel-ipc',
        [`net-${place}-quiet`]: 'net + JSON',
        [`ours-${place}-third`]: 'sentinel-ipc, busy process',
        [`net-${place}-third`]: 'net + JSON, busy process',
      },
    })),
  }
}

function contestantsOf(place: Placement, around: Surrounding): Contestant[] {
  const { words, loadPerSecond, busyThird } = SURROUNDINGS[around]
  return CONTESTANTS.map(({ name, label, consumer, producer, busyPollUs }) => ({
    name: `${name}-${place}-${around}`,
    label: `${label}; ${PLACEMENTS[place]}; ${words}`,
    consumer,
    producer,
    placement: place,
    busyThird,
    params: { loadPerSecond, busyPollUs },
    reference: `net-${place}-${around}`,
  }))
}

/** Never worse than net; much better where each process has a processor and nothing else wants it. */
function targetsOf(place: Placement, around: Surrounding): Target[] {
  const alone = place === 'apart' && around === 'quiet'
  const limit = (name: string, metric: string, atMost: number): Target => ({
    path: `${name === 'busy' ? 'busy polling' : 'round trip'}, ${PLACEMENTS[place]}, ${SURROUNDINGS[around].words}`,
    contestant: `${name}-${place}-${around}`,
    metric,
    of: 'ratio',
    atMost,
  })
  return [
    limit('ours', 'p50Us', alone ? 0.4 : 1.05),
    limit('ours', 'p99Us', alone ? 0.7 : 1.1),
    limit('busy', 'p50Us', alone ? 0.35 : 1.1),
  ]
}
