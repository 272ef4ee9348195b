// `sentinel-ipc bridge`: carries messages to or from NATS JetStream. lib/bridge does the work; this file has the
// options for help and completion.

import { isError } from '../../base/errors.js'
import type { Arguments, Command, Context, OptionSpec } from '../kit/command.js'
import { CommandError, ExitCode, usageError } from '../kit/exit-code.js'
import { loadBridge, type BridgeLibrary } from '../kit/load.js'

/** The optional packages that the bridge needs. */
const PACKAGES = ['@nats-io/transport-node', '@nats-io/jetstream'] as const

const OPTIONS: Readonly<Record<string, OptionSpec>> = {
  from: {
    value: 'WHERE',
    help: 'a local name, or an address of NATS: nats:// or tls://, several separated by commas',
  },
  to: { value: 'WHERE', help: 'the other one of the two' },
  check: { help: 'say what is wrong with server, streams and limits, change nothing, and end' },
  spool: { value: 'DIR', help: 'out: keep messages here while NATS is away' },
  'spool-bytes': { value: 'N', help: 'out: most bytes in the spool; default: 268435456' },
  'gather-ms': {
    value: 'N',
    help: 'out: let messages wait this long for others to share a batch with; default: 0',
  },
  fsync: { help: 'out: messages in the spool survive a loss of power' },
  host: {
    value: 'HOST',
    help: 'out: name of this host in subjects; in: take the messages of this host only',
  },
  consumer: { value: 'CONSUMER', help: 'in: the durable consumer; default: the local name' },
  directory: { value: 'DIR', help: 'where the local socket is' },
  prefix: { value: 'PREFIX', help: 'first token of the subjects; default: sentinel' },
  stream: { value: 'STREAM', help: 'the stream; default: the prefix in upper case' },
  creds: { value: 'FILE', help: 'credentials file of NATS' },
  nkey: { value: 'FILE', help: 'file with the seed of an nkey' },
  'tls-ca': { value: 'FILE', help: 'certificates to trust' },
  'tls-cert': { value: 'FILE', help: 'certificate of this side' },
  'tls-key': { value: 'FILE', help: 'key of this side' },
  stats: { value: 'SECONDS', help: 'write counts to standard output, one line of JSON each' },
}

export const bridgeCommand: Command = {
  name: 'bridge',
  summary: 'carry messages to NATS JetStream, or from there',
  description:
    'Carries messages of local senders to NATS JetStream, or from there to a local listener: each once, those of a sender in order.\n' +
    `It needs ${PACKAGES.join(' and ')}, which are optional packages. SIGINT ends it once pending messages are delivered.`,
  positionals: [],
  options: OPTIONS,
  examples: [
    [
      'sentinel-ipc bridge --from events --to nats://hub:4222 --spool DIR',
      'carries what arrives at events to the hub',
    ],
    ['sentinel-ipc bridge --from nats://hub:4222 --to archive', 'carries what is in the hub to a listener'],
    ['sentinel-ipc bridge --from events --to nats://hub:4222 --check', 'says what the bridge will find'],
  ],
  run,
}

async function run(args: Arguments, { out, err, signal }: Context): Promise<ExitCode> {
  if (args.flag('json')) {
    throw usageError('bridge has no --json: the counts of --stats are JSON, what else it prints is text')
  }
  const { bridgeCommand: bridge } = await load()
  switch (await bridge(argvOf(args), { stdout: out, stderr: err, signal })) {
    case 0:
      return ExitCode.ok
    case 2:
      return ExitCode.usage
    default:
      return ExitCode.failed
  }
}

async function load(): Promise<BridgeLibrary> {
  try {
    return await loadBridge()
  } catch (error) {
    if (!isMissingPackage(error)) throw error
    const text = `bridge needs two more packages; install them with npm install ${PACKAGES.join(' ')}`
    throw new CommandError(ExitCode.failed, text, error)
  }
}

/**
 * Whether a module, or one that it needs, could not be found because a package of {@link PACKAGES} is not installed.
 */
function isMissingPackage(error: unknown): boolean {
  if (!isError(error)) return false
  const { code } = error as NodeJS.ErrnoException
  const isMissing = code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
  return isMissing && PACKAGES.some((name) => error.message.includes(`'${name}'`))
}

function argvOf(args: Arguments): string[] {
  const argv: string[] = []
  for (const [name, { value }] of Object.entries(OPTIONS)) {
    const text = args.text(name)
    if (value === undefined && args.flag(name)) argv.push(`--${name}`)
    else if (text !== undefined) argv.push(`--${name}=${text}`)
  }
  return argv
}
