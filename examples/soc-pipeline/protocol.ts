// The payloads of the two pipes, and the reports of the three processes for the live view.
// Events and incidents go over sentinel-ipc only; reports and the one command go over Node's own fork channel.

/** First hop, from soc-ingest to soc-correlate. */
export const EVENT_PIPE = 'soc-ingest-to-correlate'
/** Second hop, from soc-correlate to soc-respond. */
export const INCIDENT_PIPE = 'soc-correlate-to-respond'

/** Where an event comes from, which determines how to read it. */
export type EventForm = 'json' | 'syslog' | 'process' | 'listener'

/** Payload of a message on {@link EVENT_PIPE}. */
export interface EventPayload {
  /** When it was sent, see `monotonicMicros`. */
  readonly sentAt: number
  /** Where it was found: file and line, or `this machine`. */
  readonly origin: string
  readonly form: EventForm
  readonly event: Readonly<Record<string, unknown>>
}

export type Severity = 'low' | 'medium' | 'high' | 'critical'

/** One event that an incident rests on. */
export interface Evidence {
  /** Id of the message that carried it. */
  readonly id: string
  readonly origin: string
}

/** Payload of a message on {@link INCIDENT_PIPE}. Sent again, with the same key, when the incident has grown. */
export interface IncidentPayload {
  readonly sentAt: number
  /** The same for every message about the same incident. */
  readonly key: string
  readonly rule: string
  readonly severity: Severity
  readonly title: string
  readonly host: string
  /** Events so far. */
  readonly count: number
  /** The first few of them. */
  readonly evidence: readonly Evidence[]
  /** Time of the first and the last event by their own clock, ISO 8601. */
  readonly firstSeen: string
  readonly lastSeen: string
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether a payload has the form that soc-ingest sends. The peer's identity is checked, but its data is still input.
 */
export function isEventPayload(value: unknown): value is EventPayload {
  return (
    isRecord(value) &&
    typeof value.sentAt === 'number' &&
    typeof value.origin === 'string' &&
    typeof value.form === 'string' &&
    isRecord(value.event)
  )
}

/** Whether a payload has the form that soc-correlate sends. */
export function isIncidentPayload(value: unknown): value is IncidentPayload {
  return (
    isRecord(value) &&
    typeof value.sentAt === 'number' &&
    ['key', 'rule', 'severity', 'title', 'host', 'firstSeen', 'lastSeen'].every(
      (name) => typeof value[name] === 'string',
    ) &&
    typeof value.count === 'number' &&
    Array.isArray(value.evidence)
  )
}

/** Microseconds by the monotonic clock, which on Linux all processes share (CLOCK_MONOTONIC, clock_gettime(2)). */
export function monotonicMicros(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + Math.round(nanoseconds / 1e3)
}

/** Time from send to handled, waiting in buffers included; undefined before there was a message. */
export interface Latency {
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** Counts of soc-ingest: read = events + unparsed, and events = written + pending + dropped. */
export interface IngestCounts {
  readonly stage: 'soc-ingest'
  /** The input being read, in words. */
  readonly doing: string
  /** Lines read, or things observed on this machine. */
  readonly read: number
  readonly events: Readonly<Record<EventForm, number>>
  /** Lines that became no event, by reason; `refused`: JSON that the library does not send. */
  readonly unparsed: Readonly<Record<'blank' | 'unknown' | 'tooLong' | 'refused', number>>
  readonly written: number
  readonly pending: number
  readonly dropped: number
  /** Times that the reader had to wait because the buffer was full. */
  readonly waits: number
}

export interface CorrelateCounts {
  readonly stage: 'soc-correlate'
  readonly received: number
  /** Lines that the receiver refused, and messages of another type or shape. */
  readonly refused: number
  readonly latency: Latency
  /** Different incidents. */
  readonly incidents: number
  /** Messages about incidents, including the growth of one. */
  readonly sent: number
}

export interface RespondCounts {
  readonly stage: 'soc-respond'
  readonly received: number
  readonly refused: number
  readonly latency: Latency
  readonly printed: number
  /** Growth of incidents that were printed already. */
  readonly repeats: number
  /** New incidents not printed because they came too fast to read, or because printing is off. */
  readonly unprinted: number
  readonly rules: readonly RuleCount[]
}

/** How often a rule fired. */
export interface RuleCount {
  readonly rule: string
  readonly severity: string
  readonly incidents: number
  /** Events that these incidents rest on. */
  readonly events: number
}

export type Counts = IngestCounts | CorrelateCounts | RespondCounts
export type StageName = Counts['stage']

/** From a stage to the live view. */
export type Report =
  /** Its pipe can be dialled, or, for soc-ingest, reading begins. */
  | { readonly report: 'ready' }
  /** A note in words: who connected, which line could not be parsed. */
  | { readonly report: 'notice'; readonly text: string }
  | { readonly report: 'status' | 'final'; readonly counts: Counts }

/** From the live view to a stage: stop. */
export interface StopCommand {
  readonly command: 'stop'
}

export function isReport(value: unknown): value is Report {
  return isRecord(value) && typeof value.report === 'string'
}

export function isStopCommand(value: unknown): value is StopCommand {
  return isRecord(value) && value.command === 'stop'
}

/** What main hands to a stage, as JSON in its one argument. */
export interface StageConfig {
  /** Where the sockets are. */
  readonly directory: string
  /** Files to read, `-` for standard input; empty for this machine's own activity. */
  readonly files: readonly string[]
  /** Read at most this many events a second. */
  readonly rate: number | undefined
  /** Print no incidents. */
  readonly quiet: boolean
}
