// The cost of a flood of peers that are refused.

import { roleIn, type Need, type Scale, type Scenario } from '../harness/scenario.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 600, full: 3000 }
const WARM_UP_MS = 150
const NATIVE: readonly Need[] = [{ kind: 'program', name: 'native' }]

export function flood(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const roles = new URL('./roles.js', import.meta.url)
  const sides = { consumer: roleIn(roles, 'consumer'), producer: roleIn(roles, 'flooder'), needs: NATIVE }
  return {
    name: 'flood',
    title: 'a flood of peers that the policy does not admit',
    notes: [
      'A C++ program connects and closes as fast as it can. By default the accept thread pauses after each batch of',
      'refusals, which holds the rate down on purpose. Own work lost: against the same work before the flood.',
    ],
    metrics: [
      { name: 'refusedPerSecond', label: 'refused/s', digits: 0 },
      { name: 'loopPercent', label: 'event loop in use %', digits: 2 },
      { name: 'lostPercent', label: 'own work lost %', digits: 1 },
    ],
    contestants: [
      {
        name: 'idle',
        label: 'listen(), nothing else to do',
        ...sides,
        params: { loop: 'idle', throttled: 'yes' },
      },
      {
        name: 'unthrottled',
        label: 'the same with throttleRefusals: false',
        ...sides,
        params: { loop: 'idle', throttled: 'no' },
      },
      {
        name: 'busy',
        label: 'listen(), with an event loop that works all the time',
        ...sides,
        params: { loop: 'busy', throttled: 'yes' },
      },
    ],
    targets: [
      {
        path: 'a flood of refused peers',
        contestant: 'unthrottled',
        metric: 'refusedPerSecond',
        of: 'value',
        atLeast: 290_000,
      },
      {
        path: 'the same: event loop',
        contestant: 'unthrottled',
        metric: 'loopPercent',
        of: 'value',
        atMost: 2,
      },
      {
        path: 'the same, loop busy: own work',
        contestant: 'busy',
        metric: 'lostPercent',
        of: 'value',
        atMost: 5,
      },
    ],
    params: { warmUpMs: WARM_UP_MS, measureMs },
    timeoutMs: 20_000 + 3 * measureMs,
    trialMs: 300 + 2 * WARM_UP_MS + 2 * measureMs,
  }
}
