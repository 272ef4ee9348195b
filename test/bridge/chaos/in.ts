// Chaos run, the way in.

import { InBridge, NatsSource } from 'sentinel-ipc/nats'

import type { InArguments } from './parts.js'

const { directory, servers } = JSON.parse(process.argv[2] ?? '{}') as InArguments
const bridge = await InBridge.open({
  to: 'chaos-in',
  dial: { directory },
  source: new NatsSource({
    servers,
    consumer: 'chaos',
    ackTimeoutMs: 500,
    connection: { reconnectTimeWait: 50, timeout: 1000 },
  }),
  checkpointMs: 20,
})
process.on('message', () => process.send?.({ stats: bridge.stats }))
await bridge.ended
