// The job that the library is made for: a process in the middle looks at three fields of each security event, raises an
// incident for one in a hundred, and passes all of them on.

import { pairIn, roleIn, type Contestant, type Scale, type Scenario } from '../harness/scenario.js'
import { loadEventLines } from '../input/events.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 600, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 1000, full: 2000 }

export function correlate(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  const producer = roleIn(new URL('../relay/feeder.js', import.meta.url), 'feeder')
  const ours = pairIn(new URL('./ours.js', import.meta.url)).consumer
  const contestants: Contestant[] = [
    {
      name: 'split2',
      label: 'split2 and JSON.parse of each line',
      consumer: pairIn(new URL('./split2.js', import.meta.url)).consumer,
      needs: [{ kind: 'package', name: 'split2' }],
      producer,
    },
    {
      name: 'net',
      label: 'no split2: newline search, JSON.parse of each line',
      consumer: pairIn(new URL('./net.js', import.meta.url)).consumer,
      producer,
    },
    {
      name: 'ours-parsed',
      label: 'batches() and sendBatch(), each payload parsed',
      consumer: ours,
      producer,
      params: { mode: 'payload' },
    },
    {
      name: 'ours',
      label: 'the same with the option fields and message.field()',
      consumer: ours,
      producer,
      params: { mode: 'fields' },
    },
  ]
  const target = (against: string, atLeast: number) => ({
    path: `correlating security events, against ${against}`,
    contestant: 'ours',
    metric: 'messagesPerSecond',
    of: 'ratio' as const,
    against,
    atLeast,
  })
  return {
    name: 'correlate',
    title: 'a rule over three fields of each event, all events passed on',
    notes: [
      `${loadEventLines().origin}.`,
      'One process feeds ready-made bytes and counts the lines that come back, the same for all; the other one correlates.',
      'One incident for a hundred events; it is written behind the events that came with them, and counted too.',
    ],
    metrics: [
      { name: 'messagesPerSecond', label: 'msg/s', digits: 0 },
      { name: 'mebibytesPerSecond', label: 'MiB/s', digits: 0 },
    ],
    reference: 'split2',
    contestants,
    targets: [target('split2', 6), target('net', 3), target('ours-parsed', 2)],
    params: { warmUpMs, measureMs, input: 'events', untouched: 0 },
    apart: true,
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
  }
}
