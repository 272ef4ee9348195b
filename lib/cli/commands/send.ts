// `sentinel-ipc send NAME`: sends NDJSON from standard input, or one message from the arguments.

import { parseJson } from '../../base/json.js'
import { monotonicMs } from '../../base/globals.js'
import { printable } from '../../base/quote.js'
import type { SOCMessage } from '../../message/message.js'
import { isJson } from '../../message/payload.js'
import {
  addressOf,
  ADDRESS_OPTIONS,
  dialOptions,
  POLICY_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { CommandError, errorLine, ExitCode, usageError } from '../kit/exit-code.js'
import { inputSize } from '../kit/input.js'
import { loadLibrary, type Library } from '../kit/load.js'
import { openOutlet, type Outlet, type OutletResult } from '../kit/outlet.js'
import { Progress, TransferText } from '../kit/progress.js'
import { formatBytes, formatCount, formatDuration, groupDigits, parseCount, plural } from '../kit/units.js'
import { unlessFired } from '../kit/waiting.js'

export const sendCommand: Command = {
  name: 'send',
  summary: 'send messages from standard input or from arguments',
  description:
    'Sends NDJSON from standard input to the listener NAME: a message a line, as listen prints it, with "type" and, where\n' +
    'there are any, "id", "ts" and "payload". With --type, each line is the payload of a message; with --type and\n' +
    '--payload, one message is sent and nothing is read.',
  positionals: [{ name: 'NAME', help: 'name of the listener, or path of its socket', kind: 'name' }],
  options: {
    ...ADDRESS_OPTIONS,
    type: { value: 'TYPE', help: 'type of the messages' },
    payload: { value: 'JSON', help: 'payload of the one message to send' },
    id: { value: 'ID', help: 'id of the one message to send' },
    ack: { help: 'wait until the receiving application has finished the messages' },
    spool: { value: 'DIR', help: 'with --ack: keep messages in this spool until they are acknowledged' },
    retries: { value: 'N', help: 'try N times to reach the listener; default: 1' },
    'skip-invalid': { help: 'leave out lines that are not messages, and count them' },
    quiet: { short: 'q', help: 'print no progress and no summary' },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc send events --type soc_event --payload \'{"EventID":4625}\'', 'sends one message'],
    ['sentinel-ipc send events < events.ndjson', 'sends a file'],
    ['journalctl -f -o json | sentinel-ipc send events --type soc_event', 'sends each line as a payload'],
    [
      'sentinel-ipc send events --ack --spool /var/spool/events < events.ndjson',
      'loses nothing if the receiver is away',
    ],
  ],
  run,
}

/** Maximum number of invalid lines that are reported one by one. */
const MOST_COMPLAINTS = 3

/** Counts of the input. */
interface Counts {
  messages: number
  bytes: number
  invalid: number
  waitsFor: 'input' | 'the listener to read'
}

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { signal } = context
  const single = args.text('payload') !== undefined || args.text('id') !== undefined
  if (single && args.text('type') === undefined) throw usageError('--payload and --id need --type')
  if (args.text('spool') !== undefined && !args.flag('ack')) throw usageError('--spool needs --ack')
  const payload = args.text('payload')
  if (payload !== undefined && !isJson(payload)) {
    throw usageError(
      `--payload takes JSON, not '${payload.slice(0, 80)}'; text needs quotes of its own: '"text"'`,
    )
  }
  const address = addressOf(args.at(0), args)
  const retries = args.text('retries')
  const library = await loadLibrary()
  const outlet = await openOutlet(library, address, dialOptions(address, args), {
    acknowledged: args.flag('ack'),
    spool: args.text('spool'),
    retries: retries === undefined ? 1 : parseCount(retries, 'retries'),
    timeoutMs: timeoutOf(args),
    signal,
  })
  const counts: Counts = { messages: 0, bytes: 0, invalid: 0, waitsFor: 'input' }
  const startMs = monotonicMs()
  const progress = args.flag('quiet') || single ? undefined : startProgress(context, counts)
  try {
    if (single) await sendOne(args, library, outlet, counts)
    else await sendInput(args, context, library, outlet, counts, progress)
  } catch (error) {
    progress?.stop()
    const result = await closeOutlet(outlet, timeoutOf(args), signal)
    await report(args, context, counts, result, monotonicMs() - startMs)
    if (signal.aborted) return ExitCode.interrupted
    throw error
  }
  const result = await closeOutlet(outlet, timeoutOf(args), signal)
  progress?.stop()
  await report(args, context, counts, result, monotonicMs() - startMs)
  if (signal.aborted) return ExitCode.interrupted
  if (result.error !== undefined) throw result.error
  return counts.invalid + result.rejected > 0 ? ExitCode.failed : ExitCode.ok
}

/** Milliseconds that messages under way may still take after a signal. */
const INTERRUPTED_MS = 200

async function closeOutlet(outlet: Outlet, timeoutMs: number, signal: AbortSignal): Promise<OutletResult> {
  if (signal.aborted) return outlet.close(INTERRUPTED_MS)
  try {
    return await unlessFired(signal, 'sending', outlet.close(timeoutMs))
  } catch {
    return outlet.result()
  }
}

/**
 * Starts a progress line. If a person types the messages, it prints a hint instead, because progress would overwrite
 * the typed text.
 */
function startProgress({ input, err }: Context, counts: Counts): Progress | undefined {
  if (input.isTTY) {
    const hint =
      'reading messages from the terminal, one line of JSON each; Ctrl-D at the start of a line ends'
    void err.line(err.style(hint, 'dim'))
    return undefined
  }
  const text = new TransferText(inputSize(input))
  return new Progress(err, (elapsedMs) => text.at(elapsedMs, counts))
}

async function sendOne(args: Arguments, library: Library, outlet: Outlet, counts: Counts): Promise<void> {
  const payload = args.text('payload')
  const id = args.text('id')
  const message = library.newSOCMessage(
    args.text('type') ?? '',
    payload === undefined ? undefined : library.rawJSON(payload),
    id === undefined ? undefined : { id },
  )
  await outlet.send([message])
  counts.messages = 1
}

async function sendInput(
  args: Arguments,
  { input, err, signal }: Context,
  library: Library,
  outlet: Outlet,
  counts: Counts,
  progress: Progress | undefined,
): Promise<void> {
  const type = args.text('type')
  const splitter = new library.LineSplitter()
  let lines = 0
  /** Returns the error that ends the command, or prints a complaint. */
  const invalid = (error: unknown): CommandError | undefined => {
    const text = `line ${lines} of the input: ${errorLine(error)}`
    if (!args.flag('skip-invalid')) return new CommandError(ExitCode.failed, text, error)
    if (++counts.invalid > MOST_COMPLAINTS) return undefined
    progress?.clear()
    const last = counts.invalid === MOST_COMPLAINTS ? '; more of them are counted and not shown' : ''
    void err.line(`sentinel-ipc: left out ${text}${last}`)
    return undefined
  }
  const sendAll = async (texts: readonly string[], bytes: number): Promise<void> => {
    const messages: SOCMessage[] = []
    let failure: CommandError | undefined
    for (const text of texts) {
      ++lines
      try {
        messages.push(type === undefined ? library.messageOf(text) : payloadOf(library, type, text))
      } catch (error) {
        failure = invalid(error)
        if (failure !== undefined) break
      }
    }
    counts.waitsFor = 'the listener to read'
    // Also the messages before a line that ends the command.
    if (messages.length > 0) await outlet.send(messages)
    counts.waitsFor = 'input'
    counts.messages += messages.length
    counts.bytes += bytes
    if (failure !== undefined) throw failure
  }
  const stop = (): void => {
    input.destroy()
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    for await (const chunk of input) await sendAll(splitter.push(chunk as Buffer), (chunk as Buffer).length)
    await sendAll(splitter.end(), 0)
  } catch (error) {
    // Destroying the input during a read ends the loop with an error of the stream.
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The payload is checked here, so that one invalid line does not end a batch. */
function payloadOf(library: Library, type: string, text: string): SOCMessage {
  parseJson(text)
  return library.payloadMessage(type, text)
}

async function report(
  args: Arguments,
  { out, err, signal }: Context,
  { messages, bytes, invalid }: Counts,
  result: OutletResult,
  elapsedMs: number,
): Promise<void> {
  if (args.flag('json')) {
    const { acknowledged, rejected, spooled, unconfirmed, written } = result
    const seconds = Math.round(elapsedMs) / 1000
    await out.json(
      JSON.stringify({
        messages,
        bytes,
        invalid,
        acknowledged,
        rejected,
        spooled,
        unconfirmed,
        written,
        seconds,
      }),
    )
    return
  }
  if (args.flag('quiet') || !err.isTerminal) return
  const size = bytes > 0 ? ` (${formatBytes(bytes)})` : ''
  const parts = [`sent ${plural(messages, 'message')}${size} in ${formatDuration(elapsedMs)}`]
  // In shorter runs, start-up dominates the rate.
  if (elapsedMs > 500 && messages > 1)
    parts.push(`${formatCount(Math.round((messages / elapsedMs) * 1000))}/s`)
  if (args.flag('ack')) {
    parts.push(`${groupDigits(result.acknowledged)} acknowledged`)
    if (result.rejected > 0)
      parts.push(`${groupDigits(result.rejected)} rejected (${printable(result.reason ?? 'no reason')})`)
    if (result.spooled > 0) parts.push(`${groupDigits(result.spooled)} wait in the spool`)
    if (result.unconfirmed > 0)
      parts.push(`${groupDigits(result.unconfirmed)} may be in the spool or not: it did not confirm them`)
    if (result.written > 0)
      parts.push(`${groupDigits(result.written)} written to a peer that does not acknowledge`)
  }
  if (invalid > 0) parts.push(`${plural(invalid, 'invalid line')} left out`)
  await err.lastLine(err.style(parts.join(', '), 'dim'), signal.aborted)
}
