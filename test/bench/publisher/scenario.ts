// Whether a hundred subscribers are served as fast, all together, as one; and what a subscriber that stalls costs the others.

import { pairIn, roleIn, type Contestant, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 2000, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 1000, full: 1000 }

const roles = new URL('./roles.js', import.meta.url)
const bySenders = { consumer: roleIn(roles, 'consumer'), producer: roleIn(roles, 'senders') }

export function publisher(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'publisher',
    title: `lines of ${LINE_BYTES} bytes to many subscribers, from objects, one process each side`,
    notes: [
      'All subscribers together, payloads not parsed. The publisher waits while one that reads has more than 256 KiB waiting.',
      '-stalled: one more subscriber that never reads; its messages are not counted.',
      'senders: a Sender a subscriber and sendBatch() to each, instead of a Publisher.',
    ],
    metrics: [{ name: 'messagesPerSecond', label: 'msg/s, all together', digits: 0 }],
    reference: 'ours@1',
    contestants: [
      subscribers(1),
      subscribers(10),
      { ...subscribers(10, 1), name: 'ours@10-stalled', reference: 'ours@10' },
      subscribers(100),
      { ...subscribers(100), name: 'senders@100', label: 'a sender each', ...bySenders },
    ],
    targets: [
      {
        path: 'a hundred subscribers, all together',
        contestant: 'ours@100',
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: 'ours@1',
        atLeast: 0.8,
      },
      {
        path: 'ten subscribers beside one that stalls',
        contestant: 'ours@10-stalled',
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: 'ours@10',
        atLeast: 0.95,
      },
    ],
    params: { warmUpMs, measureMs, subscribers: 1, stalled: 0 },
    apart: true,
    timeoutMs: 60_000 + measureMs,
    trialMs: 500 + warmUpMs + measureMs,
  }
}

function subscribers(count: number, stalled = 0): Contestant {
  return {
    name: `ours@${count}`,
    label: 'publish() and batches()',
    ...pairIn(roles),
    params: { subscribers: count, stalled },
  }
}
