// `sentinel-ipc audit NAME`: follows the audit events of a process that exposes its counts.

import { hasCode } from '../../base/errors.js'
import { printable, quoteText } from '../../base/quote.js'
import type { AuditRecord } from '../../stats/audit-feed.js'
import { ADDRESS_OPTIONS, POLICY_OPTIONS, policyOf, TIMEOUT_OPTION, timeoutOf } from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { CommandError, ExitCode } from '../kit/exit-code.js'
import { loadLibrary } from '../kit/load.js'
import { nearestName, STATS_SUFFIX } from '../kit/names.js'
import type { Output, Style } from '../kit/output.js'
import { clockTime, parseCount } from '../kit/units.js'
import { unlessFired } from '../kit/waiting.js'

export const auditCommand: Command = {
  name: 'audit',
  summary: 'follow who is accepted, refused and gone',
  description:
    'Follows the audit events of a process that calls exposeStats(NAME): accepted and refused clients, with the rule that\n' +
    'decided, ended connections and why, invalid lines, dropped messages, lost addresses, errors of callbacks.\n' +
    'On a terminal a line each for people, otherwise NDJSON. SIGINT ends it.',
  positionals: [{ name: 'NAME', help: 'name that the process gave to exposeStats', kind: 'name' }],
  options: {
    ...ADDRESS_OPTIONS,
    event: {
      value: 'EVENT',
      multiple: true,
      help: 'print only these events: accept, reject, close, invalid …',
    },
    count: { value: 'N', short: 'n', help: 'end after N events' },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc audit collector', 'follows all events'],
    ['sentinel-ipc audit collector --event reject >> refused.ndjson', 'keeps refusals in a file'],
  ],
  run,
}

async function run(args: Arguments, { out, err, env, signal }: Context): Promise<ExitCode> {
  const name = args.at(0)
  const wanted = new Set(args.list('event'))
  const given = args.text('count')
  const most = given === undefined ? Infinity : parseCount(given, 'count')
  const library = await loadLibrary()
  const policy = policyOf(args)
  const directory = args.text('directory')
  const timeoutMs = timeoutOf(args)
  const opened = library.openStats(name, {
    ...(policy !== undefined && { policy }),
    ...(directory !== undefined && { directory }),
    timeoutMs,
    signal,
  })
  const reader = await opened.catch((error: unknown) => {
    if (!hasCode(error, 'ERR_IPC_NOT_LISTENING')) throw error
    const near = nearestName(name, directory, env, STATS_SUFFIX)
    const advice = near === undefined ? `call exposeStats('${name}') in it` : `did you mean ${near}?`
    throw new CommandError(
      ExitCode.notListening,
      `no process exposes its events as ${name}: ${advice}`,
      error,
    )
  })
  try {
    const events = await reader.follow({ timeoutMs, signal })
    if (out.isTerminal) {
      await err.line(err.style(`following ${name} (pid ${reader.peer.pid}); Ctrl-C ends it`, 'dim'))
    }
    for (let printed = 0; printed < most;) {
      const next = await unlessFired(signal, 'audit', events.next())
      if (next.done === true)
        throw new CommandError(ExitCode.failed, `the process ${name} has ended the connection`)
      const { value } = next
      if (wanted.size > 0 && !wanted.has(value.event)) continue
      ++printed
      if (out.isTerminal && !args.flag('json')) await out.line(pretty(value, out))
      else await out.json(JSON.stringify(value))
    }
    return ExitCode.ok
  } catch (error) {
    // SIGINT is the regular end of this command.
    if (signal.aborted && hasCode(error, 'ERR_IPC_ABORTED')) return ExitCode.ok
    throw error
  } finally {
    reader.close()
  }
}

const STYLES: Readonly<Record<string, Style>> = {
  accept: 'green',
  reject: 'red',
  invalid: 'yellow',
  drop: 'yellow',
  'address-lost': 'red',
  'user-error': 'yellow',
}
/** Keys that `pretty` writes itself. */
const OWN_KEYS = new Set(['event', 'timeMs', 'address', 'peer', 'error', 'missed'])

/** `12:00:00 reject  /run/soc/a.sock  not-listed  uid 1000 pid 12  …`. Texts of peers are escaped. */
function pretty(record: AuditRecord, out: Output): string {
  const { event, timeMs, address, error, missed } = record
  const peer = (record['peer'] ?? {}) as Readonly<Record<string, unknown>>
  const facts = {
    ...peer,
    ...Object.fromEntries(Object.entries(record).filter(([key]) => !OWN_KEYS.has(key))),
  }
  const parts = Object.entries(facts)
    .filter(([, value]) => value !== '' && value !== null && value !== 0 && !isEmptyList(value))
    .map(([key, value]) => `${printable(key)} ${shown(value)}`)
  if (error !== undefined) {
    // A peer may send null.
    const { message = error } = (error ?? {}) as { message?: unknown }
    parts.push(`error ${shown(message)}`)
  }
  if (missed !== undefined) parts.push(`(${shown(missed)} events before were left out)`)
  const time = clockTime(timeMs)
  const style = Object.hasOwn(STYLES, event) ? STYLES[event] : undefined
  const name = style === undefined ? shown(event) : out.style(event, style)
  return [out.style(time, 'dim'), name, ...(address === undefined ? [] : [shown(address)]), ...parts].join(
    '  ',
  )
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** Returns plain words unchanged, everything else quoted and escaped. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w./:@,-]+$/.test(text) ? text : quoteText(text, 300)
}
