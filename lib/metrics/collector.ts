// Keeps the totals of a thread: at each scrape it adds the growth of the counts of live objects, and when an object
// ends, its last growth. Between scrapes it only works for objects that end, refusals, invalid lines and ended
// connections.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { isIpcError } from '../base/errors.js'
import { latencyOf, type Latency } from '../observe/latency.js'
import {
  listenForLeaving,
  observedConnections,
  observedObjects,
  type Entry,
  type Observed,
} from '../observe/registry.js'
import { CONTRIBUTIONS, METRICS, type MetricName } from './definitions.js'

/** The values of one metric. */
export interface MetricValues {
  readonly name: MetricName
  readonly values: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}

/** Upper bounds of the latency histogram, in seconds. */
export const LATENCY_BOUNDS = [
  25e-6, 50e-6, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 0.01, 0.05, 0.1, 0.5, 1, 5,
] as const

/** Durations of the requests of endpoints. */
export interface LatencyHistogram {
  /** Number of requests that took at most each of {@link LATENCY_BOUNDS}, in that order. The bounds apply within 10 %. */
  readonly atMost: readonly number[]
  readonly count: number
  /** In seconds. */
  readonly sum: number
}

/** Maximum number of label values of a metric. A peer influences which reasons occur. */
const MAX_LABELS = 200
const OTHER = 'other'

class Totals {
  readonly #values = new Map<MetricName, Map<string, number>>()

  add(metric: MetricName, labels: readonly string[], value: number): void {
    if (value === 0) return
    let values = this.#values.get(metric)
    if (values === undefined) this.#values.set(metric, (values = new Map<string, number>()))
    const wanted = labels.join('\0')
    const key = values.has(wanted) || values.size < MAX_LABELS ? wanted : labels.map(() => OTHER).join('\0')
    values.set(key, (values.get(key) ?? 0) + value)
  }

  of(metric: MetricName): ReadonlyMap<string, number> {
    return this.#values.get(metric) ?? new Map<string, number>()
  }
}

export class Collector {
  readonly #totals = new Totals()
  /** The counts of each live object at the last look. */
  readonly #seen = new WeakMap<Observed, Map<string, number>>()
  readonly #atMost = LATENCY_BOUNDS.map(() => 0)
  #latencyCount = 0
  #latencySumMs = 0
  readonly #listeners: readonly (readonly [channel: string, listener: (event: unknown) => void])[] = [
    [
      'sentinel-ipc:reject',
      (event) => {
        this.#count('refusals_total', event, 'omitted')
      },
    ],
    [
      'sentinel-ipc:close',
      (event) => {
        this.#count('closed_connections_total', event)
      },
    ],
    [
      'sentinel-ipc:invalid',
      (event) => {
        this.#countInvalid(event)
      },
    ],
  ]

  /** Begins to count. A thread has one collector. */
  start(): void {
    listenForLeaving((entry) => {
      this.#look(entry, undefined)
    })
    for (const [channel, listener] of this.#listeners) subscribe(channel, listener)
  }

  stop(): void {
    listenForLeaving(undefined)
    for (const [channel, listener] of this.#listeners) unsubscribe(channel, listener)
  }

  /** All metrics as they are now. */
  collect(): MetricValues[] {
    const gauges = new Totals()
    let connections = 0
    for (const { parts } of observedConnections()) {
      ++connections
      for (const part of parts) this.#look(part, gauges)
    }
    for (const entry of observedObjects()) this.#look(entry, gauges)
    gauges.add('connections', [], connections)
    return (Object.keys(METRICS) as MetricName[]).map((name) => {
      const { kind, labels } = METRICS[name]
      const found = (kind === 'gauge' ? gauges : this.#totals).of(name)
      // A metric without labels exists from the start, so that a rate over it does too.
      const entries = found.size === 0 && labels.length === 0 ? [['', 0] as const] : [...found]
      return {
        name,
        values: entries.map(([key, value]) => ({ labels: toRecord(labels, key), value })),
      }
    })
  }

  /** How long requests took, as of the last {@link collect}. */
  get latency(): LatencyHistogram {
    return { atMost: [...this.#atMost], count: this.#latencyCount, sum: this.#latencySumMs / 1000 }
  }

  /** Adds the growth of an object's counts since the last look, and its gauges if `gauges` is given. */
  #look({ kind, object }: Entry, gauges: Totals | undefined): void {
    let seen = this.#seen.get(object)
    if (seen === undefined) this.#seen.set(object, (seen = new Map<string, number>()))
    const stats = object.stats as Readonly<Record<string, unknown>>
    for (const { metric, labels, value } of CONTRIBUTIONS[kind](stats)) {
      if (METRICS[metric].kind === 'gauge') {
        gauges?.add(metric, labels, value)
        continue
      }
      this.#totals.add(metric, labels, growth(seen, `${metric}\0${labels.join('\0')}`, value))
    }
    if (kind === 'endpoint') this.#lookAtLatency(latencyOf(object), seen)
  }

  #lookAtLatency(latency: Latency | undefined, seen: Map<string, number>): void {
    if (latency === undefined) return
    for (const [i, bound] of LATENCY_BOUNDS.entries()) {
      this.#atMost[i] = (this.#atMost[i] ?? 0) + growth(seen, `le${bound}`, latency.atMost(bound * 1000))
    }
    this.#latencyCount += growth(seen, 'count', latency.count)
    this.#latencySumMs += growth(seen, 'sum', latency.sumMs)
  }

  #count(metric: MetricName, event: unknown, more?: string): void {
    const fields = event as Readonly<Record<string, unknown>>
    this.#totals.add(metric, [String(fields['reason'])], 1)
    // Events are published at a bounded rate; for the omitted ones only their number is known.
    if (more !== undefined) this.#totals.add(metric, [OTHER], Number(fields[more] ?? 0))
  }

  #countInvalid(event: unknown): void {
    const { error } = event as { readonly error: unknown }
    this.#totals.add('invalid_lines_total', [isIpcError(error) ? (error.reason ?? error.code) : OTHER], 1)
  }
}

function growth(seen: Map<string, number>, key: string, value: number): number {
  const before = seen.get(key) ?? 0
  seen.set(key, value)
  return Math.max(value - before, 0)
}

function toRecord(names: readonly string[], key: string): Record<string, string> {
  const values = key.split('\0')
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}

let shared: Collector | undefined
let users = 0

/** Returns the collector of this thread, which counts from the first call until all callers have released it. */
export function acquireCollector(): { readonly collector: Collector; readonly release: () => void } {
  shared ??= new Collector()
  if (users++ === 0) shared.start()
  let released = false
  return {
    collector: shared,
    release: () => {
      if (released) return
      released = true
      if (--users === 0) shared?.stop()
    },
  }
}
