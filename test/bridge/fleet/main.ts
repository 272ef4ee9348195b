// The long fleet run: node out/test/bridge/fleet/main.js; --help lists the options. Exits with 1 if a message was lost, came twice,
// or came out of order.

import { readOptions, wholeNumber } from '../../../release/options.js'
import { whyNoServer } from '../nats-server.js'
import { runFleet } from './run.js'

const HELP = `Usage: node out/test/bridge/fleet/main.js [options]

Starts a NATS server, a way out, a way in with a receiver, and senders that all send to the way out. Prints the rate, the latencies, and
the processor time and memory of each process.

  --senders N     senders, each with a connection. Default 1000
  --messages N    messages of each sender. Default 200
  --rate N        messages a second that each sender offers; 0: all at once. Default 0
  --processes N   processes that the senders share. Default 2
  --help          this text`

const { values } = readOptions(HELP, {
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
    senders: wholeNumber('senders', values.senders, 1),
    messagesEach: wholeNumber('messages', values.messages, 1),
    perSecond: wholeNumber('rate', values.rate),
    processes: wholeNumber('processes', values.processes, 1),
    timeoutMs: 240_000,
  })
  console.log(`${Math.round(result.messages / result.seconds)} messages a second`)
  console.log(JSON.stringify(result, undefined, 2))
  process.exitCode = result.faults.length > 0 ? 1 : 0
}
