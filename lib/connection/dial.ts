// Connecting to a pipe, once or until somebody listens there.

import { resolveAddress, type AddressOptions } from './address.js'
import { toPollRequest, type BusyPollOptions } from '../wire/busy-poll.js'
import { openConnection, type Connection } from './connection.js'
import { abortedError, hasCode, IpcError } from '../base/errors.js'
import { addon, type NativeClient, type NativePolicy } from '../binding/addon.js'
import { fromNative, wouldBlock } from '../binding/native-error.js'
import { describePeer, resolvePolicy, type PeerPolicy } from '../peer/peer.js'
import { checkTimeout, pause } from '../base/timing.js'

/** Options of {@link dial}. */
export interface DialOptions extends AddressOptions {
  /** Who must be listening there. Default: this process's own user. */
  readonly policy?: PeerPolicy
  readonly signal?: AbortSignal
  /** How long to wait while the listener's queue is full. Default: {@link DEFAULT_TIMEOUT_MS}. */
  readonly timeoutMs?: number
  /** Whether receivers on the connection wait in a loop first, and how long. Default: for a moment, where that pays. */
  readonly busyPoll?: BusyPollOptions | false
}

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 50
const RETRY_WAIT_MS = 500

/**
 * Connects to a pipe and checks who listens there, before anything is sent or read (Go: `Dial`).
 *
 * @throws {IpcError} ERR_IPC_NOT_LISTENING, ERR_IPC_PEER_REJECTED, ERR_IPC_PEER_UNKNOWN, ERR_IPC_UNSAFE_PATH,
 *   ERR_IPC_PATH_TOO_LONG, ERR_IPC_TIMEOUT, ERR_IPC_ABORTED, ERR_IPC_SYSTEM
 * @throws TypeError for a name or policy that makes no sense
 */
export async function dial(name: string, options: DialOptions = {}): Promise<Connection> {
  const address = resolveAddress(name, options)
  const policy = resolvePolicy(options.policy)
  const timeoutMs = checkTimeout(options.timeoutMs)
  const busyPoll = toPollRequest(options.busyPoll)
  const deadline = performance.now() + timeoutMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    if (options.signal?.aborted === true) throw abortedError(options.signal, `dial of ${address}`)
    const client = tryConnect(address, policy)
    if (client !== undefined) {
      return openConnection(client, address, {
        busyPoll,
        redial: (signal) => {
          // The signal of this dial was for this dial.
          const again: { -readonly [Key in keyof DialOptions]: DialOptions[Key] } = { ...options }
          delete again.signal
          return dial(name, signal === undefined ? again : { ...again, signal })
        },
      })
    }
    const leftMs = deadline - performance.now()
    if (leftMs <= 0) {
      throw new IpcError(
        'ERR_IPC_TIMEOUT',
        `${address} had no room for another connection within ${timeoutMs} ms`,
      )
    }
    // Clients that were turned away together must not come back together.
    await pause(Math.min(leftMs, waitMs * (0.5 + Math.random())), options.signal, `dial of ${address}`)
  }
}

/** Undefined: the listener's queue is full. */
function tryConnect(address: string, policy: NativePolicy): NativeClient | undefined {
  let answer
  try {
    answer = addon.connect(address, policy)
  } catch (error) {
    if (wouldBlock(error)) return undefined
    throw fromNative(error)
  }
  if ('descriptor' in answer) return answer
  throw new IpcError(
    'ERR_IPC_PEER_REJECTED',
    `the listener at ${address} is refused: ${answer.reason} (${describePeer(answer)})`,
    { reason: answer.reason },
  )
}

/**
 * Dials up to `maxRetries` times, at least once, waiting 500 ms, 1 s, 1.5 s … between tries, while nobody listens or the
 * listener is busy (Go: `DialWithRetry`). For starting up beside a peer that may not be ready. What no waiting can mend,
 * such as a refused peer, ends it at once.
 *
 * @throws as {@link dial}; the error of the last try
 */
export async function dialWithRetry(
  name: string,
  maxRetries: number,
  options: DialOptions = {},
): Promise<Connection> {
  if (!Number.isInteger(maxRetries) || maxRetries < 0) throw new RangeError('maxRetries must be 0 or more')
  for (let tries = 1; ; ++tries) {
    try {
      return await dial(name, options)
    } catch (error) {
      const worthATry = hasCode(error, 'ERR_IPC_NOT_LISTENING', 'ERR_IPC_TIMEOUT')
      if (!worthATry || tries >= maxRetries) throw error
    }
    await pause(tries * RETRY_WAIT_MS, options.signal, `dial of ${name}`)
  }
}
