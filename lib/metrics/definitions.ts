// The metrics: names, meaning and labels, and the contribution of each kind of object. The exporters, the dashboard and
// the documentation follow this list.

import type { ObservedKind } from '../observe/registry.js'

/**
 * A metric. Names have no prefix and follow the conventions of Prometheus; the names for OpenTelemetry are derived from
 * them.
 */
export interface MetricDefinition {
  readonly kind: 'counter' | 'gauge'
  readonly help: string
  /** The unit in UCUM, for OpenTelemetry. */
  readonly unit: string
  readonly labels: readonly string[]
}

/** All metrics, by name. */
export const METRICS = {
  connections: gauge('Open connections.', '{connection}'),
  accepted_connections_total: counter('Connections that listeners let in.', '{connection}'),
  refused_connections_total: counter('Connections that listeners turned away.', '{connection}'),
  refusals_total: counter('Connections turned away, by the rule that decided.', '{connection}', 'reason'),
  closed_connections_total: counter('Connections that ended, by reason.', '{connection}', 'reason'),
  served_connections_total: counter(
    'Connections whose handler has finished, by outcome.',
    '{connection}',
    'outcome',
  ),
  messages_received_total: counter('Messages read.', '{message}'),
  received_bytes_total: counter('Bytes read.', 'By'),
  received_batches_total: counter('Reads that returned bytes.', '{batch}'),
  messages_sent_total: counter('Messages written.', '{message}'),
  sent_bytes_total: counter('Bytes given to the kernel.', 'By'),
  sent_batches_total: counter('Batches given to the kernel.', '{batch}'),
  invalid_lines_total: counter('Lines that were not messages, by reason.', '{line}', 'reason'),
  dropped_messages_total: counter('Messages given up on the sending side, by reason.', '{message}', 'reason'),
  settled_messages_total: counter(
    'Messages of acknowledged flows that were settled, by side (sender, receiver) and outcome.',
    '{message}',
    'side',
    'outcome',
  ),
  deliveries_total: counter('Times that a message of an acknowledged flow was handed out.', '{message}'),
  duplicate_messages_total: counter(
    'Messages that came again after they were settled, and were skipped.',
    '{message}',
  ),
  redials_total: counter('Connections that acknowledged senders made after their first.', '{connection}'),
  requests_handled_total: counter('Requests that a handler was called for.', '{request}'),
  requests_refused_total: counter('Requests that got an error without a handler.', '{request}'),
  pending_messages: gauge('Messages and requests that wait, by what holds them.', '{message}', 'holder'),
  spool_messages: gauge('Messages that wait in open spools.', '{message}'),
  spool_bytes: gauge('Bytes of the messages that wait in open spools.', 'By'),
  held_bytes: gauge('Bytes that connections make this process hold, as listeners account for them.', 'By'),
} as const satisfies Readonly<Record<string, MetricDefinition>>

/** Name of a metric in {@link METRICS}. */
export type MetricName = keyof typeof METRICS

/** The contribution of one object to one metric. */
export interface Sample {
  readonly metric: MetricName
  /** Values of the metric's labels, in their order. */
  readonly labels: readonly string[]
  readonly value: number
}

type Stats = Readonly<Record<string, unknown>>

/** The contributions of each kind of object. Values come from its `stats`; for counters they never decrease. */
export const CONTRIBUTIONS: Readonly<Record<ObservedKind, (stats: Stats) => Sample[]>> = {
  connection: () => [],
  writer: (stats) => [
    one('messages_sent_total', stats, 'messages'),
    one('sent_bytes_total', stats, 'bytes'),
    one('sent_batches_total', stats, 'batches'),
  ],
  receiver: (stats) => [
    one('messages_received_total', stats, 'received'),
    one('received_bytes_total', stats, 'bytes'),
    one('received_batches_total', stats, 'batches'),
  ],
  'acknowledging-receiver': (stats) => [
    one('messages_received_total', stats, 'received'),
    one('received_bytes_total', stats, 'bytes'),
    one('received_batches_total', stats, 'batches'),
    one('deliveries_total', stats, 'delivered'),
    one('duplicate_messages_total', stats, 'duplicates'),
    one('settled_messages_total', stats, 'accepted', 'receiver', 'accepted'),
    one('settled_messages_total', stats, 'rejected', 'receiver', 'rejected'),
    one('settled_messages_total', stats, 'released', 'receiver', 'released'),
    one('pending_messages', stats, 'waiting', 'acknowledging-receiver'),
    one('pending_messages', stats, 'inHand', 'application'),
  ],
  'buffered-sender': (stats) => [
    one('pending_messages', stats, 'pending', 'buffered-sender'),
    ...drops(stats['droppedBy']),
  ],
  subscriber: (stats) => [
    // A publisher hands lines to the writer, which does not count them as messages.
    one('messages_sent_total', stats, 'written'),
    one('pending_messages', stats, 'pending', 'subscriber'),
    one('dropped_messages_total', stats, 'dropped', 'subscriber-full'),
  ],
  endpoint: (stats) => [
    one('requests_handled_total', stats, 'handled'),
    one('requests_refused_total', stats, 'refused'),
    one('pending_messages', stats, 'pending', 'requests'),
    one('pending_messages', stats, 'handling', 'handlers'),
    one('dropped_messages_total', stats, 'dropped', 'endpoint-full'),
  ],
  listener: (stats) => [
    one('accepted_connections_total', stats, 'accepted'),
    one('refused_connections_total', stats, 'refused'),
    one('held_bytes', stats, 'heldBytes'),
  ],
  server: (stats) => [
    {
      metric: 'served_connections_total',
      labels: ['finished'],
      value: numberOf(stats, 'served') - numberOf(stats, 'failed'),
    },
    one('served_connections_total', stats, 'failed', 'failed'),
    one('served_connections_total', stats, 'aborted', 'aborted'),
  ],
  'acknowledged-sender': (stats) => [
    one('settled_messages_total', stats, 'acknowledged', 'sender', 'acknowledged'),
    one('settled_messages_total', stats, 'rejected', 'sender', 'rejected'),
    one('settled_messages_total', stats, 'written', 'sender', 'written'),
    one('pending_messages', stats, 'pending', 'acknowledged-sender'),
    { metric: 'redials_total', labels: [], value: Math.max(0, numberOf(stats, 'connections') - 1) },
    ...drops(stats['droppedBy']),
  ],
  spool: (stats) => [one('spool_messages', stats, 'messages'), one('spool_bytes', stats, 'bytes')],
}

function counter(help: string, unit: string, ...labels: string[]): MetricDefinition {
  return { kind: 'counter', help, unit, labels }
}

function gauge(help: string, unit: string, ...labels: string[]): MetricDefinition {
  return { kind: 'gauge', help, unit, labels }
}

function one(metric: MetricName, stats: Stats, key: string, ...labels: string[]): Sample {
  return { metric, labels, value: numberOf(stats, key) }
}

function numberOf(stats: Stats, key: string): number {
  const value = stats[key]
  return typeof value === 'number' ? value : 0
}

function drops(droppedBy: unknown): Sample[] {
  return Object.entries((droppedBy ?? {}) as Record<string, number>).map(([reason, value]) => ({
    metric: 'dropped_messages_total',
    labels: [reason],
    value,
  }))
}
