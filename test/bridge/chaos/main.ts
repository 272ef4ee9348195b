// The long chaos run: node out/test/bridge/chaos/main.js [--seed N] [--messages N] [--no-spool]. Exits with 1 if a message was lost,
// came twice, or came out of order.

import { parseArgs } from 'node:util'

import { whyNoServer } from '../nats-server.js'
import { runChaos } from './run.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    messages: { type: 'string', default: '100000' },
    senders: { type: 'string', default: '4' },
    'no-spool': { type: 'boolean', default: false },
    every: { type: 'string', default: '400' },
    verbose: { type: 'boolean', default: false },
  },
})

if (whyNoServer !== undefined) {
  console.log(whyNoServer)
} else {
  const senders = Number(values.senders)
  console.log(`seed ${values.seed}`)
  const result = await runChaos({
    seed: Number(values.seed),
    senders,
    messagesEach: Math.ceil(Number(values.messages) / senders),
    spooled: !values['no-spool'],
    everyMs: Number(values.every),
    pauseMs: 1,
    timeoutMs: 900_000,
    ...(values.verbose && {
      log: (line: string) => {
        console.log(line)
      },
    }),
  })
  console.log(JSON.stringify(result, undefined, 2))
  process.exitCode = result.faults.length > 0 ? 1 : 0
}
