// Parses the command line and explains its mistakes.

import { parseArgs } from 'node:util'

import type { StageName } from './protocol.js'
import { STDIN } from './sources/files.js'

export const HELP = `Usage: npm run demo -- [options] [file ...]

Three processes as in a security operations centre, joined by sentinel-ipc:

  soc-ingest -> soc-correlate -> soc-respond

Without files it replays a small sample of real attacks, watches this machine's own activity (processes and listening
sockets that were not there before; Linux only), and shows five scenes: a process of another user is refused (as root),
soc-correlate is killed in the middle and comes back, harmless actions are noticed, a burst runs at full rate, and round
trips are timed.

Files hold events as JSON, one object a line, or syslog lines, or both; names that end in .gz are gunzipped, and - is
standard input. They are read without the sample and the scenes.

Options:
  --seconds N  stop after N seconds (default: at the end of the input; 15 without files)
  --rate N     read at most N events a second of the files
  --no-scenes  without files: the sample and this machine only
  --sentinel STAGE
               run this one stage (ingest, correlate or respond) beside the original Go programs, in their directory
               ($TMPDIR/sentinel-soc) and with their payloads, until Ctrl-C or --seconds
  --no-view    no live view, only the incidents and the summary
  --quiet      only the summary
  --help       this text

Ctrl-C stops the reading; what was read by then is handled and adds up. A second one, after a second, kills.

Examples:
  npm run demo
  npm run demo -- events.ndjson.gz /var/log/auth.log
  journalctl -f | npm run demo -- --seconds 60 -

Exit code: 0 when everything adds up, 1 when it does not or something failed, 2 for a wrong command line.
`

/** How the demo is to run. */
export interface DemoArguments {
  readonly files: readonly string[]
  readonly seconds: number | undefined
  readonly rate: number | undefined
  readonly view: boolean
  readonly quiet: boolean
  readonly scenes: boolean
  /** The one stage to run beside the Go programs. */
  readonly sentinel: StageName | undefined
}

const LIVE_SECONDS = 15
/** setTimeout takes no more milliseconds than 2^31. */
const MAX_SECONDS = 2_000_000

/**
 * Parses the command line. Returns `help` if help was requested.
 *
 * @throws Error that explains the mistake
 */
export function parseArguments(args: readonly string[]): DemoArguments | 'help' {
  const { values, positionals } = parse(args)
  if (values.help === true) return 'help'
  if (positionals.filter((file) => file === STDIN).length > 1)
    throw new Error('standard input can be read only once')
  const live = positionals.length === 0
  const sentinel = toStage(values.sentinel)
  return {
    files: positionals,
    seconds:
      toNumber('--seconds', values.seconds, MAX_SECONDS) ??
      (live && sentinel === undefined ? LIVE_SECONDS : undefined),
    rate: toNumber('--rate', values.rate, 1e9),
    view: values['no-view'] !== true && values.quiet !== true,
    quiet: values.quiet === true,
    scenes: live && sentinel === undefined && values['no-scenes'] !== true,
    sentinel,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        seconds: { type: 'string' },
        rate: { type: 'string' },
        'no-view': { type: 'boolean' },
        quiet: { type: 'boolean' },
        'no-scenes': { type: 'boolean' },
        sentinel: { type: 'string' },
      },
    })
  } catch (error) {
    // After its first sentence, Node's message explains how to give a file of such a name.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split('. ')
    throw new Error(sentence, { cause: error })
  }
}

function toNumber(option: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value <= most) return value
  throw new Error(`${option} takes a number above 0 and up to ${most}, not ${JSON.stringify(text)}`)
}

function toStage(text: string | undefined): StageName | undefined {
  if (text === undefined) return undefined
  if (text === 'ingest' || text === 'correlate' || text === 'respond') return `soc-${text}`
  throw new Error(`--sentinel takes ingest, correlate or respond, not ${JSON.stringify(text)}`)
}
