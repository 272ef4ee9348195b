// `sentinel-ipc request NAME TYPE`: sends a request to an endpoint and prints the reply.

import {
  addressOf,
  ADDRESS_OPTIONS,
  dialOptions,
  POLICY_OPTIONS,
  TIMEOUT_OPTION,
  timeoutOf,
} from '../kit/addresses.js'
import type { Arguments, Command, Context } from '../kit/command.js'
import { hasCode } from '../../base/errors.js'
import { printable, quoteText } from '../../base/quote.js'
import { CommandError, ExitCode } from '../kit/exit-code.js'
import { readAll } from '../kit/input.js'
import { loadLibrary } from '../kit/load.js'

export const requestCommand: Command = {
  name: 'request',
  summary: 'send a request and print the reply',
  description:
    'Sends a request of TYPE to the endpoint that listens at NAME, and prints the value of its reply as JSON.\n' +
    'An error that the peer replies with ends the command with code 1.',
  positionals: [
    { name: 'NAME', help: 'name of the listener, or path of its socket', kind: 'name' },
    { name: 'TYPE', help: 'type of the request' },
  ],
  options: {
    ...ADDRESS_OPTIONS,
    payload: { value: 'JSON', help: "payload of the request; '-' reads it from standard input" },
    ...TIMEOUT_OPTION,
    ...POLICY_OPTIONS,
  },
  examples: [
    ['sentinel-ipc request correlator status', 'prints the reply'],
    ['sentinel-ipc request correlator block --payload \'{"host":"10.0.0.7"}\'', 'asks with a payload'],
  ],
  run,
}

async function run(args: Arguments, { out, input, signal }: Context): Promise<ExitCode> {
  const address = addressOf(args.at(0), args)
  const type = args.at(1)
  const given = args.text('payload')
  const payload = given === '-' ? await readAll(input, signal) : given
  const library = await loadLibrary()
  const timeoutMs = timeoutOf(args)
  const connection = await library.dial(address.name, { ...dialOptions(address, args), signal })
  const endpoint = new library.Endpoint(connection, 'request', { timeoutMs, receiver: { onInvalid: 'skip' } })
  try {
    const content = payload === undefined ? undefined : library.rawJSON(payload)
    const reply = await endpoint.request(type, content, { timeoutMs, signal })
    const text = reply.rawPayload ?? 'null'
    if (out.isTerminal && !args.flag('json')) await out.line(indented(text, reply.payload))
    else await out.json(text)
    return ExitCode.ok
  } catch (error) {
    if (!hasCode(error, 'ERR_IPC_REMOTE') || error.remote === undefined) throw error
    const { code, message } = error.remote
    throw new CommandError(
      ExitCode.failed,
      `the peer replied to ${quoteText(type, 80)} with ${quoteText(code, 80)}: ${quoteText(message, 400)}`,
      error,
    )
  } finally {
    connection.destroy()
  }
}

/**
 * Returns JSON indented for people, or unchanged if that would alter it (numbers that JavaScript cannot represent,
 * duplicate keys).
 */
function indented(text: string, value: unknown): string {
  const lines = JSON.stringify(value) === text ? JSON.stringify(value, undefined, 2).split('\n') : [text]
  return lines.map(printable).join('\n')
}
