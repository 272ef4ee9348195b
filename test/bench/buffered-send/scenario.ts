// How long a caller of BufferedSender.send() is kept.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 800, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 500, full: 1000 }

export function bufferedSend(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  const path = 'BufferedSender.send in the caller'
  return {
    name: 'buffered-send',
    title: 'BufferedSender.send(newSOCMessage(type, event)) in its caller',
    notes: [
      'Each call timed by itself, without what reading the clock takes. JSON.stringify is not among it: the text is made',
      'when the turn is over, with that of all others. p99.9 and max are what garbage collection and other programs do.',
    ],
    metrics: [
      { name: 'p50Ns', label: 'p50 ns', digits: 0 },
      { name: 'p99Ns', label: 'p99 ns', digits: 0 },
      { name: 'p999Us', label: 'p99.9 µs', digits: 2 },
      { name: 'maxUs', label: 'max µs', digits: 0 },
      { name: 'clockNs', label: 'clock ns', digits: 0 },
    ],
    contestants: [{ name: 'ours', label: 'send()', ...pairIn(new URL('./roles.js', import.meta.url)) }],
    targets: [
      { path, contestant: 'ours', metric: 'p50Ns', of: 'value', atMost: 300 },
      { path, contestant: 'ours', metric: 'p999Us', of: 'value', atMost: 20 },
    ],
    params: { warmUpMs, measureMs },
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
  }
}
