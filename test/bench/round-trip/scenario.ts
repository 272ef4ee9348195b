// How long a message and its answer take while nothing else is under way.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const ROUND_TRIPS: Readonly<Record<Scale, number>> = { quick: 2000, normal: 20_000, full: 100_000 }

export function roundTrip(scale: Scale): Scenario {
  const roundTrips = ROUND_TRIPS[scale]
  return {
    name: 'round-trip',
    title: `Round trip of one line of ${LINE_BYTES} bytes, objects at both ends`,
    notes: [
      `${roundTrips.toLocaleString('en-US')} round trips after a warm-up of ${(roundTrips / 4).toLocaleString('en-US')}, one at a time.`,
      'Each is two JSON.stringify and two JSON.parse: the answer is a new message with the payload that came.',
    ],
    metrics: [
      { name: 'p50Us', label: 'p50 µs', digits: 1 },
      { name: 'p99Us', label: 'p99 µs', digits: 1 },
    ],
    reference: 'net',
    contestants: [
      {
        name: 'net',
        label: "'data' listeners, one write a message",
        ...pairIn(new URL('./net.js', import.meta.url)),
      },
      { name: 'ours', label: 'send() and next()', ...pairIn(new URL('./ours.js', import.meta.url)) },
    ],
    targets: [{ contestant: 'ours', metric: 'p50Us', of: 'ratio', atMost: 0.85 }],
    params: { roundTrips, warmUp: roundTrips / 4 },
    timeoutMs: 60_000,
  }
}
