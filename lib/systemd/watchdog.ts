// Keeps the watchdog of systemd quiet while the event loop runs: sd_watchdog_enabled(3), sd_notify(3). systemd kills and
// restarts a service (`WatchdogSec=`) that says nothing for too long, such as one whose event loop hangs.

import { clearInterval, setInterval } from '../base/globals.js'
import { callback, checkOptions, type OptionTable } from '../base/options.js'
import { MAX_TIMER_MS } from '../base/timing.js'
import { callUser, reportUserError } from '../base/user-code.js'
import { wholeVariable } from './environment.js'
import { notify } from './notify.js'

/** Options of {@link watchdog}. */
export interface WatchdogOptions {
  /**
   * Asked before each notification whether the service is well. While it returns, or its promise resolves with, false,
   * systemd hears nothing; the same if it throws or takes longer than an interval. Default: a running event loop is enough.
   */
  readonly check?: () => boolean | Promise<boolean>
  /** Called when a notification could not be sent. Default: a warning of the process. */
  readonly onError?: (error: unknown) => void
}

/** A running watchdog. */
export interface Watchdog {
  /** Milliseconds between notifications: half of what systemd waits. */
  readonly intervalMs: number
  /** Sends no more notifications. systemd then restarts the service, unless that ends first. Safe to call again. */
  stop(): void
  /** Calls `stop`. */
  [Symbol.dispose](): void
}

const OPTIONS: OptionTable<WatchdogOptions> = { check: callback, onError: callback }

/**
 * Notifies systemd at half of the interval that it expects (`WATCHDOG_USEC`), from now on, as long as the event loop runs.
 * Undefined where the watchdog is not enabled, or is that of another process (`WATCHDOG_PID`). Does not keep the process
 * alive.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM when the variables are not as systemd sets them
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
