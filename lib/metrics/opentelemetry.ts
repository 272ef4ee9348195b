// The metrics for a meter of @opentelemetry/api, by the conventions there: dots, units in UCUM, no `_total`. Nothing of it is
// imported: the application hands in its meter.

import { callUser } from '../base/user-code.js'
import { listenForLatencies } from '../observe/latency.js'
import { acquireCollector, LATENCY_BOUNDS } from './collector.js'
import { METRICS, type MetricName } from './definitions.js'
import type { MetricsOptions } from './prometheus.js'

/** What a callback is given. */
export interface OpenTelemetryResult {
  /** Reports a value. */
  observe(value: number, attributes?: Readonly<Record<string, string>>): void
}

/** The part of an instrument of OpenTelemetry that is used. */
export interface OpenTelemetryInstrument {
  /** Has `callback` called when the meter is read. */
  addCallback(callback: (result: OpenTelemetryResult) => void): void
  /** Ends that. */
  removeCallback(callback: (result: OpenTelemetryResult) => void): void
}

/** The part of a histogram of OpenTelemetry that is used. */
export interface OpenTelemetryHistogram {
  /** Records a value. */
  record(value: number): void
}

/** The part of OpenTelemetry's `Meter` that is used (tried with @opentelemetry/api 1). */
export interface OpenTelemetryMeter {
  /** Makes a counter that is read by callbacks. */
  createObservableCounter(
    name: string,
    options: { readonly description: string; readonly unit: string },
  ): OpenTelemetryInstrument
  /** Makes a gauge that is read by callbacks. */
  createObservableGauge(
    name: string,
    options: { readonly description: string; readonly unit: string },
  ): OpenTelemetryInstrument
  /** Makes a histogram. */
  createHistogram(
    name: string,
    options: {
      readonly description: string
      readonly unit: string
      readonly advice: { explicitBucketBoundaries: number[] }
    },
  ): OpenTelemetryHistogram
}

/**
 * Adds the metrics of this thread to a meter of OpenTelemetry. They are counted when the meter is read, but for the times of
 * requests: there is no observable histogram, so each is recorded when the reply comes, in a microtask of its own.
 *
 * @returns a function that ends it
 * @throws TypeError if `meter` is not a meter of OpenTelemetry
 */
export function registerOpenTelemetry(meter: OpenTelemetryMeter, options: MetricsOptions = {}): () => void {
  if (typeof (meter as Partial<OpenTelemetryMeter> | undefined)?.createObservableCounter !== 'function') {
    throw new TypeError('registerOpenTelemetry: meter must be a Meter of OpenTelemetry')
  }
  const { prefix = 'sentinel_ipc.' } = options
  const { collector, release } = acquireCollector()
  const removers = (Object.keys(METRICS) as MetricName[]).map((name) => {
    const { kind, help, unit } = METRICS[name]
    const words = { description: help, unit }
    const named = prefix + openTelemetryName(name)
    const instrument =
      kind === 'counter'
        ? meter.createObservableCounter(named, words)
        : meter.createObservableGauge(named, words)
    const callback = (result: OpenTelemetryResult): void => {
      const found = collector.collect().find((metric) => metric.name === name)
      for (const { labels, value } of found?.values ?? []) result.observe(value, labels)
    }
    instrument.addCallback(callback)
    return () => {
      instrument.removeCallback(callback)
    }
  })
  const histogram = meter.createHistogram(`${prefix}request.duration`, {
    description: 'Time from a request of an endpoint to its reply.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...LATENCY_BOUNDS] },
  })
  const record = (ms: number): void => {
    histogram.record(ms / 1000)
  }
  removers.push(
    listenForLatencies((ms) => {
      callUser('meter', record, ms)
    }),
  )
  return () => {
    for (const remove of removers) remove()
    release()
  }
}

/** `messages_received_total` becomes `messages.received`. */
export function openTelemetryName(name: MetricName): string {
  return name.replace(/_total$/, '').replaceAll('_', '.')
}
