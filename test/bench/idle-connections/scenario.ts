// Memory of the accepting process per idle connection.

import { readFileSync } from 'node:fs'

import { pairIn, roleIn, type Scale, type Scenario } from '../harness/scenario.js'

const CONNECTIONS: Readonly<Record<Scale, number>> = { quick: 300, normal: 4000, full: 4000 }
/** Descriptors that a process has open besides. */
const OTHER_DESCRIPTORS = 100

export function idleConnections(scale: Scale): Scenario {
  const wanted = CONNECTIONS[scale]
  const limit = descriptorLimit()
  // As many are made before the memory is first looked at, and stay open: by then the code is compiled and the young
  // generation has its size. With 100, those megabytes were most of what a connection seemed to take.
  const connections = Math.min(wanted, Math.floor((limit - OTHER_DESCRIPTORS) / 2))
  const producer = roleIn(new URL('./clients.js', import.meta.url), 'clients')
  return {
    name: 'idle-connections',
    title: `memory of the accepting process for each of ${connections.toLocaleString('en-US')} idle connections`,
    notes: [
      'Growth of the resident set after garbage collection; the clients live in the other process. As many connections',
      'are made before, which stay open and are not counted.',
      ...(connections < wanted
        ? [`Fewer than ${wanted}: this process may have only ${limit} descriptors open.`]
        : []),
    ],
    metrics: [{ name: 'kibibytes', label: 'KiB a connection', digits: 2 }],
    reference: 'net',
    contestants: [
      {
        name: 'net',
        label: "net.Server, a 'data' listener on each",
        consumer: pairIn(new URL('./net.js', import.meta.url)).consumer,
        producer,
      },
      {
        name: 'ours',
        label: 'accept(), a Receiver on each waiting in next()',
        consumer: pairIn(new URL('./ours.js', import.meta.url)).consumer,
        producer,
      },
    ],
    targets: [
      {
        path: 'memory of an idle connection',
        contestant: 'ours',
        metric: 'kibibytes',
        of: 'ratio',
        atMost: 1,
      },
    ],
    params: { connections, warmUp: connections },
    timeoutMs: 60_000,
    trialMs: scale === 'quick' ? 800 : 4000,
    execArgv: ['--expose-gc'],
  }
}

/** How many descriptors a process may have open; Node raises the soft limit to the hard one as it starts. */
function descriptorLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === undefined ? Infinity : Number(limit)
}
