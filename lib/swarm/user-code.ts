// Calls the application's callbacks for the transport: in a microtask of their own, after the transport's state has
// changed, and with one way to report their errors. Must not know the purpose of a callback.

import { describeThrown, limitAlerts, type Alert, type AlertBus } from './alerts/alert-bus.js'

/** Raises alerts and calls callbacks. Neither ever throws. */
export class UserCode {
  readonly #bus: AlertBus | undefined
  readonly #limited = limitAlerts((alert) => {
    this.#emit(alert)
  })
  #warned = false

  constructor(bus: AlertBus | undefined) {
    this.#bus = bus
  }

  /** Raises an alert, within the rate limit. */
  readonly alert = (alert: Alert): void => {
    this.#limited(alert)
  }

  /**
   * Calls a callback in a microtask of its own. An exception, or the rejection of its promise, becomes the alert
   * `callback-failed`.
   */
  call<Argument>(
    name: string,
    callback: ((argument: Argument) => unknown) | undefined,
    argument: Argument,
  ): void {
    if (callback === undefined) return
    Promise.resolve(argument)
      .then(callback)
      .catch((thrown: unknown) => {
        this.#report(name, thrown)
      })
  }

  /** Runs an action that calls user code, and reports its exceptions in the same way. */
  guard(name: string, action: () => void): void {
    try {
      action()
    } catch (thrown) {
      this.#report(name, thrown)
    }
  }

  #report(name: string, thrown: unknown): void {
    this.alert({
      severity: 'error',
      type: 'callback-failed',
      message: `${name} threw: ${describeThrown(thrown)}`,
    })
  }

  #emit(alert: Alert): void {
    try {
      this.#bus?.emit(alert)
    } catch (error) {
      // An alert cannot report a failure of the alert bus, so a warning of the process does, once.
      if (this.#warned) return
      this.#warned = true
      process.emitWarning(`the alert bus of a swarm threw: ${describeThrown(error)}`, {
        code: 'SENTINEL_IPC_ALERT_BUS',
      })
    }
  }
}
