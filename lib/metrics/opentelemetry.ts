// Exports the metrics to a meter of @opentelemetry/api, by the conventions of OpenTelemetry: dots, units in UCUM, no
// `_total`. Imports nothing of that package: the application passes its meter.

import { callUser } from '../base/user-code.js'
import { listenForLatencies } from '../observe/latency.js'
import { acquireCollector, LATENCY_BOUNDS } from './collector.js'
import { METRICS, type MetricName } from './definitions.js'
import type { MetricsOptions } from './prometheus.js'

/** The argument of a callback (OpenTelemetry: `ObservableResult`). */
export interface OpenTelemetryResult {
  /** Reports a value. */
  observe(value: number, attributes?: Readonly<Record<string, string>>): void
}

/** The methods of OpenTelemetry's `Observable` that are used. */
export interface OpenTelemetryInstrument {
  /** Registers a callback that the meter calls when it is read. */
  addCallback(callback: (result: OpenTelemetryResult) => void): void
  /** Removes a callback. */
  removeCallback(callback: (result: OpenTelemetryResult) => void): void
}

/** The methods of OpenTelemetry's `Histogram` that are used. */
export interface OpenTelemetryHistogram {
  /** Records a value. */
  record(value: number): void
}

/** The methods of OpenTelemetry's `Meter` that are used (tested with @opentelemetry/api 1). */
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
 * Adds the metrics of this thread to a meter of OpenTelemetry. They are collected when the meter is read. The durations
 * of requests are the exception: OpenTelemetry has no observable histogram, so each duration is recorded when the reply
 * arrives, in a microtask of its own.
 *
 * @returns a function that removes the callbacks and stops the recording
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
