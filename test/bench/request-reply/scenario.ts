// What Endpoint costs beside a request and its reply written by hand over a sender and a receiver.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 1000, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 300, normal: 500, full: 1000 }

export function requestReply(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'request-reply',
    title: `a request of ${LINE_BYTES} bytes and its reply, objects at both ends`,
    notes: [
      'One at a time. by-hand: the same lines with send() and next(), without deadlines, bounds and errors.',
      'no-ids: the lines of round-trip, a message and an acknowledgement that names nothing.',
    ],
    metrics: [
      { name: 'p50Us', label: 'p50 µs', digits: 1 },
      { name: 'p90Us', label: 'p90 µs', digits: 1 },
      { name: 'p99Us', label: 'p99 µs', digits: 1 },
      { name: 'p999Us', label: 'p99.9 µs', digits: 1 },
      { name: 'maxUs', label: 'max µs', digits: 0 },
    ],
    reference: 'by-hand',
    contestants: [
      {
        name: 'by-hand',
        label: 'send() and next()',
        ...pairIn(new URL('./by-hand.js', import.meta.url)),
      },
      {
        name: 'no-ids',
        label: 'send() and next(), shorter lines',
        ...pairIn(new URL('../round-trip/ours.js', import.meta.url)),
      },
      {
        name: 'endpoint',
        label: 'request() and respond()',
        ...pairIn(new URL('./endpoint.js', import.meta.url)),
      },
    ],
    targets: [
      {
        path: 'request and reply',
        contestant: 'endpoint',
        metric: 'p50Us',
        of: 'ratio',
        against: 'by-hand',
        atMost: 1.15,
      },
    ],
    params: { measureMs, warmUpMs, loadPerSecond: 0, busyPollUs: 0 },
    timeoutMs: 30_000 + measureMs,
    trialMs: 300 + measureMs + warmUpMs,
  }
}
