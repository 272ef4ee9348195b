// The options of `listen`: their meaning, defaults and checks, and their native form.

import {
  anything,
  callback,
  checkOptions,
  flag,
  limit,
  milliseconds,
  millisecondsOrZero,
  signal,
  wholeNumber,
  wrongKind,
  type OptionTable,
} from '../base/options.js'
import { addon, type NativeLimits, type NativeListenAddress, type NativePolicy } from '../binding/addon.js'
import type { OnEvent } from '../observe/lifecycle.js'
import { resolveGroupId, resolvePolicy, type PeerPolicy } from '../peer/policy.js'
import { toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import { ADDRESS_TABLE, directoryOf, resolveAddress, type AddressOptions } from './address.js'
import type { AddressLostEvent } from './audit.js'
import type { AccountLimits } from './user-account.js'

/** Options of {@link listen}. */
export interface ListenOptions extends AddressOptions {
  /** Who may connect. Default: the user of this process. */
  readonly policy?: PeerPolicy
  /** Closes the listener when it fires. */
  readonly signal?: AbortSignal
  /**
   * Clients that the kernel queues before they are accepted. Default 511; Linux caps it at `net.core.somaxconn`,
   * Windows at 63.
   */
  readonly backlog?: number
  /** Connections open at once; further clients are turned away. Default 4096. */
  readonly maxConnections?: number
  /** The same limit for each user. Default: `maxConnections`. */
  readonly maxConnectionsPerUser?: number
  /** New connections of each user within any one second; further ones are turned away. Default: no limit. */
  readonly maxNewConnectionsPerSecondPerUser?: number
  /**
   * Bytes that all connections of one user may make this process hold: lines whose end has not come, messages and
   * errors that the application has not taken, and what acknowledging receivers and endpoints have under way. Beyond
   * the limit, the user's connections take turns: only connections that the application waits for are read, one at a
   * time, until at most half of the limit is used. Beyond twice the limit, only the longest unfinished line is read on,
   * and its connection is closed if that line makes no progress (`user-budget`). Other users are not affected. From 1
   * MiB; Infinity: no limit. Default: 64 MiB.
   */
  readonly maxBytesPerUser?: number
  /**
   * Invalid lines on all connections of one user within one second. The connection that exceeds the limit is closed
   * with the reason `too-many-invalid`. Has no effect on receivers with `maxInvalid: Infinity`. Default: 10,000.
   */
  readonly maxInvalidPerSecondPerUser?: number
  /**
   * Pauses for a millisecond whenever 48 of 64 consecutive clients were turned away, so that a flood does not occupy a
   * processor; admitted clients then wait that much longer. With false, the accept thread turns away as many clients as
   * one processor can. Default: true.
   */
  readonly throttleRefusals?: boolean
  /**
   * Permissions of the socket file: 0o600 (only this user can connect; the default), 0o660 (and members of `group`) or
   * 0o666 (everyone). The file is made with 0600 and opened then. A client that can connect must still pass the policy.
   * Not on Windows: there the pipe admits the users that the policy names.
   */
  readonly mode?: 0o600 | 0o660 | 0o666
  /** Group of the socket file, by id or name, for mode 0o660 or 0o666. Default: the group that the system assigns. */
  readonly group?: number | string
  /**
   * A descriptor that is already listening, as systemd passes it (sd_listen_fds(3): the first is 3), instead of an
   * address. The listener then owns it; its socket file is not removed. `name` is then used in messages only.
   */
  readonly fd?: number
  /**
   * How long receivers on its connections poll for a message before they sleep; false: not at all. Default: up to 50
   * µs, while polling has paid off lately.
   */
  readonly busyPoll?: BusyPollOptions | false
  /**
   * How long to wait, in milliseconds, for another listener to leave the address, as when a service restarts while its
   * predecessor is still closing. Default 0: ERR_IPC_ADDRESS_IN_USE at once.
   */
  readonly waitMs?: number
  /**
   * Interval in milliseconds at which to check that the path still leads to this listener; Infinity: only in {@link
   * Listener.check}. Default 5000. A cleaner of /tmp may remove the file, and then clients can no longer connect.
   */
  readonly addressCheckMs?: number
  /**
   * Called with the lifecycle events of the listener and of the connections that it accepts: see {@link
   * LifecycleEvent}. The events are also published on the diagnostics channel `sentinel-ipc:lifecycle`.
   */
  readonly onEvent?: OnEvent
  /**
   * Called when the path no longer leads to this listener. The event is also published on `sentinel-ipc:address-lost`.
   */
  readonly onAddressLost?: (event: AddressLostEvent) => void
  /**
   * Whether to claim a lost address again. Queued clients that were not accepted yet are disconnected; accepted
   * connections stay, and still count against the limits. If another listener has taken the address, the claim is tried
   * again at every check. Default: false.
   */
  readonly reclaim?: boolean
}

const count = wholeNumber(1, 1_000_000)

function checkMode(value: unknown, name: string): void {
  if (value === 0o600 || value === 0o660 || value === 0o666) return
  if (typeof value !== 'number') throw wrongKind(name, '0o600, 0o660 or 0o666', value)
  throw new RangeError(`${name} must be 0o600, 0o660 or 0o666, not 0o${value.toString(8)}`)
}

const LISTEN_TABLE: OptionTable<ListenOptions> = {
  ...ADDRESS_TABLE,
  policy: anything, // resolvePolicy checks it
  signal,
  backlog: count,
  maxConnections: count,
  maxConnectionsPerUser: count,
  maxNewConnectionsPerSecondPerUser: count,
  maxBytesPerUser: limit(1 << 20),
  maxInvalidPerSecondPerUser: limit(0),
  throttleRefusals: flag,
  mode: checkMode,
  group: anything, // resolveGroupId checks it
  fd: wholeNumber(0, 0x7fff_ffff),
  busyPoll: anything, // toPollRequest checks it
  waitMs: millisecondsOrZero,
  addressCheckMs: milliseconds,
  onAddressLost: callback,
  onEvent: callback,
  reclaim: flag,
}

/** Clients that the accept thread admits ahead of `accept`. */
const MAX_QUEUED = 256

const WINDOWS = process.platform === 'win32'

/** The checked and resolved options of a listener. */
export interface ListenPlan {
  /** Path of the socket, or (Windows) name of the pipe; '' if an adopted descriptor has none. */
  readonly address: string
  readonly native: NativeListenAddress
  readonly policy: NativePolicy
  readonly limits: NativeLimits
  readonly accounts: AccountLimits
  readonly busyPoll: PollRequest
  readonly signal: AbortSignal | undefined
  readonly waitMs: number
  readonly addressCheckMs: number
  readonly onAddressLost: ((event: AddressLostEvent) => void) | undefined
  readonly onEvent: OnEvent | undefined
  readonly reclaim: boolean
}

/** @throws as `listen`, for options that can never work */
export function planOf(name: string, given: ListenOptions | undefined): ListenPlan {
  const options = checkOptions('listen', given, LISTEN_TABLE)
  const maxConnections = options.maxConnections ?? 4096
  return {
    ...(options.fd === undefined ? placeOf(name, options) : adoptedPlace(options.fd, options)),
    policy: policyOf(options),
    limits: {
      backlog: options.backlog ?? 511,
      maxConnections,
      maxConnectionsPerUser: options.maxConnectionsPerUser ?? maxConnections,
      maxNewPerSecondPerUser: options.maxNewConnectionsPerSecondPerUser ?? 0,
      maxQueued: MAX_QUEUED,
      throttleRefusals: options.throttleRefusals ?? true,
    },
    accounts: {
      maxBytes: options.maxBytesPerUser ?? 64 << 20,
      maxInvalidPerSecond: options.maxInvalidPerSecondPerUser ?? 10_000,
    },
    busyPoll: toPollRequest(options.busyPoll),
    signal: options.signal,
    waitMs: options.waitMs ?? 0,
    addressCheckMs: options.addressCheckMs ?? 5000,
    onAddressLost: options.onAddressLost,
    onEvent: options.onEvent,
    reclaim: options.reclaim ?? false,
  }
}

function placeOf(name: string, options: ListenOptions): Pick<ListenPlan, 'address' | 'native'> {
  const address = resolveAddress(name, options)
  const { group } = options
  const mode = options.mode ?? 0o600
  if (WINDOWS && (mode !== 0o600 || group !== undefined)) {
    throw new TypeError('listen: mode and group have no meaning on Windows: name users in the policy')
  }
  if (group !== undefined && mode === 0o600) {
    throw new TypeError(
      'listen: group has no effect without a mode that lets the group connect: add mode: 0o660',
    )
  }
  return {
    address,
    native: {
      path: address,
      createDirectory: directoryOf(options) !== undefined,
      sharedDirectory: options.sharedDirectory ?? false,
      groupAccess: mode !== 0o600,
      publicAccess: mode === 0o666,
      group: group === undefined ? null : resolveGroupId(group),
    },
  }
}

function adoptedPlace(descriptor: number, options: ListenOptions): Pick<ListenPlan, 'address' | 'native'> {
  if (WINDOWS) throw new TypeError('listen: fd has no meaning on Windows')
  for (const key of ['path', 'directory', 'sharedDirectory', 'mode', 'group', 'waitMs', 'reclaim'] as const) {
    if (options[key] === undefined) continue
    throw new TypeError(
      `listen: ${key} cannot be combined with fd: the process that made the socket chose its address and permissions`,
    )
  }
  return { address: addon.addressOf(descriptor), native: { descriptor } }
}

/** @throws TypeError also for a policy that names users who cannot connect because of the socket's permissions */
function policyOf(options: ListenOptions): NativePolicy {
  const policy = resolvePolicy(options.policy)
  const named = options.policy?.users !== undefined || options.policy?.groups !== undefined
  if (WINDOWS || options.fd !== undefined || !named || (options.mode ?? 0o600) !== 0o600) return policy
  const { uid } = addon.ownUser()
  // Root can connect regardless of the mode.
  const others = [...policy.users].filter((user) => user !== uid && user !== 0).map((user) => `uid ${user}`)
  others.push(...Array.from(policy.groups, (group) => `gid ${group}`))
  if (others.length === 0) return policy
  throw new TypeError(
    `listen: the policy names ${others.slice(0, 5).join(', ')}, but mode 0o600 lets only the user of this process ` +
      'connect: add mode: 0o660 with a group, or mode: 0o666',
  )
}
