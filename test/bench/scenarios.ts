// All scenarios, in the order in which they are run. A new one is added here.

import { accept } from './accept/scenario.js'
import { bufferedSend } from './buffered-send/scenario.js'
import { connections } from './connections/scenario.js'
import { correlate } from './correlate/scenario.js'
import { delivery } from './delivery/scenario.js'
import { flood } from './flood/scenario.js'
import type { Scale, Scenario } from './harness/scenario.js'
import { idleConnections } from './idle-connections/scenario.js'
import { loading } from './loading/scenario.js'
import { messageSize } from './message-size/scenario.js'
import { placement } from './placement/scenario.js'
import { publisher } from './publisher/scenario.js'
import { relay } from './relay/scenario.js'
import { requestReply } from './request-reply/scenario.js'
import { roundTrip } from './round-trip/scenario.js'
import { stalledReader } from './stalled-reader/scenario.js'
import { swarm } from './swarm/scenario.js'
import { throughput } from './throughput/scenario.js'
import { validatedReceiver } from './validated/scenario.js'

export function allScenarios(scale: Scale): readonly Scenario[] {
  return [
    throughput(scale),
    messageSize(scale),
    relay(scale),
    correlate(scale),
    roundTrip(scale),
    placement(scale),
    connections(scale),
    bufferedSend(scale),
    accept(scale),
    flood(scale),
    loading(scale),
    idleConnections(scale),
    stalledReader(scale),
    delivery(scale),
    swarm(scale),
    requestReply(scale),
    publisher(scale),
    validatedReceiver(scale),
  ]
}
