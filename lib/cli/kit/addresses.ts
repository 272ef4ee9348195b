// The options of all commands that listen or dial: the address, and the policy for the peer.

import type { AddressOptions } from '../../connection/address.js'
import type { ListenOptions } from '../../connection/listen-options.js'
import type { PeerPolicy } from '../../peer/policy.js'
import type { Arguments, OptionSpec } from './command.js'
import { usageError } from './exit-code.js'
import { parseDuration } from './units.js'

/** Options for the address. */
export const ADDRESS_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  directory: {
    value: 'DIR',
    short: 'd',
    help: 'directory of the socket; default: $SENTINEL_IPC_DIRECTORY, or /tmp/sentinel-NAME.sock',
  },
}

/** Options for the policy. */
export const POLICY_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'allow-user': { value: 'USER', multiple: true, help: 'user that may be at the other end, by name or id' },
  'allow-group': { value: 'GROUP', multiple: true, help: 'group whose members may be there, by name or id' },
  'allow-executable': { value: 'PATH', multiple: true, help: 'narrow that to a program' },
  'allow-unit': { value: 'UNIT', multiple: true, help: 'narrow that to a unit of systemd' },
  'allow-label': { value: 'LABEL', multiple: true, help: 'narrow that to a label of the security module' },
  'foreign-namespaces': { help: 'let in peers of other pid namespaces (containers) by user and group only' },
}

/** Options for the permissions of a socket that the command makes. */
export const SOCKET_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  mode: {
    value: 'MODE',
    help: 'permissions of the socket: 600 (default), 660 or 666',
    choices: ['600', '660', '666'],
  },
  group: { value: 'GROUP', help: 'group of the socket, for mode 660' },
}

export const TIMEOUT_OPTION: Readonly<Record<string, OptionSpec>> = {
  timeout: {
    value: 'TIME',
    short: 't',
    help: 'how long to wait for the peer, such as 500ms or 5s; default: 5s',
  },
}

/** The name and the options of an address, for `listen` and `dial` of the library. */
export interface Address {
  readonly name: string
  readonly options: AddressOptions
}

/** Returns the address of an argument: a name, or the path of a socket, which contains a slash. */
export function addressOf(argument: string, args: Arguments): Address {
  const directory = args.text('directory')
  if (!argument.includes('/') && !argument.startsWith('\\\\.\\pipe\\')) {
    return { name: argument, options: directory === undefined ? {} : { directory } }
  }
  if (directory !== undefined)
    throw usageError(`--directory does not go with a path ('${argument}'); give a name`)
  const file = argument.split(/[/\\]/).at(-1) ?? ''
  const name = file
    .replace(/\.sock$/, '')
    .replaceAll(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^[^A-Za-z0-9]+/, '')
  return { name: name === '' ? 'socket' : name.slice(0, 200), options: { path: argument } }
}

function idOrName(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text
}

/** Returns the policy of the options; undefined for the default, the user of this process. */
export function policyOf(args: Arguments): PeerPolicy | undefined {
  const list = (option: string): readonly string[] | undefined => {
    const values = args.list(option)
    return values.length === 0 ? undefined : values
  }
  const users = list('allow-user')?.map(idOrName)
  const groups = list('allow-group')?.map(idOrName)
  const executables = list('allow-executable')
  const units = list('allow-unit')
  const labels = list('allow-label')
  const foreign = args.flag('foreign-namespaces')
  const policy: PeerPolicy = {
    ...(users !== undefined && { users }),
    ...(groups !== undefined && { groups }),
    ...(executables !== undefined && { executables }),
    ...(units !== undefined && { units }),
    ...(labels !== undefined && { labels }),
    ...(foreign && { foreignNamespaces: 'by-uid' as const }),
  }
  return Object.keys(policy).length === 0 ? undefined : policy
}

/** Returns address, policy and time-out as options of `dial`. */
export function dialOptions(
  address: Address,
  args: Arguments,
): AddressOptions & { policy?: PeerPolicy; timeoutMs: number } {
  const policy = policyOf(args)
  return { ...address.options, ...(policy !== undefined && { policy }), timeoutMs: timeoutOf(args) }
}

const MODES = { '600': 0o600, '660': 0o660, '666': 0o666 } as const

/** Returns address, policy and permissions as options of `listen`. */
export function listenOptions(address: Address, args: Arguments): ListenOptions {
  const policy = policyOf(args)
  const given = args.text('mode')
  const mode = given === undefined ? undefined : MODES[given.replace(/^0o?/, '') as keyof typeof MODES]
  if (given !== undefined && mode === undefined)
    throw usageError(`--mode takes 600, 660 or 666, not '${given}'`)
  const group = args.text('group')
  return {
    ...address.options,
    ...(policy !== undefined && { policy }),
    ...(mode !== undefined && { mode }),
    ...(group !== undefined && { group: idOrName(group) }),
  }
}

/** Returns the time-out of `--timeout` in milliseconds. Default: `fallbackMs`. */
export function timeoutOf(args: Arguments, fallbackMs = 5000): number {
  const text = args.text('timeout')
  return text === undefined ? fallbackMs : parseDuration(text, 'timeout')
}
