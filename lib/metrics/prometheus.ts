// Exports the metrics to a registry of prom-client. Imports nothing of that package: a registry accepts any object with
// a name and `get()`.

import { monotonicMs } from '../base/globals.js'
import { METRICS, type MetricName } from './definitions.js'
import { acquireCollector, LATENCY_BOUNDS, type Collector, type LatencyHistogram } from './collector.js'

/** The methods of prom-client's `Registry` that are used (tested with prom-client 15). */
export interface PrometheusRegistry {
  /** Adds a metric. */
  registerMetric(metric: never): void
  /** Removes a metric. */
  removeSingleMetric(name: string): void
}

/** Options of {@link registerPrometheus} and {@link registerOpenTelemetry}. */
export interface MetricsOptions {
  /** Prefix of all metric names. Default: `sentinel_ipc_`, for OpenTelemetry `sentinel_ipc.`. */
  readonly prefix?: string
}

interface Value {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/** A metric as prom-client's registry reads it. */
interface PrometheusMetric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly aggregator: 'sum'
  get(): Promise<Omit<PrometheusMetric, 'get' | 'reset'> & { readonly values: readonly Value[] }>
  /** Does nothing: the counts belong to the objects and cannot be reset. */
  reset(): void
}

/** A scrape reads the metrics one after the other. Reads within this time get the values of one moment. */
const SAME_SCRAPE_MS = 50

/**
 * Adds the metrics of this thread to a registry of prom-client. They are collected when the registry is read.
 *
 * @returns a function that removes them
 * @throws TypeError if `registry` is not a registry of prom-client
 */
export function registerPrometheus(registry: PrometheusRegistry, options: MetricsOptions = {}): () => void {
  if (typeof (registry as Partial<PrometheusRegistry> | undefined)?.registerMetric !== 'function') {
    throw new TypeError('registerPrometheus: registry must be a Registry of prom-client')
  }
  const { prefix = 'sentinel_ipc_' } = options
  const { collector, release } = acquireCollector()
  const scrape = new Scrape(collector)
  const metrics = [
    ...(Object.keys(METRICS) as MetricName[]).map((name) => plainMetric(prefix, name, scrape)),
    latencyMetric(prefix, scrape),
  ]
  for (const metric of metrics) registry.registerMetric(metric as never)
  return () => {
    for (const { name } of metrics) registry.removeSingleMetric(name)
    release()
  }
}

class Scrape {
  readonly #collector: Collector
  #atMs = -Infinity
  #values = new Map<MetricName, readonly Value[]>()

  constructor(collector: Collector) {
    this.#collector = collector
  }

  of(name: MetricName): readonly Value[] {
    this.#refresh()
    return this.#values.get(name) ?? []
  }

  get latency(): LatencyHistogram {
    this.#refresh()
    return this.#collector.latency
  }

  #refresh(): void {
    const now = monotonicMs()
    if (now - this.#atMs < SAME_SCRAPE_MS) return
    this.#atMs = now
    this.#values = new Map(this.#collector.collect().map(({ name, values }) => [name, values]))
  }
}

function plainMetric(prefix: string, name: MetricName, scrape: Scrape): PrometheusMetric {
  const { help, kind } = METRICS[name]
  return metricOf({ name: prefix + name, help, type: kind }, () => scrape.of(name))
}

function latencyMetric(prefix: string, scrape: Scrape): PrometheusMetric {
  const name = `${prefix}request_duration_seconds`
  const help = 'Time from a request of an endpoint to its reply.'
  return metricOf({ name, help, type: 'histogram' }, () => {
    const { atMost, count, sum } = scrape.latency
    const metricName = `${name}_bucket`
    return [
      ...LATENCY_BOUNDS.map((bound, i) => ({ metricName, labels: { le: bound }, value: atMost[i] ?? 0 })),
      { metricName, labels: { le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ]
  })
}

function metricOf(
  words: Pick<PrometheusMetric, 'name' | 'help' | 'type'>,
  values: () => readonly Value[],
): PrometheusMetric {
  const described = { ...words, aggregator: 'sum' } as const
  return {
    ...described,
    get: () => Promise.resolve({ ...described, values: values() }),
    reset: () => undefined,
  }
}
