// All scenarios, in the order in which they are run. A new one is added here.

import { delivery } from './delivery/scenario.js'
import type { Scale, Scenario } from './harness/scenario.js'
import { idleConnections } from './idle-connections/scenario.js'
import { relay } from './relay/scenario.js'
import { roundTrip } from './round-trip/scenario.js'
import { stalledReader } from './stalled-reader/scenario.js'
import { swarm } from './swarm/scenario.js'
import { throughput } from './throughput/scenario.js'

export function allScenarios(scale: Scale): readonly Scenario[] {
  return [
    throughput(scale),
    relay(scale),
    roundTrip(scale),
    idleConnections(scale),
    stalledReader(scale),
    delivery(scale),
    swarm(scale),
  ]
}
