// How long BufferedSender.send() keeps its caller: each call is timed by itself, a few in each turn of the loop.

import { once } from 'node:events'
import { createServer } from 'node:net'
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'

import { BufferedSender, dial, newSOCMessage, rawJSON, SOCMsgType } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, PIPE_NAME, socketPath } from '../input/line.js'

const CALLS_PER_TURN = 16
const NS_PER_MS = 1e6
const CLOCK_SAMPLES = 100_000

/** Reads everything as cheaply as possible, because it is not the measured side. */
export async function consumer(context: RoleContext): Promise<undefined> {
  const server = createServer((socket) => {
    socket.resume()
  })
  server.listen(socketPath(context.directory), context.ready)
  await once(server, 'listening')
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const connection = await dial(PIPE_NAME, { directory: context.directory })
  const sender = new BufferedSender(connection, 'producer')
  const payloadOf = context.text('from') === 'text' ? textOf : logonEvent
  await run(sender, payloadOf, context.number('warmUpMs'))
  const before = sender.stats.dropped
  const histogram = await run(sender, payloadOf, context.number('measureMs'))
  if (sender.stats.dropped !== before) throw new Error('messages were dropped')
  const ns = (percentile: number): number => Math.max(0, histogram.percentile(percentile) - clockNs)
  return { p50Ns: ns(50), p99Ns: ns(99), p999Us: ns(99.9) / 1000, maxUs: ns(100) / 1000, clockNs }
}

function textOf(i: number): unknown {
  return rawJSON(JSON.stringify(logonEvent(i)))
}

async function run(
  sender: BufferedSender,
  payloadOf: (i: number) => unknown,
  ms: number,
): Promise<RecordableHistogram> {
  const histogram = newHistogram()
  const end = performance.now() + ms
  for (let i = 0; performance.now() < end;) {
    for (let k = 0; k < CALLS_PER_TURN; ++k) {
      const payload = payloadOf(i++)
      const begin = performance.now()
      sender.send(newSOCMessage(SOCMsgType.Event, payload))
      const took = performance.now() - begin
      histogram.record(Math.max(1, Math.round(took * NS_PER_MS)))
    }
    await sender.drained()
    await new Promise(setImmediate)
  }
  return histogram
}

function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 60e9, figures: 3 })
}

/** The time that reading the clock adds to each sample. */
const clockNs = ((): number => {
  const histogram = newHistogram()
  for (let i = 0; i < CLOCK_SAMPLES; ++i) {
    const begin = performance.now()
    histogram.record(Math.max(1, Math.round((performance.now() - begin) * NS_PER_MS)))
  }
  return histogram.percentile(50)
})()
