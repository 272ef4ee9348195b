// node out/test/bench/polling/main.js: the share of a processor that a receiver takes with and without polling, while messages come at
// a steady distance. For Linux. The sender has a thread of its own, which does nothing but wait for the time of the next message.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'

import { listen, Receiver } from 'sentinel-ipc'

import { readOptions, wholeNumber } from '../../../release/options.js'
import { summarize } from '../harness/statistics.js'

const HELP = `Usage: node out/test/bench/polling/main.js [options]

Prints the share of a processor that a receiver takes with and without polling, while messages come at a steady distance.

  --distances US[,US]  microseconds between two messages (default 20,40,100)
  --messages N         of each trial (default 50000)
  --rounds N           trials of each kind (default 3)
  --help               this text`

const { values } = readOptions(HELP, {
  options: {
    distances: { type: 'string', default: '20,40,100' },
    messages: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '3' },
  },
})
const messages = wholeNumber('messages', values.messages, 1)

const rounds = wholeNumber('rounds', values.rounds, 1)
const distances = values.distances.split(',').map((text) => wholeNumber('distances', text, 1))

/** Messages before the measurement begins: the receiver learns first whether polling pays. */
const WARM_UP = 2000

const SENDER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { BufferedSender, dial, newSOCMessage } = require('sentinel-ipc')
  const { directory, distanceUs, messages } = workerData
  const payload = { host: 'web-01', text: 'x'.repeat(150) }
  dial('polling', { directory }).then(async (connection) => {
    const sender = new BufferedSender(connection, 'sender')
    let due = process.hrtime.bigint()
    for (let n = 0; n < messages; ++n) {
      due += BigInt(distanceUs * 1000)
      while (process.hrtime.bigint() < due);
      sender.send(newSOCMessage('soc_event', payload))
      sender.flushSync()
    }
    await sender.close()
  })
`

/** Processor time of this thread so far, without that of the sender's (proc_pid_schedstat, Linux). */
function cpuMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
}

/** Percent of one processor that receiving takes. */
async function measure(distanceUs: number, polls: boolean): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-polling-'))
  const listener = await listen('polling', { directory, ...(!polls && { busyPoll: false }) })
  const sender = new Worker(SENDER, {
    eval: true,
    workerData: { directory, distanceUs, messages: WARM_UP + messages },
  })
  try {
    const receiver = new Receiver(await listener.accept(), 'receiver')
    let read = 0
    let before = cpuMs()
    let beginMs = performance.now()
    for await (const batch of receiver.batches()) {
      if (read < WARM_UP && read + batch.length >= WARM_UP) {
        before = cpuMs()
        beginMs = performance.now()
      }
      read += batch.length
    }
    return ((cpuMs() - before) / (performance.now() - beginMs)) * 100
  } finally {
    await sender.terminate()
    listener.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

for (const distance of distances) {
  const [polling, not]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; ++round) {
    polling.push(await measure(distance, true))
    not.push(await measure(distance, false))
  }
  const text = [polling, not].map((shares) => `${summarize(shares).median.toFixed(0)} %`)
  console.log(`a message every ${distance} µs: ${text[0]} of a processor with polling, ${text[1]} without`)
}
