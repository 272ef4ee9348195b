// Who takes part in the throughput scenarios, and with what they do it.

import { pairIn, roleIn, type Need, type RoleSource } from '../harness/scenario.js'
import { NODE_IPC } from '../input/node-ipc.js'
import { ZEROMQ } from '../input/zeromq.js'

interface Sides {
  readonly consumer: RoleSource
  readonly producer: RoleSource
}

const programs = new URL('./programs.js', import.meta.url)

export const net: Sides = pairIn(new URL('./net.js', import.meta.url))
export const ours: Sides = pairIn(new URL('./ours.js', import.meta.url))
export const zeromq = { ...pairIn(new URL('./zeromq.js', import.meta.url)), needs: ZEROMQ }
export const nodeIpc = { ...pairIn(new URL('./node-ipc.js', import.meta.url)), needs: NODE_IPC }
export const childProcess = { consumer: roleIn(new URL('./child-process.js', import.meta.url), 'consumer') }
export const go = {
  consumer: roleIn(programs, 'goConsumer'),
  producer: roleIn(programs, 'goProducer'),
  needs: [{ kind: 'program', name: 'go' }] satisfies Need[],
}
export const native = {
  consumer: roleIn(programs, 'nativeConsumer'),
  producer: roleIn(programs, 'nativeProducer'),
  needs: [{ kind: 'program', name: 'native' }] satisfies Need[],
}

export const METRICS = [
  { name: 'messagesPerSecond', label: 'msg/s', digits: 0 },
  { name: 'producerCpuNs', label: 'producer CPU ns', digits: 0 },
  { name: 'consumerCpuNs', label: 'consumer CPU ns', digits: 0 },
]
