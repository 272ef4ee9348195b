// The long chaos run: node out/test/bridge/chaos/main.js; --help lists the options. Exits with 1 if a message was lost, came twice,
// or came out of order.

import { readOptions, wholeNumber } from '../../../release/options.js'
import { whyNoServer } from '../nats-server.js'
import { runChaos } from './run.js'

const HELP = `Usage: node out/test/bridge/chaos/main.js [options]

Sends messages through a bridge to NATS and back, while processes are killed and connections cut, and looks whether one was
lost, came twice or out of order.

  --seed N      repeats the choices of an earlier run (default: by the clock)
  --messages N  how many go through (default 100000)
  --senders N   that share them (default 4)
  --every MS    milliseconds between two blows (default 400)
  --no-spool    the way in keeps messages in memory only
  --verbose     prints each blow
  --help        this text`

const { values } = readOptions(HELP, {
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
  const senders = wholeNumber('senders', values.senders, 1)
  console.log(`seed ${values.seed}`)
  const result = await runChaos({
    seed: wholeNumber('seed', values.seed),
    senders,
    messagesEach: Math.ceil(wholeNumber('messages', values.messages, 1) / senders),
    spooled: !values['no-spool'],
    everyMs: wholeNumber('every', values.every, 1),
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
