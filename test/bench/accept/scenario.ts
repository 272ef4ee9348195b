// How many connections a second can be let in.

import { roleIn, type Need, type Scale, type Scenario } from '../harness/scenario.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 700, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 400, full: 1000 }
const NATIVE: readonly Need[] = [{ kind: 'program', name: 'native' }]

export function accept(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  const roles = new URL('./roles.js', import.meta.url)
  const producer = roleIn(roles, 'clients')
  return {
    name: 'accept',
    title: 'connections let in a second, each closed at once',
    notes: [
      'net checks nothing; ours checks who connects, natively. A C++ program connects; the same for both.',
    ],
    metrics: [
      { name: 'connectionsPerSecond', label: 'connections/s', digits: 0 },
      { name: 'cpuUs', label: 'CPU µs a connection', digits: 1 },
    ],
    reference: 'net',
    contestants: [
      { name: 'net', label: 'net.Server', consumer: roleIn(roles, 'netConsumer'), producer, needs: NATIVE },
      { name: 'ours', label: 'accept()', consumer: roleIn(roles, 'oursConsumer'), producer, needs: NATIVE },
    ],
    targets: [
      {
        path: 'accept, check and admit',
        contestant: 'ours',
        metric: 'connectionsPerSecond',
        of: 'ratio',
        atLeast: 1,
      },
    ],
    params: { warmUpMs, measureMs },
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
  }
}
