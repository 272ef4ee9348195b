// Tells systemd about the state of the service: sd_notify(3). One datagram to the socket of $NOTIFY_SOCKET, which only
// the addon can send: Node has no datagrams of Unix sockets.

import { describeError, IpcError, isIpcError } from '../base/errors.js'
import { monotonicMs } from '../base/globals.js'
import { checkOptions, flag, milliseconds, wrongKind, type OptionTable } from '../base/options.js'
import { quoteText } from '../base/quote.js'
import { DEFAULT_TIMEOUT_MS, pause } from '../base/timing.js'
import { addon } from '../binding/addon.js'
import { fromNative, isUnsupported, wouldBlock } from '../binding/native-error.js'
import { variable } from './environment.js'

/** A state to report to systemd with {@link notify}. */
export interface ServiceState {
  /** The service has started, or has reloaded its configuration: `READY=1`. */
  readonly ready?: boolean
  /**
   * The service reloads its configuration: `RELOADING=1`, with the `MONOTONIC_USEC=` that `Type=notify-reload` needs.
   */
  readonly reloading?: boolean
  /** The service is ending: `STOPPING=1`. */
  readonly stopping?: boolean
  /** One line for people, which `systemctl status` shows: `STATUS=`. Line breaks become spaces. */
  readonly status?: string
  /** The service is alive: `WATCHDOG=1`. See {@link watchdog}, which sends this by itself. */
  readonly watchdog?: boolean
  /** Starting, stopping or reloading takes this much longer, in milliseconds: `EXTEND_TIMEOUT_USEC=`. */
  readonly extendTimeoutMs?: number
}

const STATE: OptionTable<ServiceState> = {
  ready: flag,
  reloading: flag,
  stopping: flag,
  status: (value, name) => {
    if (typeof value !== 'string') throw wrongKind(name, 'a string', value)
  },
  watchdog: flag,
  extendTimeoutMs: milliseconds,
}

/** systemd silently ignores longer notifications (NOTIFY_BUFFER_MAX). */
const MAX_BYTES = 4096
/** Milliseconds between attempts while the queue of systemd's socket is full. */
const RETRY_MS = 10

/**
 * Sends a notification to systemd (sd_notify(3)): `notify({ ready: true, status: 'listening' })`, or its text,
 * `notify('READY=1')`. Resolves with true when systemd's socket has it; with false if no service manager asked for
 * notifications (no `$NOTIFY_SOCKET`), and on Windows.
 *
 * systemd accepts notifications only from the processes that `NotifyAccess=` of the unit allows.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM if the socket cannot be reached, or its queue stays full for 5 seconds,
 *   ERR_IPC_PATH_TOO_LONG
 * @throws TypeError for a state that is not allowed; RangeError for more than 4096 bytes, or an `extendTimeoutMs` that
 *   is not positive
 */
export async function notify(state: string | ServiceState): Promise<boolean> {
  const text = typeof state === 'string' ? state : textOf(checkOptions('notify', state, STATE))
  if (text === '' || text.includes('\0')) {
    throw new TypeError('notify: the state must not be empty or contain NUL characters')
  }
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_BYTES) {
    throw new RangeError(
      `notify: the state has ${bytes} bytes, and systemd takes ${MAX_BYTES}: shorten the status`,
    )
  }
  const socket = variable('NOTIFY_SOCKET')
  if (socket === undefined) return false
  const deadlineMs = monotonicMs() + DEFAULT_TIMEOUT_MS
  for (;;) {
    try {
      addon.sendDatagram(socket, text)
      return true
    } catch (error) {
      if (isUnsupported(error)) return false
      if (!wouldBlock(error) || monotonicMs() >= deadlineMs) throw unreachable(socket, error)
    }
    await pause(RETRY_MS, undefined, 'notify')
  }
}

function unreachable(socket: string, error: unknown): unknown {
  const failure = fromNative(error)
  if (!isIpcError(failure)) return failure
  const { code, cause } = failure
  const why = cause === undefined ? 'its path is too long' : describeError(cause)
  return new IpcError(
    code,
    `notify: the service manager cannot be reached at NOTIFY_SOCKET=${quoteText(socket, 120)} (${why})`,
    { cause },
  )
}

function textOf(state: ServiceState): string {
  const lines: string[] = []
  if (state.ready === true) lines.push('READY=1')
  if (state.reloading === true) {
    // CLOCK_MONOTONIC, as hrtime reads it.
    lines.push('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }
  if (state.stopping === true) lines.push('STOPPING=1')
  // A line break would begin a variable of its own.
  if (state.status !== undefined) lines.push(`STATUS=${state.status.replace(/[\r\n]+/g, ' ')}`)
  if (state.watchdog === true) lines.push('WATCHDOG=1')
  if (state.extendTimeoutMs !== undefined && state.extendTimeoutMs !== Infinity) {
    lines.push(`EXTEND_TIMEOUT_USEC=${Math.ceil(state.extendTimeoutMs * 1000)}`)
  }
  return lines.join('\n')
}
