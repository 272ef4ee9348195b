// sentinel-ipc bridge: runs one direction of a bridge, or checks the server for it. A plain function, so that it can be
// tested without a process.

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'

import { credsAuthenticator, nkeyAuthenticator, type NodeConnectionOptions } from '@nats-io/transport-node'

import { onAbort } from '../base/abort.js'
import { describeError } from '../base/errors.js'
import { clearInterval, setInterval } from '../base/globals.js'
import { nearestOf } from '../base/options.js'
import { printable, quoteText } from '../base/quote.js'
import { Spool } from '../spool/spool.js'
import type { Bridge, BridgeEvent } from './bridge.js'
import { InBridge } from './in-bridge.js'
import { checkNats, type NatsCheckOptions } from './nats-check.js'
import type { NatsOptions } from './nats-options.js'
import { NatsSink } from './nats-sink.js'
import { NatsSource } from './nats-source.js'
import { OutBridge } from './out-bridge.js'

/** Where a command writes to, such as `process.stdout`. */
export interface TextOutput {
  /** Writes text as it is. */
  write(text: string): unknown
}

/** The outputs and the signal of a command. */
export interface CommandContext {
  /** Receives results. */
  readonly stdout: TextOutput
  /** Receives events and errors. */
  readonly stderr: TextOutput
  /** Ends the command cleanly when it fires. */
  readonly signal: AbortSignal
}

export const BRIDGE_HELP = `Usage: sentinel-ipc bridge --from NAME --to nats://HOST:PORT [--spool DIR] [options]
       sentinel-ipc bridge --from nats://HOST:PORT --to NAME [options]

Carries messages of local senders to NATS JetStream, or from there to a local listener: each once, those of a sender in order.

  --from, --to         one is a local name, the other an address of NATS: nats://, tls://, several separated by commas
  --check              say what is wrong with server, streams and limits, change nothing, and end: 0, or 1 for an error
  --spool DIR          out: keep messages here while NATS is away (one bridge a directory)
  --spool-bytes N      out: most bytes there; when it is full, local senders wait. Default 268435456
  --gather-ms N        out: let messages wait this long for others to share a batch with. Default 0
  --fsync              out: messages in the spool survive a loss of power
  --host NAME          out: name of this host in subjects. Default: the host name. In: take the messages of this host only
  --consumer NAME      in: the durable consumer. Default: the local name
  --directory DIR      where the local socket is. Default: as the library
  --prefix PREFIX      first token of the subjects. Default: sentinel
  --stream NAME        the stream. Default: the prefix in upper case
  --creds FILE         credentials file of NATS
  --nkey FILE          file with the seed of an nkey
  --tls-ca FILE        certificates to trust; --tls-cert FILE and --tls-key FILE: this side's own
  --stats SECONDS      write counts to standard output, one JSON line each
  --help               this text

SIGINT and SIGTERM end it once pending messages are delivered, after 5 seconds at most.
`

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  check: { type: 'boolean' },
  spool: { type: 'string' },
  'spool-bytes': { type: 'string' },
  fsync: { type: 'boolean' },
  'gather-ms': { type: 'string' },
  host: { type: 'string' },
  consumer: { type: 'string' },
  directory: { type: 'string' },
  prefix: { type: 'string' },
  stream: { type: 'string' },
  creds: { type: 'string' },
  nkey: { type: 'string' },
  'tls-ca': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  stats: { type: 'string' },
  help: { type: 'boolean' },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** The arguments are invalid. */
class UsageError extends Error {}

const USAGE = 2
const FAILED = 1

/**
 * Runs `sentinel-ipc bridge`. Resolves with the exit code: 0, 1 for a failure, 2 for wrong arguments.
 *
 * @param argv the arguments after `bridge`
 */
export async function bridgeCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const { stdout, stderr } = context
  try {
    const values = valuesOf(argv)
    if (values.help === true) {
      stdout.write(BRIDGE_HELP)
      return 0
    }
    return await run(values, context)
  } catch (error) {
    line(stderr, `sentinel-ipc bridge: ${describeError(error)}`)
    if (!(error instanceof UsageError || error instanceof TypeError || error instanceof RangeError))
      return FAILED
    line(stderr, 'Try sentinel-ipc bridge --help')
    return USAGE
  }
}

/** Writes one line. Texts of servers, peers and files in it are escaped, so that they cannot steer a terminal. */
function line(output: TextOutput, text: string): void {
  output.write(`${printable(text)}\n`)
}

function valuesOf(argv: readonly string[]): Values {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values
  } catch (error) {
    const unknown = /option '--([^' ]+)/.exec(describeError(error))?.[1]
    const nearest = unknown === undefined ? undefined : nearestOf(unknown, Object.keys(OPTIONS))
    const hint = nearest === undefined || nearest === unknown ? '' : `; did you mean --${nearest}?`
    throw new UsageError(`${describeError(error).split('. ')[0] ?? ''}${hint}`)
  }
}

async function run(values: Values, context: CommandContext): Promise<number> {
  const { from, to } = values
  if (from === undefined || to === undefined) throw new UsageError('--from and --to are required')
  if (isAddress(from) === isAddress(to)) {
    throw new UsageError(
      'one of --from and --to must be a local name, and the other an address such as nats://localhost:4222',
    )
  }
  const outwards = isAddress(to)
  for (const key of ['spool', 'spool-bytes', 'fsync', 'gather-ms'] as const) {
    if (!outwards && values[key] !== undefined)
      throw new UsageError(`--${key} is for the way out: on the way in, JetStream keeps the messages`)
  }
  if (outwards && values.consumer !== undefined) throw new UsageError('--consumer is for the way in')
  const nats = natsOptionsOf(values, (outwards ? to : from).split(','))
  const consumer = values.consumer ?? (outwards ? undefined : to.replace(/[^A-Za-z0-9_-]/g, '_'))
  if (values.check === true) {
    const { host = outwards ? hostname() : undefined } = values
    const side = { ...(consumer !== undefined && { consumer }), ...(host !== undefined && { host }) }
    return check({ ...nats, ...side }, context)
  }
  const bridge = outwards
    ? await openOut(values, nats, from, context)
    : await InBridge.open({
        to,
        ...(values.directory !== undefined && { dial: { directory: values.directory } }),
        source: new NatsSource({
          ...nats,
          consumer: consumer ?? to,
          ...(values.host !== undefined && { host: values.host }),
        }),
        onEvent: eventsTo(context),
      })
  return follow(bridge, values, context)
}

function isAddress(text: string): boolean {
  return /^(nats|tls|ws|wss):\/\//.test(text)
}

function natsOptionsOf(values: Values, servers: string[]): NatsOptions {
  const { creds, nkey, prefix, stream } = values
  if (creds !== undefined && nkey !== undefined) throw new UsageError('give either --creds or --nkey')
  const tls = {
    ...(values['tls-ca'] !== undefined && { caFile: values['tls-ca'] }),
    ...(values['tls-cert'] !== undefined && { certFile: values['tls-cert'] }),
    ...(values['tls-key'] !== undefined && { keyFile: values['tls-key'] }),
  }
  const secure = Object.keys(tls).length > 0 || servers.some((server) => server.startsWith('tls://'))
  const connection: NodeConnectionOptions = {
    name: 'sentinel-ipc bridge',
    ...(creds !== undefined && { authenticator: credsAuthenticator(readFileSync(creds)) }),
    ...(nkey !== undefined && {
      authenticator: nkeyAuthenticator(Buffer.from(readFileSync(nkey, 'utf8').trim())),
    }),
    ...(secure && { tls }),
  }
  return {
    servers: servers.map((server) => server.trim()),
    connection,
    ...(prefix !== undefined && { prefix }),
    ...(stream !== undefined && { stream }),
  }
}

async function check(options: NatsCheckOptions, { stdout }: CommandContext): Promise<number> {
  const findings = await checkNats(options)
  for (const { level, text } of findings) line(stdout, `${level.padEnd(7)} ${text}`)
  return findings.some(({ level }) => level === 'error') ? FAILED : 0
}

async function openOut(
  values: Values,
  nats: NatsOptions,
  from: string,
  context: CommandContext,
): Promise<OutBridge> {
  const { spool: directory, 'spool-bytes': bytes, fsync, host = hostname() } = values
  if (directory === undefined && (bytes !== undefined || fsync !== undefined)) {
    throw new UsageError('--spool-bytes and --fsync need --spool')
  }
  const spool =
    directory === undefined
      ? undefined
      : await Spool.open({
          directory,
          ...(bytes !== undefined && { maxBytes: numberOf('--spool-bytes', bytes) }),
          ...(fsync === true && { durability: 'fsync' }),
        })
  return OutBridge.open({
    from,
    ...(values.directory !== undefined && { listen: { directory: values.directory } }),
    sink: new NatsSink(nats),
    host,
    onEvent: eventsTo(context),
    ...(values['gather-ms'] !== undefined && { gatherMs: numberOf('--gather-ms', values['gather-ms']) }),
    ...(spool !== undefined && { spool }),
  })
}

/** Waits for the end, and writes counts until then. */
async function follow(
  bridge: Bridge,
  { stats }: Values,
  { stdout, signal }: CommandContext,
): Promise<number> {
  const timer =
    stats === undefined
      ? undefined
      : setInterval(
          () => {
            line(stdout, JSON.stringify({ state: bridge.state, ...bridge.stats }))
          },
          numberOf('--stats', stats) * 1000,
        )
  const stop = (): void => void bridge.close()
  if (signal.aborted) stop()
  else onAbort(signal, stop)
  try {
    await bridge.ended
    return 0
  } finally {
    clearInterval(timer)
  }
}

function eventsTo({ stderr }: CommandContext): (event: BridgeEvent) => void {
  return (event) => {
    if (event.type === 'dead-letter') {
      const { host, messageType, reason } = event
      const of = host === '' ? '' : ` of ${quoteText(host, 80)}`
      line(stderr, `dead letter: ${quoteText(messageType, 80)}${of}: ${quoteText(reason, 128)}`)
    } else {
      const why = event.error === undefined ? '' : `: ${event.error.message}`
      line(stderr, `${event.state}${why}`)
    }
  }
}

function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number) && number > 0) return number
  throw new UsageError(`${option} must be a positive number, not ${quoteText(text, 40)}`)
}
