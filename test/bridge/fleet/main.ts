// The long fleet run: node out/test/bridge/fleet/main.js [--senders 1000] [--messages N] [--rate N]. Exits with 1 if a message was
// lost, came twice, or came out of order.

import { parseArgs } from 'node:util'

import { whyNoServer } from '../nats-server.js'
import { runFleet } from './run.js'

const { values } = parseArgs({
  options: {
    senders: { type: 'string', default: '1000' },
    messages: { type: 'string', default: '200' },
    rate: { type: 'string', default: '0' },
    processes: { type: 'string', default: '2' },
  },
})

if (whyNoServer !== undefined) {
  console.log(whyNoServer)
} else {
  const result = await runFleet({
    senders: Number(values.senders),
    messagesEach: Number(values.messages),
    perSecond: Number(values.rate),
    processes: Number(values.processes),
    timeoutMs: 240_000,
  })
  console.log(`${Math.round(result.messages / result.seconds)} messages a second`)
  console.log(JSON.stringify(result, undefined, 2))
  process.exitCode = result.faults.length > 0 ? 1 : 0
}
