// The payloads of the original Go programs, for --sentinel: what their collector sends as an event, and what their responder
// takes as an incident. Fields that are absent or of another kind are left out, so that a newer program is understood too.

import { monotonicMicros, type EventPayload, type IncidentPayload, type Severity } from './protocol.js'
import { parseLine } from './sources/parse-line.js'

type Fields = Readonly<Record<string, unknown>>

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}

/**
 * Makes an event of an event of the Go collector. What happened is in its own `payload`, as the line of a log; an event
 * without one is looked at as it came.
 */
export function fromSentinelEvent(payload: unknown): EventPayload | undefined {
  if (!isFields(payload)) return undefined
  const sensor = textOf(payload, 'sensor_id') || textOf(payload, 'source')
  const origin = `sensor ${sensor || 'unknown'}`
  const line = textOf(payload, 'payload')
  const parsed = parseLine(line, origin)
  if (typeof parsed === 'object') return parsed.message.payload as EventPayload
  return { sentAt: monotonicMicros(), origin, form: 'json', event: payload }
}

/** Makes an event of the kind that the Go correlator takes. */
export function toSentinelEvent({ origin, form, event }: EventPayload, id: string): Fields {
  return {
    id,
    source: form,
    sensor_id: origin,
    severity: 'INFO',
    category: form,
    description: origin,
    payload: JSON.stringify(event),
    timestamp: new Date().toISOString(),
  }
}

/** Makes an incident of the kind that the Go responder takes. */
export function toSentinelIncident(incident: IncidentPayload): Fields {
  return {
    id: incident.key,
    status: 'OPEN',
    severity: incident.severity.toUpperCase(),
    title: incident.title,
    description: `${incident.title}, on ${incident.host}`,
    event_count: incident.count,
    correlation_rule: incident.rule,
    created_at: incident.firstSeen,
  }
}

/** Makes an incident of one that the Go correlator sends. */
export function fromSentinelIncident(payload: unknown): IncidentPayload | undefined {
  if (!isFields(payload)) return undefined
  const key = textOf(payload, 'id')
  const title = textOf(payload, 'title')
  if (key === '' || title === '') return undefined
  const severity = textOf(payload, 'severity').toLowerCase()
  const created = textOf(payload, 'created_at')
  return {
    sentAt: monotonicMicros(),
    key,
    rule: textOf(payload, 'correlation_rule') || 'unnamed rule',
    severity: isSeverity(severity) ? severity : 'low',
    title,
    host: 'sentinel',
    count: Number(textOf(payload, 'event_count')) || 1,
    evidence: [],
    firstSeen: created,
    lastSeen: created,
  }
}

function isSeverity(text: string): text is Severity {
  return ['low', 'medium', 'high', 'critical'].includes(text)
}
