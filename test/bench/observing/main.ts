// npm run bench:observing: the processor time that metrics and tracing channels add to a message. Both ends are in this process, and
// each pair of trials runs with and without, in changing order, so that what the machine does besides strikes both alike.

import { tracingChannel } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Registry } from 'prom-client'
import { BufferedSender, dial, listen, newSOCMessage, Receiver, SOCMsgType } from 'sentinel-ipc'
import { registerPrometheus } from 'sentinel-ipc/metrics'

import { readOptions, wholeNumber } from '../../../release/options.js'
import { summarize } from '../harness/statistics.js'

const HELP = `Usage: npm run bench:observing -- [options]

Prints the processor time that metrics and tracing channels add to a message.

  --pairs N     of trials with and without (default 100)
  --messages N  of each trial (default 20000)
  --help        this text`

const { values } = readOptions(HELP, {
  options: {
    pairs: { type: 'string', default: '100' },
    messages: { type: 'string', default: '20000' },
  },
})
const pairs = wholeNumber('pairs', values.pairs, 1)
const messages = wholeNumber('messages', values.messages, 1)

/** Messages sent before the sender waits for the receiver. */
const WINDOW = 256
const PAYLOAD = { host: 'web-01', action: 'login_failed', text: 'x'.repeat(150) }

/** Switches something on; returns what switches it off. */
type Switch = () => () => void

class Traffic {
  readonly #sender: BufferedSender
  readonly #receiver: Receiver

  constructor(sender: BufferedSender, receiver: Receiver) {
    this.#sender = sender
    this.#receiver = receiver
  }

  /** Processor time of a message, both ends together, in nanoseconds. */
  async measure(): Promise<number> {
    const before = process.cpuUsage()
    const batches = this.#receiver.batches()[Symbol.asyncIterator]()
    for (let sent = 0; sent < messages; sent += WINDOW) {
      for (let i = 0; i < WINDOW; ++i) this.#sender.send(newSOCMessage(SOCMsgType.Event, PAYLOAD))
      for (let read = 0; read < WINDOW;) {
        const { value, done } = await batches.next()
        if (done === true) throw new Error('the connection has ended')
        read += value.length
      }
    }
    const { user, system } = process.cpuUsage(before)
    return ((user + system) * 1000) / messages
  }
}

/** Prints what `switchOn` adds to a message: the median of pairs, and between what the true one lies with 95 %. */
async function compare(traffic: Traffic, what: string, switchOn: Switch): Promise<void> {
  const withoutNs: number[] = []
  const ratios: number[] = []
  const measureWith = async (): Promise<number> => {
    const switchOff = switchOn()
    try {
      return await traffic.measure()
    } finally {
      switchOff()
    }
  }
  for (let pair = 0; pair < pairs; ++pair) {
    const first = pair % 2 === 0 ? await measureWith() : await traffic.measure()
    const second = pair % 2 === 0 ? await traffic.measure() : await measureWith()
    const [on, off] = pair % 2 === 0 ? [first, second] : [second, first]
    withoutNs.push(off)
    ratios.push(on / off)
  }
  const sorted = ratios.toSorted((a, b) => a - b)
  // The ranks of a confidence interval of the median, by the binomial distribution.
  const reach = 0.98 * Math.sqrt(pairs)
  const at = (rank: number): string => {
    const ratio = sorted[Math.min(pairs - 1, Math.max(0, Math.round(rank)))] as number
    return `${((ratio - 1) * 100).toFixed(1)} %`
  }
  const middle = (pairs - 1) / 2
  const ns = summarize(withoutNs).median.toFixed(0)
  console.log(`${what}: ${at(middle)} (${at(middle - reach)} to ${at(middle + reach)}) of ${ns} ns a message`)
}

/** Metrics registered, and scraped once in the trial: hundreds of times as often as Prometheus does by default. */
function metrics(): () => void {
  const registry = new Registry()
  const stop = registerPrometheus(registry)
  void registry.metrics()
  return stop
}

const sends = tracingChannel('sentinel-ipc:send')
const receives = tracingChannel('sentinel-ipc:receive')

/** A subscriber to all events of both channels that does nothing. */
function subscribed(): () => void {
  const ignore = (): void => undefined
  const all = { start: ignore, end: ignore, asyncStart: ignore, asyncEnd: ignore, error: ignore }
  sends.subscribe(all)
  receives.subscribe(all)
  return () => {
    sends.unsubscribe(all)
    receives.unsubscribe(all)
  }
}

/** Prints what asking for subscribers takes, which is all that happens for a batch while there are none. */
function timeTheQuestion(): void {
  const times = 20_000_000
  let subscribers = 0
  const before = process.cpuUsage()
  for (let i = 0; i < times; ++i) if (sends.hasSubscribers || receives.hasSubscribers) ++subscribers
  const { user, system } = process.cpuUsage(before)
  if (subscribers > 0) throw new Error('something subscribes to the tracing channels')
  const ns = ((user + system) * 1000) / times
  console.log(
    `tracing channels, nothing subscribed: ${ns.toFixed(1)} ns a batch of up to hundreds of messages`,
  )
}

const directory = mkdtempSync(join(tmpdir(), 'sipc-observing-'))
try {
  const listener = await listen('observing', { directory })
  const [client, server] = await Promise.all([dial('observing', { directory }), listener.accept()])
  const traffic = new Traffic(new BufferedSender(client, 'sender'), new Receiver(server, 'receiver'))
  for (let i = 0; i < 20; ++i) await traffic.measure() // warms up
  timeTheQuestion()
  await compare(traffic, 'nothing, as a control', () => () => undefined)
  await compare(traffic, `metrics, scraped every ${messages.toLocaleString('en')} messages`, metrics)
  await compare(traffic, 'tracing channels, with a subscriber', subscribed)
  client.destroy()
  server.destroy()
  listener.close()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
