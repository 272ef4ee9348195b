// The cost of Endpoint compared with a request and its reply written by hand over a sender and a receiver.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 500, normal: 1500, full: 5000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 500, normal: 1000, full: 1500 }

export function requestReply(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'request-reply',
    title: `a request of ${LINE_BYTES} bytes and its reply, objects at both ends`,
    notes: [
      'One at a time, 500 of each in turns between the same two processes. Medians of the turns.',
      'by hand: the same lines with send() and next(), without deadlines, bounds and errors.',
    ],
    metrics: [
      { name: 'byHandUs', label: 'by hand p50 µs', digits: 1 },
      { name: 'endpointUs', label: 'Endpoint p50 µs', digits: 1 },
      { name: 'ratio', label: 'Endpoint / by hand', digits: 2 },
    ],
    contestants: [
      {
        name: 'endpoint',
        label: 'request() and respond()',
        ...pairIn(new URL('./roles.js', import.meta.url)),
      },
    ],
    targets: [
      { path: 'request and reply', contestant: 'endpoint', metric: 'ratio', of: 'value', atMost: 1.15 },
    ],
    params: { measureMs, warmUpMs },
    timeoutMs: 60_000 + measureMs,
    trialMs: 300 + measureMs + warmUpMs,
  }
}
