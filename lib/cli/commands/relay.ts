// `sentinel-ipc relay FROM TO`: listens at one address and sends everything on to another.

import { AbortController } from '../../base/globals.js'
import { toError } from '../../base/errors.js'
import type { Connection } from '../../connection/connection.js'
import type { SOCMessage } from '../../message/message.js'
import {
  addressOf,
  ADDRESS_OPTIONS,
  dialOptions,
  listenOptions,
  POLICY_OPTIONS,
  SOCKET_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { errorLine, ExitCode, usageError } from '../kit/exit-code.js'
import { loadLibrary, type Library } from '../kit/load.js'
import { openOutlet, type Outlet } from '../kit/outlet.js'
import { parseCount, plural } from '../kit/units.js'
import { fired } from '../kit/waiting.js'

export const relayCommand: Command = {
  name: 'relay',
  summary: 'pass messages on from one address to another',
  description:
    'Listens at FROM and sends each message on to the listener TO, unchanged and in order, until it is interrupted.\n' +
    'With --ack, a message is acknowledged to its sender once TO has acknowledged it; without, it is passed on at most once,\n' +
    'and the relay ends with an error when TO goes away.',
  positionals: [
    { name: 'FROM', help: 'name to listen at, or path of the socket', kind: 'name' },
    { name: 'TO', help: 'name of the listener to send to, or path of its socket', kind: 'name' },
  ],
  options: {
    ...ADDRESS_OPTIONS,
    ack: { help: 'acknowledge a message once the receiver at TO has finished it' },
    spool: { value: 'DIR', help: 'with --ack: acknowledge once a message is in this spool' },
    retries: { value: 'N', help: 'try N times to reach TO; default: 1' },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
    ...SOCKET_OPTIONS,
  },
  examples: [
    ['sentinel-ipc relay events archive', 'passes events on to archive'],
    ['sentinel-ipc relay events archive --ack --spool /var/spool/relay', 'also while archive is away'],
  ],
  run,
}

interface Counts {
  connections: number
  relayed: number
  invalid: number
}

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { out, err, signal } = context
  if (args.text('spool') !== undefined && !args.flag('ack')) throw usageError('--spool needs --ack')
  const from = addressOf(args.at(0), args)
  const to = addressOf(args.at(1), args)
  const retries = args.text('retries')
  const library = await loadLibrary()
  const acknowledged = args.flag('ack')
  const outlet = await openOutlet(library, to, dialOptions(to, args), {
    acknowledged,
    spool: args.text('spool'),
    retries: retries === undefined ? 1 : parseCount(retries, 'retries'),
    // An acknowledged relay waits for its receiver without a limit.
    timeoutMs: acknowledged ? Infinity : timeoutOf(args),
    signal,
  })
  const counts: Counts = { connections: 0, relayed: 0, invalid: 0 }
  const ended = new AbortController()
  let failure: Error | undefined
  const listener = await library
    .listen(from.name, listenOptions(from, args))
    .catch(async (error: unknown) => {
      await outlet.close(1)
      throw error
    })
  const server = library.serve(
    listener,
    async (connection) => {
      ++counts.connections
      await relayAll(connection, library, outlet, acknowledged, counts).catch((error: unknown) => {
        failure ??= toError(error)
        ended.abort()
      })
    },
    {
      onError: (error) => {
        void err.line(`sentinel-ipc: ${errorLine(error)}`)
      },
    },
  )
  if (err.isTerminal)
    void err.line(err.style(`relaying ${listener.address} to ${args.at(1)}; Ctrl-C ends it`, 'dim'))
  await fired(AbortSignal.any([signal, ended.signal]))
  await server.close({ timeoutMs: 1000 })
  const result = await outlet.close(signal.aborted ? 1000 : timeoutOf(args))
  if (args.flag('json')) await out.json(JSON.stringify({ ...counts, acknowledged: result.acknowledged }))
  else if (err.isTerminal) {
    const text = `relayed ${plural(counts.relayed, 'message')} of ${plural(counts.connections, 'connection')}`
    const invalid = counts.invalid > 0 ? `, ${plural(counts.invalid, 'invalid line')} left out` : ''
    await err.lastLine(err.style(text + invalid, 'dim'), signal.aborted)
  }
  if (failure !== undefined) throw failure
  return ExitCode.ok
}

async function relayAll(
  connection: Connection,
  library: Library,
  outlet: Outlet,
  acknowledged: boolean,
  counts: Counts,
): Promise<void> {
  if (acknowledged) return relayAcknowledged(connection, library, outlet, counts)
  const receiver = new library.Receiver(connection, 'relay', { onInvalid: 'skip' })
  try {
    for await (const batch of receiver.batches()) {
      await outlet.send(batch)
      counts.relayed += batch.length
    }
  } finally {
    counts.invalid += receiver.stats.invalid
  }
}

/**
 * Settles each message with the outcome that it has at TO. A message that was given up is released, so that its sender
 * repeats it.
 */
async function relayAcknowledged(
  connection: Connection,
  library: Library,
  outlet: Outlet,
  counts: Counts,
): Promise<void> {
  const receiver = new library.AcknowledgingReceiver(connection, 'relay', {
    onInvalid: 'skip',
    autoAck: false,
  })
  let failure: Error | undefined
  const underWay = new Set<Promise<void>>()
  const pass = async (message: SOCMessage): Promise<void> => {
    try {
      const { status, reason } = await outlet.settle(message)
      if (status === 'rejected') message.reject(reason ?? 'rejected')
      else receiver.acknowledge(message)
      ++counts.relayed
    } catch (error) {
      failure ??= toError(error)
      message.release()
    }
  }
  try {
    for await (const batch of receiver.batches()) {
      for (const message of batch) {
        const passed = pass(message).finally(() => underWay.delete(passed))
        underWay.add(passed)
      }
      await outlet.ready()
      if (failure !== undefined) throw failure
    }
    await Promise.all(underWay)
  } finally {
    counts.invalid += receiver.stats.invalid
  }
}
