// Carries the trace context of OpenTelemetry in a message's meta. The caller passes its own `@opentelemetry/api`, so that
// this package neither depends on it nor finds another copy of it.

import type { SOCMessage } from './message.js'
import type { Meta } from './meta.js'

/** The parts of the module `@opentelemetry/api` that are used. */
export interface TraceApi<Context> {
  /** Gives the context that is active. */
  readonly context: {
    /** The active context. */
    active(): Context
  }
  /** Writes and reads contexts as the application has configured: by default W3C Trace Context, once an SDK is registered. */
  readonly propagation: {
    /** Writes a context into a carrier. */
    inject(context: Context, carrier: Record<string, string>): void
    /** Reads a context from a carrier, on top of another one. */
    extract(context: Context, carrier: Record<string, string>): Context
  }
}

/**
 * The meta for a new message, with the active trace context added: `traceparent`, and whatever else the configured
 * propagator writes. Without an active span or a configured propagator nothing is added.
 *
 * @param api the module `@opentelemetry/api`
 * @param meta what else the message carries
 */
export function injectTrace<Context>(api: TraceApi<Context>, meta: Meta = {}): Meta {
  const carrier: Record<string, string> = {}
  api.propagation.inject(api.context.active(), carrier)
  return { ...meta, ...carrier }
}

/**
 * The trace context that a received message carries, on top of the active one: pass it to `tracer.startSpan` as the parent,
 * or to `context.with`. The active context itself if the message has none.
 *
 * The peer chose it: if you do not trust the peer, start a new trace and link to it.
 *
 * @param api the module `@opentelemetry/api`
 */
export function extractTrace<Context>(api: TraceApi<Context>, message: Pick<SOCMessage, 'meta'>): Context {
  const carrier: Record<string, string> = {}
  // Propagators expect text; a peer may have sent any JSON.
  for (const [key, value] of Object.entries(message.meta)) if (typeof value === 'string') carrier[key] = value
  return api.propagation.extract(api.context.active(), carrier)
}
