// `sentinel-ipc listen NAME`: prints the messages that arrive, until it is interrupted.

import { AbortController } from '../../base/globals.js'
import type { Connection } from '../../connection/connection.js'
import type { SOCMessage } from '../../message/message.js'
import {
  addressOf,
  ADDRESS_OPTIONS,
  listenOptions,
  POLICY_OPTIONS,
  SOCKET_OPTIONS,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { errorLine, ExitCode } from '../kit/exit-code.js'
import { loadLibrary, type Library } from '../kit/load.js'
import { jsonMessage, MessageColumns } from '../kit/message-text.js'
import type { Output } from '../kit/output.js'
import { parsePointers } from '../kit/pointer.js'
import { parseCount, plural } from '../kit/units.js'
import { fired } from '../kit/waiting.js'

/** Milliseconds that connections may take to end after SIGINT. */
const DRAIN_MS = 1000

export const listenCommand: Command = {
  name: 'listen',
  summary: 'print the messages that arrive at an address',
  description:
    'Listens at NAME and prints each message: for people on a terminal, as one line of JSON each otherwise.\n' +
    'SIGINT ends it cleanly and prints the counts.',
  positionals: [{ name: 'NAME', help: 'name of the listener, or path of its socket', kind: 'name' }],
  options: {
    ...ADDRESS_OPTIONS,
    ack: { help: 'acknowledge messages once they are printed, for acknowledged senders' },
    type: { value: 'TYPE', multiple: true, help: 'print only messages of this type' },
    fields: {
      value: 'LIST',
      help: 'print only these parts of the payload: JSON Pointers, separated by commas',
    },
    count: { value: 'N', short: 'n', help: 'end after N messages' },
    peer: { help: 'print who sent each message' },
    full: { help: 'on a terminal: print long messages to their end, instead of one line each' },
    ...POLICY_OPTIONS,
    ...SOCKET_OPTIONS,
  },
  examples: [
    ['sentinel-ipc listen events', 'prints what arrives at /tmp/sentinel-events.sock'],
    [
      'sentinel-ipc listen events --type soc_incident --fields /host/name,/EventID',
      'picks messages and fields',
    ],
    ['sentinel-ipc listen events --ack >> events.ndjson', 'keeps messages of acknowledged senders in a file'],
  ],
  run,
}

/** Counts of what arrived and what was printed. */
interface Counts {
  connections: number
  printed: number
  filtered: number
  invalid: number
}

async function run(args: Arguments, context: Context): Promise<ExitCode> {
  const { out, err, signal } = context
  const address = addressOf(args.at(0), args)
  const given = args.text('count')
  const most = given === undefined ? Infinity : parseCount(given, 'count')
  const fields = fieldsOf(args)
  const print = printer(args, out)
  const library = await loadLibrary()
  const listener = await library.listen(address.name, listenOptions(address, args))
  const types = new Set(args.list('type'))
  const counts: Counts = { connections: 0, printed: 0, filtered: 0, invalid: 0 }
  const done = new AbortController()
  const server = library.serve(
    listener,
    async (connection) => {
      ++counts.connections
      await printAll(connection)
    },
    {
      onError: (error) => {
        if (!done.signal.aborted) void err.line(`sentinel-ipc: ${errorLine(error)}`)
      },
    },
  )
  if (err.isTerminal) void err.line(err.style(`listening at ${listener.address}; Ctrl-C ends it`, 'dim'))

  async function printAll(connection: Connection): Promise<void> {
    const receiver = openReceiver(connection, args.flag('ack'), fields, library)
    try {
      for await (const batch of receiver.batches()) {
        for (const message of batch) {
          if (done.signal.aborted) return
          if (types.size > 0 && !types.has(message.type)) {
            ++counts.filtered
          } else {
            await print(message)
            if (out.ended) return
            if (++counts.printed >= most) done.abort()
          }
          receiver.finished(message)
        }
      }
    } finally {
      counts.invalid += receiver.invalid()
    }
  }

  await fired(AbortSignal.any([signal, done.signal]))
  done.abort()
  await server.close({ timeoutMs: DRAIN_MS })
  await out.flush()
  if (err.isTerminal || args.flag('json')) await report(counts, args, context)
  return ExitCode.ok
}

async function report(counts: Counts, args: Arguments, { err, signal }: Context): Promise<void> {
  if (args.flag('json')) {
    await err.line(JSON.stringify(counts))
    return
  }
  const { connections, printed, filtered, invalid } = counts
  const parts = [`${plural(printed, 'message')} from ${plural(connections, 'connection')}`]
  if (filtered > 0) parts.push(`${plural(filtered, 'message')} of other types`)
  if (invalid > 0) parts.push(plural(invalid, 'invalid line'))
  await err.lastLine(err.style(parts.join(', '), 'dim'), signal.aborted)
}

/** Reads a connection, with or without acknowledgement. Invalid lines are counted. */
interface Reader {
  batches(): AsyncIterable<SOCMessage[]>
  finished(message: SOCMessage): void
  invalid(): number
}

function openReceiver(
  connection: Connection,
  acknowledge: boolean,
  fields: readonly string[] | undefined,
  library: Library,
): Reader {
  const reading = { onInvalid: 'skip', ...(fields !== undefined && { fields }) } as const
  if (!acknowledge) {
    const receiver = new library.Receiver(connection, 'listen', reading)
    return {
      batches: () => receiver.batches(),
      finished: () => undefined,
      invalid: () => receiver.stats.invalid,
    }
  }
  const receiver = new library.AcknowledgingReceiver(connection, 'listen', { ...reading, autoAck: false })
  return {
    batches: () => receiver.batches(),
    finished: (message) => {
      receiver.acknowledge(message)
    },
    invalid: () => receiver.stats.invalid,
  }
}

/** The parts of the payload to print; undefined for all of it. */
function fieldsOf(args: Arguments): readonly string[] | undefined {
  const pointers = args.text('fields')
  return pointers === undefined ? undefined : parsePointers(pointers)
}

/** Returns a function that prints a message, and waits while the output is slow. */
function printer(args: Arguments, out: Output): (message: SOCMessage) => Promise<void> | undefined {
  const parts = { fields: fieldsOf(args), peer: args.flag('peer') }
  if (!out.isTerminal || args.flag('json')) return (message) => out.json(jsonMessage(message, parts))
  const columns = new MessageColumns(out, parts, args.flag('full'))
  return (message) => out.line(columns.line(message))
}
