// Parses the command line and explains its mistakes.

import { parseArgs } from 'node:util'

import { STDIN } from './sources/files.js'

export const HELP = `Usage: npm run demo -- [options] [file ...]

Three processes as in a security operations centre, joined by sentinel-ipc:

  soc-ingest -> soc-correlate -> soc-respond

Files hold events as JSON, one object a line, or syslog lines, or both; names that end in .gz are gunzipped, and - is
standard input. Without files this machine's own activity is watched: processes and listening sockets that were not
there before (Linux only; what lives shorter than a tenth of a second may be missed).

Options:
  --seconds N  stop after N seconds (default: at the end of the input; 15 without files)
  --rate N     read at most N events a second
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
  return {
    files: positionals,
    seconds: toNumber('--seconds', values.seconds, MAX_SECONDS) ?? (live ? LIVE_SECONDS : undefined),
    rate: toNumber('--rate', values.rate, 1e9),
    view: values['no-view'] !== true && values.quiet !== true,
    quiet: values.quiet === true,
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
