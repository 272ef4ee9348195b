// Whether many connections that send at once are served as fast as one, and each of them alike.

import { pairIn, type Contestant, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 2000, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 1000, full: 1000 }
const COUNTS = [
  [1, '1'],
  [10, '10'],
  [100, '100'],
  [1000, '1,000'],
] as const
const MOST = 1000
const MESSAGES_PER_BATCH = 50

export function connections(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'connections',
    title: `1 to 1,000 connections sending at once, lines of ${LINE_BYTES} bytes, objects at both ends`,
    notes: [
      `Two processes. Each connection sends ${MESSAGES_PER_BATCH} messages at a time and waits until it may go on.`,
      'smallest share: what the connection that got least got of what each would get if all got the same, over at least',
      '700 messages a connection, however long they take.',
      'x: against net with as many connections.',
    ],
    metrics: [
      { name: 'messagesPerSecond', label: 'msg/s, all together', digits: 0 },
      { name: 'smallestShare', label: 'smallest share', digits: 2 },
    ],
    contestants: COUNTS.flatMap(([count]): Contestant[] => [
      contestant('net', 'net + JSON', new URL('./net.js', import.meta.url), count),
      contestant('ours', 'sendBatch() and batches()', new URL('./ours.js', import.meta.url), count),
    ]),
    targets: [
      {
        path: '1,000 connections sending at once',
        contestant: `ours@${MOST}`,
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: 'ours@1',
        atLeast: 0.8,
      },
      {
        path: 'the one that is served least of 1,000',
        contestant: `ours@${MOST}`,
        metric: 'smallestShare',
        of: 'value',
        atLeast: 0.5,
      },
    ],
    params: { warmUpMs, measureMs, messagesPerBatch: MESSAGES_PER_BATCH },
    apart: true,
    // A slow machine needs minutes for 700 messages on each of 1,000 connections.
    timeoutMs: 300_000 + measureMs,
    trialMs: 1000 + warmUpMs + measureMs,
    plots: [
      {
        kind: 'lines',
        file: 'connections',
        title: 'Messages a second by number of connections',
        subtitle: `All send at once; lines of ${LINE_BYTES} bytes, objects at both ends, two processes. Both axes logarithmic.`,
        metric: 'messagesPerSecond',
        unit: 'messages/s, all connections together',
        over: 'connections',
        ticks: COUNTS,
        shown: { ours: 'sentinel-ipc', net: 'net + JSON' },
      },
    ],
  }
}

function contestant(name: string, label: string, module: URL, count: number): Contestant {
  return {
    name: `${name}@${count}`,
    label,
    ...pairIn(module),
    params: { connections: count },
    reference: `net@${count}`,
    line: { name, at: count },
  }
}
