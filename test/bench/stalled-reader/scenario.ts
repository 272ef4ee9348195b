// Whether a peer that stops reading makes the sending process grow.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'

const SECONDS: Readonly<Record<Scale, number>> = { quick: 1, normal: 5, full: 60 }

export function stalledReader(scale: Scale): Scenario {
  const seconds = SECONDS[scale]
  const warmUpMs = scale === 'quick' ? 500 : 2000
  return {
    name: 'stalled-reader',
    title: `memory of a process that sends for ${seconds} s to a peer that never reads`,
    notes: [
      'BufferedSender.send as fast as it goes; when it is full, again after setImmediate. One run.',
      'Growth of the resident set after the warm-up: the highest of samples every 100 ms, and after garbage collection.',
    ],
    metrics: [
      { name: 'highestMebibytes', label: 'highest MiB', digits: 1 },
      { name: 'finalMebibytes', label: 'in the end MiB', digits: 1 },
      { name: 'refusedPerSecond', label: 'refused sends/s', digits: 0 },
      { name: 'pending', label: 'messages pending', digits: 0 },
    ],
    contestants: [
      { name: 'ours', label: 'BufferedSender', ...pairIn(new URL('./ours.js', import.meta.url)) },
    ],
    targets: [
      {
        path: 'memory of a sender whose peer stalls',
        contestant: 'ours',
        metric: 'highestMebibytes',
        of: 'value',
        atMost: 8,
      },
    ],
    params: { warmUpMs, measureMs: seconds * 1000 },
    timeoutMs: 30_000 + seconds * 1000,
    trialMs: 300 + warmUpMs + seconds * 1000,
    rounds: 1,
    // V8's young generation has its full size from the start, so that what grows is not that.
    execArgv: ['--expose-gc', '--min-semi-space-size=16'],
  }
}
