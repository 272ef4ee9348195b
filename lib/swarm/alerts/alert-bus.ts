// Alerts: the newest are kept in a ring, and subscribers hear of them in a turn of their own, so that none of them can
// hold up or break whoever raised one.

import { setImmediate } from '../../base/globals.js'
import type { PeerIdentity } from '../../peer/peer.js'

/** From harmless to worst. */
export const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

/** Something that somebody should know of (Go: `alert.Alert`). */
export interface Alert {
  readonly severity: Severity
  /** A stable name: `genome-mismatch`, `facts-unsent`, `fact-conflict` … */
  readonly type: string
  /** One sentence, safe to print: what a peer wrote is escaped in it and cut short. */
  readonly message: string
  /** When; default: now. */
  readonly at?: Date
  /** Whom it is about, as the kernel says. */
  readonly peer?: PeerIdentity
  /** Whom it is about, as it says itself. */
  readonly peerId?: string
  /** Figures to go with it: facts unsent, genes imported … */
  readonly counts?: Readonly<Record<string, number>>
}

/** An alert as the bus passes it on. */
export type RaisedAlert = Alert & { readonly at: Date }

/** Somebody who listens. */
export interface Subscription {
  /** Alerts that it was too slow for. */
  readonly dropped: number
  /** Times that it threw or rejected. */
  readonly failed: number
  unsubscribe(): void
}

/** Keeps and passes on alerts (Go: `alert.Bus`). */
export class AlertBus {
  readonly #capacity: number
  readonly #ring: RaisedAlert[] = []
  #next = 0
  #emitted = 0
  readonly #subscribers = new Set<Subscriber>()

  /** @throws RangeError for a capacity below 1 */
  constructor(capacity = 100) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 1_000_000) {
      throw new RangeError('capacity must be a whole number from 1 to 1,000,000')
    }
    this.#capacity = capacity
  }

  /** Alerts that were raised in all. */
  get emitted(): number {
    return this.#emitted
  }

  /** Raises an alert. Runs no subscriber, never throws because of one, and never waits. */
  emit(alert: Alert): void {
    if (!SEVERITIES.includes(alert.severity)) throw new TypeError('an alert needs a severity')
    const raised: RaisedAlert = Object.freeze({ ...alert, at: alert.at ?? new Date() })
    this.#ring[this.#next] = raised
    this.#next = (this.#next + 1) % this.#capacity
    ++this.#emitted
    for (const subscriber of this.#subscribers) subscriber.push(raised)
  }

  /** The newest alerts, newest first. Default: all that are kept. */
  recent(n = this.#capacity): RaisedAlert[] {
    const count = Math.max(0, Math.min(Math.floor(n), this.#ring.length))
    return Array.from(
      { length: count },
      (_, i) => this.#ring[(this.#next - 1 - i + 2 * this.#capacity) % this.#capacity] as RaisedAlert,
    )
  }

  /** The worst severity among the newest `n`; undefined when there are none. */
  maxSeverity(n?: number): Severity | undefined {
    const ranks = this.recent(n).map((alert) => SEVERITIES.indexOf(alert.severity))
    return ranks.length === 0 ? undefined : SEVERITIES[Math.max(...ranks)]
  }

  /**
   * Calls `listener` with each alert from now on, one at a time: the next one when the promise that it gave, if any, has
   * settled. Up to as many alerts as the bus keeps may wait for it; then the oldest of them are dropped and counted.
   * What it throws is counted and goes nowhere else.
   */
  subscribe(listener: (alert: RaisedAlert) => unknown): Subscription {
    const subscriber = new Subscriber(listener, this.#capacity, () => this.#subscribers.delete(subscriber))
    this.#subscribers.add(subscriber)
    return subscriber
  }
}

class Subscriber implements Subscription {
  dropped = 0
  failed = 0
  readonly #listener: (alert: RaisedAlert) => unknown
  readonly #capacity: number
  readonly #onUnsubscribe: () => void
  #waiting: RaisedAlert[] = []
  #running = false

  constructor(listener: (alert: RaisedAlert) => unknown, capacity: number, onUnsubscribe: () => void) {
    this.#listener = listener
    this.#capacity = capacity
    this.#onUnsubscribe = onUnsubscribe
  }

  push(alert: RaisedAlert): void {
    if (this.#waiting.length >= this.#capacity) {
      this.#waiting.shift()
      ++this.dropped
    }
    this.#waiting.push(alert)
    if (this.#running) return
    this.#running = true
    setImmediate(() => void this.#run())
  }

  unsubscribe(): void {
    this.#waiting = []
    this.#onUnsubscribe()
  }

  async #run(): Promise<void> {
    for (let alert = this.#waiting.shift(); alert !== undefined; alert = this.#waiting.shift()) {
      try {
        await this.#listener(alert)
      } catch {
        ++this.failed
      }
    }
    this.#running = false
  }
}
