// `sentinel-ipc ping NAME`: measures how long connecting, or a request, takes.

import { isIpcError, toError } from '../../base/errors.js'
import { monotonicMs } from '../../base/globals.js'
import { printable } from '../../base/quote.js'
import { pause } from '../../base/timing.js'
import {
  addressOf,
  ADDRESS_OPTIONS,
  dialOptions,
  POLICY_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { errorLine, ExitCode } from '../kit/exit-code.js'
import { loadLibrary, type Library } from '../kit/load.js'
import { histogram, summarize, summaryParts } from '../kit/percentiles.js'
import { Progress, timeLeft } from '../kit/progress.js'
import { widthOf } from '../kit/text.js'
import { formatDuration, groupDigits, parseCount, parseDuration } from '../kit/units.js'

export const pingCommand: Command = {
  name: 'ping',
  summary: 'measure how long connecting or a request takes',
  description:
    'Connects to the listener NAME again and again, checks who listens there, and measures how long that takes; no message\n' +
    'is sent. With --request it sends requests of that type over one connection instead and measures until the reply, which\n' +
    'may be an error: any Endpoint replies.',
  positionals: [{ name: 'NAME', help: 'name of the listener, or path of its socket', kind: 'name' }],
  options: {
    ...ADDRESS_OPTIONS,
    count: { value: 'N', short: 'n', help: 'how often; default: 10' },
    interval: { value: 'TIME', short: 'i', help: 'time between two; default: 100ms' },
    request: { value: 'TYPE', help: 'send requests of this type, and wait for their replies' },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc ping events', 'measures ten connections'],
    ['sentinel-ipc ping correlator --request status -n 1000 -i 1ms', 'measures a thousand requests'],
  ],
  run,
}

/** Maximum number of replies and errors that are printed one by one. */
const MOST_LINES = 20

/** Makes one round trip. Rejects if it does not complete in time. */
type Probe = () => Promise<void>

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { out, err, signal } = context
  const address = addressOf(args.at(0), args)
  const count = parseCount(args.text('count') ?? '10', 'count')
  const intervalMs = parseDuration(args.text('interval') ?? '100ms', 'interval')
  const library = await loadLibrary()
  const what = args.text('request') === undefined ? 'connected' : 'replied'
  const { probe, end, peer } = await openProbe(args, library, context)
  const json = args.flag('json')
  const durations: number[] = []
  let failed = 0
  let lastError: unknown
  if (!json) await out.line(`ping ${library.resolveAddress(address.name, address.options)}: ${peer}`)
  const each = !json && count <= MOST_LINES
  const progress = each
    ? undefined
    : new Progress(err, (elapsedMs) => progressText(what, durations, failed, count, elapsedMs))
  for (let i = 0; i < count && !signal.aborted; ++i) {
    if (i > 0) await pause(intervalMs, signal, 'ping').catch(() => undefined)
    if (signal.aborted) break
    const startMs = monotonicMs()
    try {
      await probe()
      durations.push(monotonicMs() - startMs)
      if (each) await out.line(`${what} in ${formatDuration(durations.at(-1) ?? 0)}`)
    } catch (error) {
      if (signal.aborted) break
      ++failed
      lastError = error
      progress?.clear()
      if (!json && failed <= MOST_LINES) await out.line(errorLine(error))
    }
  }
  progress?.stop()
  end()
  await report(context, json, what, durations, failed, lastError)
  if (signal.aborted) return ExitCode.interrupted
  if (durations.length === 0 && lastError !== undefined) throw toError(lastError)
  return failed > 0 ? ExitCode.failed : ExitCode.ok
}

/** Returns a line such as `connected 120 of 300, median 450 µs, 18 s left`. */
function progressText(
  what: string,
  durations: readonly number[],
  failed: number,
  count: number,
  elapsedMs: number,
): string {
  const done = durations.length + failed
  const parts = [`${what} ${groupDigits(durations.length)} of ${groupDigits(count)}`]
  if (failed > 0) parts.push(`${groupDigits(failed)} failed`)
  if (durations.length > 0) parts.push(`median ${formatDuration(summarize(durations.slice(-1000)).p50)}`)
  if (done > 0) parts.push(timeLeft((elapsedMs / done) * (count - done)))
  return parts.join(', ')
}

async function openProbe(
  args: Arguments,
  library: Library,
  { signal }: Context,
): Promise<{ probe: Probe; end: () => void; peer: string }> {
  const address = addressOf(args.at(0), args)
  const options = { ...dialOptions(address, args), signal }
  const type = args.text('request')
  // The first one fails the command at once if nothing listens there.
  const connection = await library.dial(address.name, options)
  const { pid, uid, executable } = connection.peer
  const peer = `pid ${pid}, uid ${uid}${executable === undefined ? '' : `, ${printable(executable)}`}`
  if (type === undefined) {
    connection.destroy()
    const probe = async (): Promise<void> => {
      ;(await library.dial(address.name, options)).destroy()
    }
    return { probe, end: () => undefined, peer }
  }
  const endpoint = new library.Endpoint(connection, 'ping', { receiver: { onInvalid: 'skip' } })
  const probe = async (): Promise<void> => {
    try {
      await endpoint.request(type, undefined, { timeoutMs: timeoutOf(args), signal })
    } catch (error) {
      // An error of the peer is a reply as well.
      if (!isIpcError(error) || error.code !== 'ERR_IPC_REMOTE') throw error
    }
  }
  return {
    probe,
    end: () => {
      connection.destroy()
    },
    peer,
  }
}

async function report(
  { out }: Context,
  json: boolean,
  what: string,
  durations: readonly number[],
  failed: number,
  lastError: unknown,
): Promise<void> {
  const summary = durations.length === 0 ? undefined : summarize(durations)
  if (json) {
    const error = lastError === undefined ? undefined : errorLine(lastError)
    await out.json(JSON.stringify({ [what]: durations.length, failed, error, milliseconds: summary }))
    return
  }
  await out.line()
  await out.line(`${groupDigits(durations.length)} of ${groupDigits(durations.length + failed)} ${what}`)
  if (summary === undefined) return
  const parts = summaryParts(summary)
  const narrow = out.isTerminal && widthOf(parts.join(', ')) > out.columns
  for (const line of narrow ? [parts.slice(0, 3), parts.slice(3)] : [parts]) await out.line(line.join(', '))
  await out.line()
  for (const line of histogram(durations, Math.max(10, Math.min(50, out.columns - 24))))
    await out.line(`  ${line}`)
}
