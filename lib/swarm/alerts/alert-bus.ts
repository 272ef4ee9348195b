// The alert bus: keeps the newest alerts in a ring, and calls subscribers in a later turn of the event loop, so that no
// subscriber can delay or break the code that raises an alert. Also the rate limit that the transport applies before
// the bus. Must not know the meaning of alerts.

import { describeError } from '../../base/errors.js'
import { monotonicMs, setImmediate } from '../../base/globals.js'
import { escapeText } from '../../base/quote.js'
import type { PeerIdentity } from '../../peer/peer.js'

/** The severities of alerts, in rising order. */
export const SEVERITIES = ['info', 'warning', 'error', 'critical'] as const
/** One of {@link SEVERITIES}. */
export type Severity = (typeof SEVERITIES)[number]

/** An event that an operator should know about (Go: `alert.Alert`). */
export interface Alert {
  /** One of {@link SEVERITIES}. */
  readonly severity: Severity
  /** A stable name such as `genome-mismatch`, `facts-unsent`, `fact-conflict`. docs/swarm.md lists them all. */
  readonly type: string
  /** One sentence, safe to print: text from peers is escaped and cut short. */
  readonly message: string
  /** When it happened. Default: when it was raised. */
  readonly at?: Date
  /** The process it is about, as the kernel identified it. */
  readonly peer?: PeerIdentity
  /** The id that this process claimed in the exchange. Not verified. */
  readonly peerId?: string
  /**
   * Counts by name, such as `unsent` and `genes`; `omitted` counts the alerts that the rate limit left out before this
   * one.
   */
  readonly counts?: Readonly<Record<string, number>>
}

/** An alert as subscribers receive it: frozen, with `at` always set. */
export type RaisedAlert = Alert & {
  /** When it was raised. */
  readonly at: Date
}

/** A subscriber's registration, returned by {@link AlertBus.subscribe}. */
export interface Subscription {
  /** Alerts dropped because the subscriber was too slow. */
  readonly dropped: number
  /** Calls of the listener that threw, or returned a promise that rejected. */
  readonly failed: number
  /** What the listener threw last; undefined if it never did. */
  readonly lastError: unknown
  /** Ends the subscription; alerts still waiting for this subscriber are discarded. Safe to call again. */
  unsubscribe(): void
}

/** Keeps the newest alerts and passes each to all subscribers (Go: `alert.Bus`). */
export class AlertBus {
  readonly #capacity: number
  readonly #ring: RaisedAlert[] = []
  #next = 0
  #emitted = 0
  readonly #subscribers = new Set<Subscriber>()

  /**
   * @param capacity the number of alerts that the bus keeps, and that may wait for one subscriber. Default: 100.
   * @throws RangeError if `capacity` is not a whole number from 1 to 1,000,000
   */
  constructor(capacity = 100) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 1_000_000) {
      throw new RangeError(`capacity must be a whole number from 1 to 1,000,000, not ${String(capacity)}`)
    }
    this.#capacity = capacity
  }

  /** Alerts raised since the bus was created. */
  get emitted(): number {
    return this.#emitted
  }

  /**
   * Raises an alert. Subscribers are called in a later turn of the event loop, never from within this call.
   *
   * @throws TypeError if `severity` is not one of {@link SEVERITIES}
   */
  emit(alert: Alert): void {
    this.#raise(alert, undefined)
  }

  /** Returns the newest `n` alerts, newest first. Default: all that the bus keeps. */
  recent(n = this.#capacity): RaisedAlert[] {
    const count = Math.max(0, Math.min(Math.floor(n), this.#ring.length))
    return Array.from(
      { length: count },
      (_, i) => this.#ring[(this.#next - 1 - i + 2 * this.#capacity) % this.#capacity] as RaisedAlert,
    )
  }

  /** Returns the worst severity among the newest `n` alerts, by default among all kept; undefined if there are none. */
  maxSeverity(n?: number): Severity | undefined {
    const ranks = this.recent(n).map((alert) => SEVERITIES.indexOf(alert.severity))
    return ranks.length === 0 ? undefined : SEVERITIES[Math.max(...ranks)]
  }

  /**
   * Calls `listener` with each alert raised from now on, one call at a time: if the listener returns a promise, the
   * next call waits until it settles. While it runs, up to `capacity` alerts wait for it; beyond that the oldest are
   * dropped and counted in {@link Subscription.dropped}.
   *
   * A listener that throws, or whose promise rejects, breaks nothing else. The bus counts it in
   * {@link Subscription.failed} and raises the alert `listener-failed` for the other subscribers, once until the
   * listener succeeds again.
   *
   * @throws TypeError if `listener` is not a function
   */
  subscribe(listener: (alert: RaisedAlert) => unknown): Subscription {
    if (typeof listener !== 'function') throw new TypeError('listener must be a function')
    const subscriber = new Subscriber(listener, this.#capacity, {
      unsubscribe: () => this.#subscribers.delete(subscriber),
      failed: (error) => {
        this.#raise(
          {
            severity: 'error',
            type: 'listener-failed',
            message: `an alert listener threw: ${describeThrown(error)}`,
          },
          subscriber,
        )
      },
    })
    this.#subscribers.add(subscriber)
    return subscriber
  }

  /** Raises an alert for all subscribers but one: the alert about a failed listener must not go to that listener. */
  #raise(alert: Alert, except: Subscriber | undefined): void {
    if (!SEVERITIES.includes(alert.severity)) {
      throw new TypeError(
        `severity must be one of ${SEVERITIES.join(', ')}, not ${JSON.stringify(alert.severity)}`,
      )
    }
    const raised: RaisedAlert = Object.freeze({
      ...alert,
      at: alert.at ?? new Date(),
      // All subscribers get the same object.
      ...(alert.counts !== undefined && { counts: Object.freeze({ ...alert.counts }) }),
    })
    this.#ring[this.#next] = raised
    this.#next = (this.#next + 1) % this.#capacity
    ++this.#emitted
    for (const subscriber of this.#subscribers) if (subscriber !== except) subscriber.push(raised)
  }
}

interface SubscriberEvents {
  unsubscribe(): void
  failed(error: unknown): void
}

/**
 * The queue before one listener.
 *
 *     idle ──push──▶ scheduled ──next turn──▶ calling ──settled, more waiting──▶ scheduled
 *      ▲                                         │
 *      └──────────settled, none waiting──────────┘         unsubscribe, from any state ──▶ ended
 */
class Subscriber implements Subscription {
  dropped = 0
  failed = 0
  lastError: unknown = undefined
  readonly #listener: (alert: RaisedAlert) => unknown
  readonly #capacity: number
  readonly #events: SubscriberEvents
  #waiting: RaisedAlert[] = []
  #state: 'idle' | 'scheduled' | 'calling' | 'ended' = 'idle'
  #failing = false

  constructor(listener: (alert: RaisedAlert) => unknown, capacity: number, events: SubscriberEvents) {
    this.#listener = listener
    this.#capacity = capacity
    this.#events = events
  }

  push(alert: RaisedAlert): void {
    if (this.#state === 'ended') return
    if (this.#waiting.length >= this.#capacity) {
      this.#waiting.shift()
      ++this.dropped
    }
    this.#waiting.push(alert)
    if (this.#state === 'idle') this.#schedule()
  }

  unsubscribe(): void {
    this.#state = 'ended'
    this.#waiting = []
    this.#events.unsubscribe()
  }

  /** One call a turn: otherwise a listener that raises alerts itself would block the event loop. */
  #schedule(): void {
    this.#state = 'scheduled'
    schedule(() => void this.#call())
  }

  async #call(): Promise<void> {
    const alert = this.#waiting.shift()
    if (this.#state !== 'scheduled' || alert === undefined) return
    this.#state = 'calling'
    try {
      await this.#listener(alert)
      this.#failing = false
    } catch (error) {
      this.#onFailure(error)
    }
    if (this.#ended) return
    if (this.#waiting.length > 0) this.#schedule()
    else this.#state = 'idle'
  }

  /**
   * A getter, because the compiler assumes that the state cannot change across an await; the listener may have
   * unsubscribed.
   */
  get #ended(): boolean {
    return this.#state === 'ended'
  }

  #onFailure(error: unknown): void {
    ++this.failed
    this.lastError = error
    if (this.#failing) return
    this.#failing = true
    this.#events.failed(error)
  }
}

// Taken once, so that fake timers of a test runner do not stop alerts.
const schedule = setImmediate

/** Returns what user code threw as text for an alert: one line of ASCII, cut to 500 characters. */
export function describeThrown(thrown: unknown): string {
  return escapeText(describeError(thrown).slice(0, 500))
}

const WINDOW_MS = 1000
const MAX_PER_WINDOW = 16
/** Pairs of type and user with a window of their own; further pairs share one window. */
const MAX_WINDOWS = 1024

interface Window {
  begin: number
  passed: number
  omitted: number
}

/**
 * Returns a function that passes on at most 16 alerts a second of each type about each user, so that a peer that fails
 * a thousand times a second cannot push everything else out of the ring. The next alert that passes counts those left
 * out in `counts.omitted`.
 */
export function limitAlerts(emit: (alert: Alert) => void): (alert: Alert) => void {
  const windows = new Map<string, Window>()
  return (alert) => {
    const window = windowOf(windows, `${alert.type} ${alert.peer?.sid ?? alert.peer?.uid ?? ''}`)
    if (++window.passed > MAX_PER_WINDOW) {
      ++window.omitted
      return
    }
    const { omitted } = window
    window.omitted = 0
    emit(omitted === 0 ? alert : { ...alert, counts: { ...alert.counts, omitted } })
  }
}

function windowOf(windows: Map<string, Window>, key: string): Window {
  const now = monotonicMs()
  let window = windows.get(key)
  if (window === undefined) {
    if (windows.size >= MAX_WINDOWS) forgetQuiet(windows, now)
    const shared = windows.size >= MAX_WINDOWS ? '' : key
    window = windows.get(shared) ?? { begin: now, passed: 0, omitted: 0 }
    windows.set(shared, window)
  }
  if (now - window.begin >= WINDOW_MS) {
    window.begin = now
    window.passed = 0
  }
  return window
}

function forgetQuiet(windows: Map<string, Window>, now: number): void {
  for (const [key, { begin, omitted }] of windows) {
    if (omitted === 0 && now - begin >= WINDOW_MS) windows.delete(key)
  }
}
