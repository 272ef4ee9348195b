// Carries the trace context of OpenTelemetry in a message's meta. The caller passes its own `@opentelemetry/api`, so
// that this package neither depends on it nor finds another copy of it.

import type { SOCMessage } from './message.js'
import type { Meta } from './meta.js'

/** The parts of the module `@opentelemetry/api` that are used. */
export interface TraceApi<Context> {
  /** Access to the active context. */
  readonly context: {
    /** The active context. */
    active(): Context
  }
  /**
   * Writes and reads contexts as the application has configured: by default W3C Trace Context, once an SDK is
   * registered.
   */
  readonly propagation: {
    /** Writes a context into a carrier. */
    inject(context: Context, carrier: Record<string, string>): void
    /** Reads a context from a carrier, on top of another one. */
    extract(context: Context, carrier: Record<string, string>): Context
  }
}

/**
 * Returns the meta for a new message with the active trace context added: `traceparent`, and the other keys that the
 * configured propagator writes. Without an active span or a configured propagator nothing is added.
 *
 * @param api the module `@opentelemetry/api`
 * @param meta further keys for the message
 */
export function injectTrace<Context>(api: TraceApi<Context>, meta: Meta = {}): Meta {
  const carrier: Record<string, string> = {}
  api.propagation.inject(api.context.active(), carrier)
  return { ...meta, ...carrier }
}

/**
 * Returns the trace context of a received message, on top of the active context: pass it to `tracer.startSpan` as the
 * parent, or to `context.with`. Returns the active context if the message carries none.
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
