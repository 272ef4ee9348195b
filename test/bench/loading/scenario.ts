// The time that importing the package adds to the start of a process.

import { roleIn, type Scale, type Scenario } from '../harness/scenario.js'

const PROCESSES: Readonly<Record<Scale, number>> = { quick: 3, normal: 12, full: 40 }
const PROCESS_MS = 50

export function loading(scale: Scale): Scenario {
  const processes = PROCESSES[scale]
  return {
    name: 'loading',
    title: 'start and end of a process that imports the package',
    notes: [`Medians of ${processes} processes of each kind, in turns.`],
    metrics: [
      { name: 'emptyMs', label: 'empty script ms', digits: 1 },
      { name: 'loadingMs', label: 'with the import ms', digits: 1 },
      { name: 'extraMs', label: 'more ms', digits: 1 },
    ],
    contestants: [
      {
        name: 'ours',
        label: "import 'sentinel-ipc'",
        consumer: roleIn(new URL('./roles.js', import.meta.url), 'consumer'),
      },
    ],
    targets: [
      { path: 'loading the package', contestant: 'ours', metric: 'extraMs', of: 'value', atMost: 15 },
    ],
    params: { processes },
    timeoutMs: 60_000,
    trialMs: 300 + 2 * (processes + 1) * PROCESS_MS,
  }
}
