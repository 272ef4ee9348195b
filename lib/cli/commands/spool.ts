// `sentinel-ipc spool DIR`: shows the content of a spool without claiming it, and resends its messages.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

import { hasCode } from '../../base/errors.js'
import { printable } from '../../base/quote.js'
import { pause } from '../../base/timing.js'
import type { SpoolInspection } from '../../spool/inspect.js'
import {
  addressOf,
  dialOptions,
  POLICY_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
  ADDRESS_OPTIONS,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { CommandError, ExitCode, usageError } from '../kit/exit-code.js'
import { loadLibrary, type Library } from '../kit/load.js'
import { openOutlet } from '../kit/outlet.js'
import { jsonMessage, WHOLE_MESSAGE } from '../kit/message-text.js'
import type { Output } from '../kit/output.js'
import { table } from '../kit/text.js'
import { clockTime, formatBytes, formatDuration, groupDigits, plural } from '../kit/units.js'
import { unlessFired } from '../kit/waiting.js'

/** Interval at which `--follow` checks the files for changes. */
const LOOK_EVERY_MS = 500

export const spoolCommand: Command = {
  name: 'spool',
  summary: 'show what a spool holds, export it, send it once more',
  description:
    'Reads the spool in DIR without claiming it, so that its owner can go on using it: messages, ages, segments, damage.\n' +
    '--requeue claims the spool, sends its messages to a listener that acknowledges, and removes the accepted ones:\n' +
    'made for spools of dead letters. A message that was accepted just before a crash may be sent again.',
  positionals: [{ name: 'DIR', help: 'directory of the spool', kind: 'directory' }],
  options: {
    follow: { short: 'f', help: 'go on, and print what changes; with --export, messages as they are added' },
    export: { help: 'print the messages as NDJSON, as listen does' },
    requeue: { value: 'NAME', help: 'send the messages to this listener, and remove the accepted ones' },
    ...ADDRESS_OPTIONS,
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc spool /var/spool/events', 'what waits, for how long, and whether anything is damaged'],
    [
      'sentinel-ipc spool /var/spool/events --export > waiting.ndjson',
      'copies the messages; they stay where they are',
    ],
    ['sentinel-ipc spool /var/spool/dead --requeue events', 'gives dead letters another chance'],
  ],
  run,
}

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const directory = resolve(args.at(0))
  const requeue = args.text('requeue')
  if (requeue !== undefined && (args.flag('export') || args.flag('follow'))) {
    throw usageError('--requeue does not go with --export or --follow')
  }
  if (!existsSync(directory)) {
    const text = `there is no spool in ${directory}: the directory does not exist; give the one that the sender was given`
    throw new CommandError(ExitCode.failed, text)
  }
  const library = await loadLibrary()
  if (requeue !== undefined) return sendAgain(directory, requeue, args, context, library)
  if (args.flag('export')) return exportMessages(directory, args, context, library)
  return show(directory, args, context, library)
}

async function show(
  directory: string,
  args: Arguments,
  { out, signal }: Context,
  library: Library,
): Promise<ExitCode> {
  const stamp = stampOf(directory)
  const inspection = await library.Spool.inspect(directory)
  if (args.flag('json')) await out.json(JSON.stringify(inspection))
  else await print(directory, inspection, out)
  if (args.flag('follow')) {
    let before = inspection
    for await (const now of changes(directory, stamp, signal, () => library.Spool.inspect(directory))) {
      if (args.flag('json')) await out.json(JSON.stringify(now))
      else await out.line(changeLine(before, now, out))
      before = now
    }
    return ExitCode.ok
  }
  return inspection.damage.length + inspection.lost > 0 ? ExitCode.failed : ExitCode.ok
}

async function print(directory: string, inspection: SpoolInspection, out: Output): Promise<void> {
  const { session, durability, messages, bytes, lost, settledThrough, next, segments, records, damage } =
    inspection
  const oldest = records[0]
  const rows: [string, string][] = [
    ['spool', printable(directory)],
    ['session', printable(session ?? 'none yet')],
    [
      'durability',
      `${durability ?? 'unknown'}${inspection.rebooted ? '; the machine was restarted since' : ''}`,
    ],
    ['waiting', `${plural(messages, 'message')}, ${formatBytes(bytes)}`],
    [
      'oldest',
      oldest === undefined
        ? '-'
        : `number ${groupDigits(oldest.first)}, waits for ${formatDuration(oldest.ageMs)}`,
    ],
    [
      'settled',
      `${settledThrough === 0 ? 'nothing yet' : `through number ${groupDigits(settledThrough)}`}; the next number is ${groupDigits(next)}`,
    ],
  ]
  for (const line of table(rows.map(([name, text]) => [out.style(name, 'bold'), text]))) await out.line(line)
  if (segments.length > 0) {
    await out.line()
    const head = ['segment', 'size', 'records', 'live', 'oldest'].map((text) => out.style(text, 'bold'))
    const lines = segments.map((segment) => {
      const first = records.find((record) => record.segment === segment.name)
      return [
        printable(segment.name),
        formatBytes(segment.bytes),
        groupDigits(segment.records),
        formatBytes(segment.liveBytes),
        first === undefined ? '-' : formatDuration(first.ageMs),
      ]
    })
    for (const line of table([head, ...lines], new Set([1, 2, 3, 4]))) await out.line(line)
  }
  await out.line()
  if (damage.length + lost === 0) await out.line(out.style('no damage', 'green'))
  for (const { what, segment, offset, bytes: size, count } of damage) {
    const held = count === undefined ? '' : `, which held ${plural(count, 'message')}`
    const text = `damaged ${what} in ${printable(segment)} from byte ${offset}, ${formatBytes(size)}${held}`
    await out.line(out.style(text, what === 'tail' ? 'yellow' : 'red'))
  }
  if (lost > 0) await out.line(out.style(`${plural(lost, 'message')} lost to damage`, 'red', 'bold'))
}

function changeLine(before: SpoolInspection, now: SpoolInspection, out: Output): string {
  const time = clockTime(Date.now())
  const added = now.next - before.next
  const oldest = now.records[0]
  return [
    out.style(time, 'dim'),
    plural(now.messages, 'message'),
    formatBytes(now.bytes),
    `${out.style(`+${groupDigits(added)}`, 'green')} ${out.style(`-${groupDigits(before.messages + added - now.messages)}`, 'cyan')}`,
    ...(oldest === undefined ? [] : [`oldest ${formatDuration(oldest.ageMs)}`]),
    ...(now.lost > 0 ? [out.style(`${plural(now.lost, 'message')} lost`, 'red')] : []),
  ].join('  ')
}

/**
 * Yields a new reading each time the files of a directory have changed, until the signal fires.
 *
 * @param seen the stamp of the files before the last reading, so that what changed during it counts as well
 */
async function* changes<State>(
  directory: string,
  seen: string,
  signal: AbortSignal,
  read: () => Promise<State>,
): AsyncGenerator<State> {
  while (!signal.aborted) {
    await pause(LOOK_EVERY_MS, signal, 'spool').catch(() => undefined)
    if (signal.aborted) return
    const stamp = stampOf(directory)
    if (stamp === seen) continue
    seen = stamp
    yield await read()
  }
}

/** Returns names and sizes of the files, which change with every write and are inexpensive to read. */
function stampOf(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.endsWith('.log'))
  return names
    .sort()
    .map((name) => `${name} ${statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0}`)
    .join('\n')
}

async function exportMessages(
  directory: string,
  args: Arguments,
  { out, signal }: Context,
  library: Library,
): Promise<ExitCode> {
  let next = 1
  const printNew = async (): Promise<void> => {
    for await (const { number, message } of library.readMessages(directory, next)) {
      if (signal.aborted) return
      await out.json(jsonMessage(message, WHOLE_MESSAGE))
      next = number + 1
    }
  }
  const stamp = stampOf(directory)
  await printNew()
  if (args.flag('follow')) {
    const printed = changes(directory, stamp, signal, printNew)
    while (!out.ended && (await printed.next()).done !== true);
  }
  return signal.aborted && !args.flag('follow') ? ExitCode.interrupted : ExitCode.ok
}

async function sendAgain(
  directory: string,
  name: string,
  args: Arguments,
  { out, err, signal }: Context,
  library: Library,
): Promise<ExitCode> {
  const spool = await library.Spool.open({ directory })
  const counts = { accepted: 0, rejected: 0, left: 0 }
  let reason: string | undefined
  try {
    const address = addressOf(name, args)
    const outlet = await openOutlet(library, address, dialOptions(address, args), {
      acknowledged: true,
      spool: undefined,
      retries: 1,
      timeoutMs: timeoutOf(args),
      signal,
    })
    try {
      for await (const { number, message } of spool.entries()) {
        const result = await unlessFired(signal, 'sending', outlet.settle(message))
        if (result.status === 'acknowledged') {
          spool.settle(number, number)
          ++counts.accepted
        } else {
          ++counts.rejected
          reason ??= result.reason
        }
      }
    } catch (error) {
      if (!hasCode(error, 'ERR_IPC_ABORTED')) throw (await outlet.close(1)).error ?? error
    } finally {
      await outlet.close(1)
    }
    counts.left = spool.messages
  } finally {
    await spool.close()
  }
  if (args.flag('json')) await out.json(JSON.stringify(counts))
  else {
    const again =
      counts.rejected === 0
        ? ''
        : `, ${groupDigits(counts.rejected)} rejected again (${printable(reason ?? 'no reason')})`
    await err.line(
      `${plural(counts.accepted, 'message')} accepted${again}, ${groupDigits(counts.left)} left in the spool`,
    )
  }
  if (signal.aborted) return ExitCode.interrupted
  return counts.rejected > 0 ? ExitCode.failed : ExitCode.ok
}
