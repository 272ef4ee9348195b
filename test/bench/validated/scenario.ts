// What a check of each payload with a schema costs, and what validated() adds to the check itself.

import { pairIn, type Contestant, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 2000, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 1000, full: 1000 }

export function validatedReceiver(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'validated',
    title: `lines of ${LINE_BYTES} bytes, each payload parsed and checked with a schema of seven keys`,
    notes: [
      'One message at a time, in a loop. The schema is of zod, and the same in both.',
      'by hand: schema.parse(payload) in the loop; a violation would end it.',
    ],
    metrics: [{ name: 'messagesPerSecond', label: 'msg/s', digits: 0 }],
    reference: 'by-hand',
    contestants: [
      way('validated', 'validated()', 'validated'),
      way('by-hand', 'schema.parse() by hand', 'byHand'),
      way('unchecked', 'payloads not checked', 'unchecked'),
    ],
    targets: [
      {
        path: 'payloads checked with a schema, against the check by hand',
        contestant: 'validated',
        metric: 'messagesPerSecond',
        of: 'ratio',
        atLeast: 0.8,
      },
    ],
    params: { warmUpMs, measureMs },
    apart: true,
    timeoutMs: 60_000 + measureMs,
    trialMs: 500 + warmUpMs + measureMs,
  }
}

function way(name: string, label: string, how: string): Contestant {
  return { name, label, ...pairIn(new URL('./roles.js', import.meta.url)), params: { way: how } }
}
