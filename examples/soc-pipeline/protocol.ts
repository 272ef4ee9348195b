// The payloads of the pipes, and the reports of the three processes for the live view.
// Events and incidents go over sentinel-ipc only; reports and commands go over Node's own fork channel.

/** Beginning of the origin of events of the burst, which wait in queues and say nothing of what a hop takes. */
export const BURST_ORIGIN = 'burst:'

/** First hop, from soc-ingest to soc-correlate. */
export const EVENT_PIPE = 'soc-ingest-to-correlate'
/** Second hop, from soc-correlate to soc-respond. */
export const INCIDENT_PIPE = 'soc-correlate-to-respond'
/** Requests to soc-respond. */
export const ASK_PIPE = 'soc-respond-ask'

/** Where an event comes from, which determines how to read it. */
export type EventForm = 'json' | 'syslog' | 'process' | 'listener'

/** Payload of a message on {@link EVENT_PIPE}. */
export interface EventPayload {
  /** When it was sent, see `monotonicMicros`. */
  readonly sentAt: number
  /** Where it was found: file and line, `this machine`, or the burst. */
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

/** Counts of soc-ingest: read = events + unparsed, and events = settled + pending + rejected + dropped. */
export interface IngestCounts {
  readonly stage: 'soc-ingest'
  /** The input being read, in words. */
  readonly doing: string
  /** Lines read, or things observed on this machine. */
  readonly read: number
  readonly events: Readonly<Record<EventForm, number>>
  /** Lines that became no event, by reason; `refused`: JSON that the library does not send. */
  readonly unparsed: Readonly<Record<'blank' | 'unknown' | 'tooLong' | 'refused', number>>
  /** Events that soc-correlate has finished, as it says itself. */
  readonly settled: number
  /** Events in the spool. */
  readonly pending: number
  readonly rejected: number
  readonly dropped: number
  /** Connections to soc-correlate so far. */
  readonly connections: number
}

export interface CorrelateCounts {
  readonly stage: 'soc-correlate'
  /** Events that this process took. */
  readonly received: number
  /** Events finished by this process and by those before it, as the journal has them. */
  readonly finished: number
  /** Of these, finished by processes before this one. */
  readonly recovered: number
  /** Lines that the receiver refused, and messages of another type or shape. */
  readonly refused: number
  readonly latency: Latency
  /** Different incidents, those found by earlier processes included. */
  readonly incidents: number
  /** Messages about incidents that soc-respond has finished, including the growth of one. */
  readonly sent: number
}

export interface RespondCounts {
  readonly stage: 'soc-respond'
  readonly received: number
  readonly refused: number
  readonly latency: Latency
  /** Different incidents. */
  readonly incidents: number
  readonly printed: number
  /** Growth of incidents that were printed already, and repeats by a soc-correlate that came back. */
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
  /** A stage has done what a command asked for. */
  | ({ readonly report: 'done' } & Done)
  | { readonly report: 'status' | 'final'; readonly counts: Counts }

/** The outcome of a command; when the demo was stopped meanwhile, with what there was by then. */
export type Done =
  | {
      readonly command: 'burst'
      readonly events: number
      readonly seconds: number
      /** How often it sent the whole sample. */
      readonly times: number
    }
  | { readonly command: 'ask'; readonly requests: number; readonly latency: Latency }

/** From the live view to a stage. */
export type Command =
  /** Read no more. */
  | { readonly command: 'stop' }
  /** The stage before has ended: no more clients will come. */
  | { readonly command: 'finish' }
  /** soc-ingest: send as fast as soc-correlate takes, for so long. */
  | { readonly command: 'burst'; readonly seconds: number }
  /** soc-ingest: measure round trips to soc-respond. */
  | { readonly command: 'ask'; readonly requests: number }

export function isReport(value: unknown): value is Report {
  return isRecord(value) && typeof value.report === 'string'
}

export function isCommand(value: unknown): value is Command {
  return isRecord(value) && typeof value.command === 'string'
}

/** What main hands to a stage, as JSON in its one argument. */
export interface StageConfig {
  /** Where the sockets are. */
  readonly directory: string
  /** Where the spool and the journal are: a directory of this run alone. */
  readonly stateDirectory: string
  /** Files to read, `-` for standard input; empty for the sample and this machine's own activity. */
  readonly files: readonly string[]
  /** Replay the sample over so many seconds; undefined: no sample. */
  readonly sampleSeconds: number | undefined
  /** Read at most this many events a second. */
  readonly rate: number | undefined
  /** Print no incidents. */
  readonly quiet: boolean
  /** Let other users reach the first pipe, so that its policy has a stranger to refuse. */
  readonly reachable: boolean
  /** Speak with the original Go programs: no acknowledgements, their payloads. */
  readonly sentinel: boolean
}
