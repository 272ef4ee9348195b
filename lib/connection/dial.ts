// Connects to a pipe, once or until a listener exists.

import { abortedError, hasCode, IpcError } from '../base/errors.js'
import { monotonicMs } from '../base/globals.js'
import {
  anything,
  callback,
  checkOptions,
  milliseconds,
  signal,
  wholeNumber,
  type OptionTable,
} from '../base/options.js'
import { checkTimeout, pause } from '../base/timing.js'
import { addon, type NativeClient, type NativePolicy } from '../binding/addon.js'
import { fromNative, wouldBlock } from '../binding/native-error.js'
import { isObserved, report, type OnEvent } from '../observe/lifecycle.js'
import { describePeer } from '../peer/peer.js'
import { explainRefusal, resolvePolicy, type PeerPolicy } from '../peer/policy.js'
import { toPollRequest, type BusyPollOptions, type PollRequest } from '../wire/busy-poll.js'
import { explainDenial } from './access-denied.js'
import { ADDRESS_TABLE, resolveAddress, type AddressOptions } from './address.js'
import { openConnection, type Connection } from './connection.js'

/** Options of {@link dial}. */
export interface DialOptions extends AddressOptions {
  /** The peers that may be listening there. Default: the user of this process. */
  readonly policy?: PeerPolicy
  /** Withdraws the dial. Has no effect on the connection once it is made. */
  readonly signal?: AbortSignal
  /** How long to wait while the listener's queue is full, in milliseconds. Default: {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number
  /**
   * How long receivers on the connection poll for a message before they sleep; false: not at all. Default: up to 50 µs,
   * while polling has paid off lately.
   */
  readonly busyPoll?: BusyPollOptions | false
  /**
   * Called with the lifecycle events of the connection, and the retries of `dialWithRetry`: see {@link LifecycleEvent}.
   * The events are also published on the diagnostics channel `sentinel-ipc:lifecycle`.
   */
  readonly onEvent?: OnEvent
}

/** The checks of {@link DialOptions}, for the tables of everything that dials. */
export const DIAL_TABLE: OptionTable<DialOptions> = {
  ...ADDRESS_TABLE,
  policy: anything, // resolvePolicy checks it
  signal,
  timeoutMs: milliseconds,
  busyPoll: anything, // toPollRequest checks it
  onEvent: callback,
}

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 50
const RETRY_WAIT_MS = 500

/** The target of a dial: checked and resolved once, so that a later chdir(2) or change of the options has no effect. */
interface Target {
  readonly address: string
  readonly policy: NativePolicy
  readonly timeoutMs: number
  readonly busyPoll: PollRequest
  readonly onEvent: OnEvent | undefined
}

/** Makes a target from options that {@link checkOptions} has checked. */
function targetOf(name: string, options: DialOptions): Target {
  return {
    address: resolveAddress(name, options),
    policy: resolvePolicy(options.policy),
    timeoutMs: checkTimeout(options.timeoutMs),
    busyPoll: toPollRequest(options.busyPoll),
    onEvent: options.onEvent,
  }
}

/**
 * Connects to a pipe and checks who listens there, before anything is sent or read (Go: `Dial`).
 *
 * @throws {IpcError} ERR_IPC_NOT_LISTENING, ERR_IPC_ACCESS_DENIED, ERR_IPC_PEER_REJECTED, ERR_IPC_PEER_UNKNOWN,
 *   ERR_IPC_UNSAFE_PATH, ERR_IPC_PATH_TOO_LONG, ERR_IPC_TIMEOUT (the listener's queue stayed full), ERR_IPC_ABORTED,
 *   ERR_IPC_SYSTEM
 * @throws TypeError for an unknown option, or an invalid name or policy; RangeError for an invalid time-out
 */
export async function dial(name: string, options?: DialOptions): Promise<Connection> {
  const checked = checkOptions('dial', options, DIAL_TABLE)
  return connect(targetOf(name, checked), checked.signal)
}

/**
 * Returns a function that dials the same address each time it is called. Name, options and policy are checked and
 * resolved now. For code that dials again after a connection is lost. `what` names the function or class in errors.
 *
 * @throws as {@link dial}, for options that can never work
 */
export function diallerOf(
  what: string,
  name: string,
  options?: DialOptions,
): (signal?: AbortSignal) => Promise<Connection> {
  const target = targetOf(name, checkOptions(what, options, DIAL_TABLE))
  return (signal) => connect(target, signal)
}

async function connect(target: Target, signal: AbortSignal | undefined): Promise<Connection> {
  const { address, policy, timeoutMs, busyPoll, onEvent } = target
  const what = `dialling ${address}`
  const deadlineMs = monotonicMs() + timeoutMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    if (signal?.aborted === true) throw abortedError(signal, what)
    const client = tryConnect(address, policy)
    if (client !== undefined) {
      // A redial does not inherit the signal of this dial.
      return openConnection(client, address, { busyPoll, onEvent, redial: (again) => connect(target, again) })
    }
    const leftMs = deadlineMs - monotonicMs()
    if (leftMs <= 0) {
      throw new IpcError(
        'ERR_IPC_TIMEOUT',
        `the listener at ${address} had no room for another connection within ${timeoutMs} ms: ` +
          'it accepts too slowly, or its backlog is too small',
      )
    }
    // A random wait, so that clients that were turned away together do not return together.
    await pause(Math.min(leftMs, waitMs * (0.5 + Math.random())), signal, what)
  }
}

/** Returns undefined if the listener's queue is full. */
function tryConnect(address: string, policy: NativePolicy): NativeClient | undefined {
  let result
  try {
    result = addon.connect(address, policy)
  } catch (error) {
    if (wouldBlock(error)) return undefined
    throw explainDenial(fromNative(error), 'dial', address)
  }
  if ('descriptor' in result) return result
  throw new IpcError(
    'ERR_IPC_PEER_REJECTED',
    `the policy refuses the listener at ${address}: ${result.reason} (${describePeer(result)})${explainRefusal(result.reason)}`,
    { reason: result.reason },
  )
}

const checkRetries = wholeNumber(0, Number.MAX_SAFE_INTEGER)

/**
 * Dials up to `maxRetries` times, at least once, waiting 500 ms, 1 s, 1.5 s … between tries, for a program that starts
 * at the same time as its peer (Go: `DialWithRetry`). Tries again after ERR_IPC_NOT_LISTENING and ERR_IPC_TIMEOUT, and
 * after ERR_IPC_ACCESS_DENIED, because a listener opens its socket to others only just after making it. Any other error
 * is thrown at once.
 *
 * @throws as {@link dial}; the error of the last try
 */
export async function dialWithRetry(
  name: string,
  maxRetries: number,
  options?: DialOptions,
): Promise<Connection> {
  checkRetries(maxRetries, 'dialWithRetry: maxRetries')
  const checked = checkOptions('dialWithRetry', options, DIAL_TABLE)
  const target = targetOf(name, checked)
  for (let tries = 1; ; ++tries) {
    try {
      return await connect(target, checked.signal)
    } catch (error) {
      const worthATry = hasCode(error, 'ERR_IPC_NOT_LISTENING', 'ERR_IPC_TIMEOUT', 'ERR_IPC_ACCESS_DENIED')
      if (!worthATry || tries >= maxRetries) throw error
      reportRetry(target, error, tries)
    }
    await pause(tries * RETRY_WAIT_MS, checked.signal, `dialling ${target.address}`)
  }
}

function reportRetry({ address, onEvent }: Target, error: IpcError, tries: number): void {
  if (!isObserved(onEvent)) return
  const source = { role: 'connection', name: address, address, connection: undefined } as const
  report(onEvent, source, { type: 'retrying', error, tries, delayMs: tries * RETRY_WAIT_MS })
}
