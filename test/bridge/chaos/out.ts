// Chaos run, the way out.

import { Spool } from 'sentinel-ipc'
import { NatsSink, OutBridge } from 'sentinel-ipc/nats'

import type { OutArguments } from './parts.js'

const { directory, servers, spool: at, batch, inFlight } = JSON.parse(process.argv[2] ?? '{}') as OutArguments
const spool = at === undefined ? undefined : await Spool.open({ directory: at })
const bridge = await OutBridge.open({
  from: 'chaos-out',
  listen: { directory },
  sink: new NatsSink({ servers, ackTimeoutMs: 500, connection: { reconnectTimeWait: 50, timeout: 1000 } }),
  host: 'chaos.host',
  maxBatchMessages: batch,
  maxInFlight: inFlight,
  minBackoffMs: 5,
  maxBackoffMs: 200,
  ...(spool !== undefined && { spool }),
})
process.on('message', () => process.send?.({ stats: bridge.stats }))
await bridge.ended
