// How long a caller of BufferedSender.send() is kept.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 800, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 500, full: 1000 }

export function bufferedSend(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  const sides = pairIn(new URL('./roles.js', import.meta.url))
  const path = 'BufferedSender.send in the caller'
  return {
    name: 'buffered-send',
    title: 'BufferedSender.send(newSOCMessage(type, payload)) in its caller',
    notes: [
      'Each call timed by itself, without what reading the clock takes. Of a text that is JSON already, JSON.stringify is not',
      'among it; of an object it is. p99.9 and max are what garbage collection and other programs do.',
    ],
    metrics: [
      { name: 'p50Ns', label: 'p50 ns', digits: 0 },
      { name: 'p99Ns', label: 'p99 ns', digits: 0 },
      { name: 'p999Us', label: 'p99.9 µs', digits: 2 },
      { name: 'maxUs', label: 'max µs', digits: 0 },
      { name: 'clockNs', label: 'clock ns', digits: 0 },
    ],
    contestants: [
      { name: 'text', label: 'of a JSON text', ...sides, params: { from: 'text' } },
      { name: 'object', label: 'of an object', ...sides, params: { from: 'object' } },
    ],
    targets: [
      { path, contestant: 'text', metric: 'p50Ns', of: 'value', atMost: 300 },
      { path, contestant: 'text', metric: 'p999Us', of: 'value', atMost: 20 },
    ],
    params: { warmUpMs, measureMs },
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
  }
}
