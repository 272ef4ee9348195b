// Fleet run: many local senders in one process, each with a connection of its own. Reports how long messages took until they
// were acknowledged.

import { AcknowledgedSender, newSOCMessage, rawJSON } from 'sentinel-ipc'
import { setTimeout as sleep } from 'node:timers/promises'

import { percentile } from '../../bench/harness/statistics.js'
import { payloadTexts } from '../../bench/input/line.js'

export interface SendersArguments {
  readonly directory: string
  /** Number of the first sender: ids are `<sender>:<message>`, messages from 1. */
  readonly first: number
  readonly senders: number
  readonly messagesEach: number
  /** Messages a second of each sender; 0: all at once. */
  readonly perSecond: number
}

export interface SendersReport {
  readonly done: true
  readonly p50Ms: number
  readonly p99Ms: number
}

const task = JSON.parse(process.argv[2] ?? '{}') as SendersArguments
const { directory, first, senders, messagesEach, perSecond } = task
const payloads = payloadTexts().map((text) => rawJSON(text))
const latencies: number[] = []

const made = Array.from(
  { length: senders },
  () => new AcknowledgedSender('chaos-out', { directory, maxBackoffMs: 1000, maxMessages: messagesEach }),
)

const messageOf = (sender: number, number: number): ReturnType<typeof newSOCMessage> =>
  newSOCMessage('soc_event', payloads[number % payloads.length], { id: `${first + sender}:${number}` })

async function send(sender: AcknowledgedSender, index: number): Promise<void> {
  if (perSecond === 0) {
    const began = performance.now()
    const all = Array.from({ length: messagesEach }, (_, i) => messageOf(index, i + 1))
    const { status } = await sender.sendBatch(all)
    if (status !== 'acknowledged') throw new Error(`messages were ${status}`)
    latencies.push(performance.now() - began)
    return
  }
  const everyMs = 1000 / perSecond
  // Spread over the interval, as senders that know nothing of each other are.
  const start = performance.now() + (everyMs * index) / senders
  const under: Promise<void>[] = []
  for (let number = 1; number <= messagesEach; ++number) {
    await sleep(Math.max(0, start + number * everyMs - performance.now()))
    const began = performance.now()
    const sent = sender.send(messageOf(index, number)).then(({ status }) => {
      if (status !== 'acknowledged') throw new Error(`a message was ${status}`)
      latencies.push(performance.now() - began)
    })
    under.push(sent)
  }
  await Promise.all(under)
}

// A fleet connects once, and sends for long.
while (made.some(({ state }) => state !== 'acknowledging')) await sleep(20)
process.send?.({ ready: true })
process.once('message', () => {
  void Promise.all(made.map(send)).then(() => {
    const times = Float64Array.from(latencies)
    const report: SendersReport = {
      done: true,
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
    }
    process.send?.(report)
  })
})
