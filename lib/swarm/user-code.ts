// How the transport calls code that the application gave it: in a microtask of its own, after the transport's own state is
// settled, and with one way to report what it throws. Must not know what the code is for.

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

  /** Raises an alert, within the limit of the rate. */
  readonly alert = (alert: Alert): void => {
    this.#limited(alert)
  }

  /**
   * Calls a callback in a microtask of its own. What it throws, or its promise rejects with, becomes the alert
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

  /** Runs an action that calls user code on its way, and reports what it throws in the same way. */
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
      // There is no alert about alerts. A warning once is all that is left.
      if (this.#warned) return
      this.#warned = true
      process.emitWarning(`the alert bus of a swarm threw: ${describeThrown(error)}`, {
        code: 'SENTINEL_IPC_ALERT_BUS',
      })
    }
  }
}
