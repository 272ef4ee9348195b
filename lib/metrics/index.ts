// sentinel-ipc/metrics: counts for prom-client and OpenTelemetry, and events for a logger.

export { logEvents, type Logger } from './logging.js'
export {
  registerOpenTelemetry,
  type OpenTelemetryHistogram,
  type OpenTelemetryInstrument,
  type OpenTelemetryMeter,
  type OpenTelemetryResult,
} from './opentelemetry.js'
export { registerPrometheus, type MetricsOptions, type PrometheusRegistry } from './prometheus.js'
