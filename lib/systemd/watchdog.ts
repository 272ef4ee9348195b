// Keeps the watchdog of systemd quiet while the event loop runs: sd_watchdog_enabled(3), sd_notify(3). systemd kills
// and restarts a service (`WatchdogSec=`) that sends no notification in time, such as one whose event loop hangs.

import { clearInterval, setInterval } from '../base/globals.js'
import { callback, checkOptions, type OptionTable } from '../base/options.js'
import { MAX_TIMER_MS } from '../base/timing.js'
import { callUser, reportUserError } from '../base/user-code.js'
import { wholeVariable } from './environment.js'
import { notify } from './notify.js'

/** Options of {@link watchdog}. */
export interface WatchdogOptions {
  /**
   * Called before each notification; returns whether the service is healthy, or a promise for that. No notification is
   * sent if the result is false, if it throws, or while it takes longer than an interval. Default: a running event loop
   * counts as healthy.
   */
  readonly check?: () => boolean | Promise<boolean>
  /** Called when a notification could not be sent. Default: a warning of the process. */
  readonly onError?: (error: unknown) => void
}

/** A running watchdog. */
export interface Watchdog {
  /** Milliseconds between notifications: half of the interval that systemd allows. */
  readonly intervalMs: number
  /** Stops the notifications. systemd then restarts the service, unless it ends before. Safe to call again. */
  stop(): void
  /** Calls `stop`. */
  [Symbol.dispose](): void
}

const OPTIONS: OptionTable<WatchdogOptions> = { check: callback, onError: callback }

/**
 * Starts to notify systemd at half of the interval that it expects (`WATCHDOG_USEC`), for as long as the event loop
 * runs. Returns undefined if the watchdog is not enabled, or is for another process (`WATCHDOG_PID`). Does not keep the
 * process alive.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM if a variable has a value that systemd never sets
 * @throws TypeError for options that are not allowed
 */
export function watchdog(options?: WatchdogOptions): Watchdog | undefined {
  const { check, onError } = checkOptions('watchdog', options, OPTIONS)
  const usec = wholeVariable('WATCHDOG_USEC')
  if (usec === undefined || usec === 0) return undefined
  const forProcess = wholeVariable('WATCHDOG_PID')
  if (forProcess !== undefined && forProcess !== process.pid) return undefined
  const intervalMs = Math.max(1, Math.min(Math.floor(usec / 2000), MAX_TIMER_MS))
  const onFailure = (error: unknown): void => {
    if (onError !== undefined) callUser('onError of watchdog', onError, error)
    else reportUserError('a notification of the watchdog', error)
  }
  let checking = false
  let stopped = false
  const ping = async (): Promise<void> => {
    if (checking) return
    checking = true
    try {
      if (check !== undefined && !(await isWell(check))) return
      if (!stopped) await notify('WATCHDOG=1')
    } catch (error) {
      onFailure(error)
    } finally {
      checking = false
    }
  }
  const timer = setInterval(() => void ping(), intervalMs).unref()
  void ping()
  const stop = (): void => {
    stopped = true
    clearInterval(timer)
  }
  return { intervalMs, stop, [Symbol.dispose]: stop }
}

/** Never rejects. */
async function isWell(check: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    await Promise.resolve() // user code gets a microtask of its own
    return await check()
  } catch (error) {
    reportUserError('check of watchdog', error)
    return false
  }
}
