// soc-respond: takes incidents from soc-correlate and prints them, one line each. Where an incident has only grown, or more
// come than a person can read, it counts instead of printing, and says so. It also replies to requests.

import {
  AcknowledgingReceiver,
  DeliveryLedger,
  Endpoint,
  SOCMsgType,
  type Connection,
  type SOCMessage,
} from 'sentinel-ipc'

import { LatencyHistogram } from './latency.js'
import { letIn } from './let-in.js'
import {
  ASK_PIPE,
  INCIDENT_PIPE,
  isIncidentPayload,
  monotonicMicros,
  type IncidentPayload,
  type RespondCounts,
  type StageConfig,
} from './protocol.js'
import { BoundedMap } from './rules/bounded-map.js'
import { fromSentinelIncident } from './sentinel.js'
import { runStage } from './stage.js'
import { number, plural, printable } from './text.js'

/** Lines that may come at once, and how many more there may be each second after that. */
const BURST_LINES = 25
const LINES_PER_SECOND = 5
const MAX_KNOWN = 10_000
/** Rules that are counted by name. There are fewer, but their names come from a peer. */
const MAX_RULES = 50

class Respond {
  readonly #config: StageConfig
  readonly #ledger = new DeliveryLedger()
  readonly #latency = new LatencyHistogram()
  /** Incidents by their key, and how many events each had. */
  readonly #known = new BoundedMap<string, number>(MAX_KNOWN)
  readonly #rules = new Map<string, { severity: string; incidents: number; events: number }>()
  #receiver: AcknowledgingReceiver | undefined
  #received = 0
  #incidents = 0
  #notIncidents = 0
  #printed = 0
  #repeats = 0
  #unprinted = 0
  #toldUnprinted = 0
  #linesLeft = BURST_LINES
  #refilledAt = monotonicMicros()

  constructor(config: StageConfig) {
    this.#config = config
  }

  counts(): RespondCounts {
    return {
      stage: 'soc-respond',
      received: this.#received,
      refused: this.#notIncidents + (this.#receiver?.stats.invalid ?? 0),
      latency: this.#latency.summary(),
      incidents: this.#incidents,
      printed: this.#printed,
      repeats: this.#repeats,
      unprinted: this.#unprinted,
      rules: [...this.#rules].map(([rule, counts]) => ({ rule, ...counts })),
    }
  }

  async take(connection: Connection): Promise<void> {
    const receiver = new AcknowledgingReceiver(connection, 'soc-respond', {
      ledger: this.#ledger,
      onInvalid: 'skip',
    })
    this.#receiver = receiver
    // Asking for the next message acknowledges the one before.
    for await (const message of receiver) this.#take(message)
    this.#tellUnprinted()
  }

  #take(message: SOCMessage): void {
    const payload = this.#payloadOf(message)
    if (payload === undefined) {
      ++this.#notIncidents
      return
    }
    ++this.#received
    this.#latency.add(monotonicMicros() - payload.sentAt)
    // A restarted soc-correlate reports its incidents again; those known already are not counted as new.
    const before = this.#known.get(payload.key)
    this.#known.set(payload.key, Math.max(payload.count, before ?? 0))
    this.#countRule(payload, before)
    if (before !== undefined) {
      ++this.#repeats
      return
    }
    ++this.#incidents
    if (this.#config.quiet || !this.#takeLine()) {
      ++this.#unprinted
      return
    }
    this.#tellUnprinted()
    ++this.#printed
    process.stdout.write(`${lineOf(payload)}\n`)
  }

  #payloadOf({ type, payload }: SOCMessage): IncidentPayload | undefined {
    if (type !== SOCMsgType.Incident) return undefined
    if (this.#config.sentinel) return fromSentinelIncident(payload)
    return isIncidentPayload(payload) ? payload : undefined
  }

  #countRule({ rule, severity, count }: IncidentPayload, before: number | undefined): void {
    let counts = this.#rules.get(rule)
    if (counts === undefined) {
      if (this.#rules.size >= MAX_RULES) return
      counts = { severity, incidents: 0, events: 0 }
      this.#rules.set(rule, counts)
    }
    if (before === undefined) ++counts.incidents
    counts.events += Math.max(count - (before ?? 0), 0)
  }

  /** Whether another line may be printed now. */
  #takeLine(): boolean {
    const now = monotonicMicros()
    const refill = ((now - this.#refilledAt) / 1e6) * LINES_PER_SECOND
    this.#linesLeft = Math.min(BURST_LINES, this.#linesLeft + refill)
    this.#refilledAt = now
    if (this.#linesLeft < 1) return false
    --this.#linesLeft
    return true
  }

  #tellUnprinted(): void {
    const untold = this.#unprinted - this.#toldUnprinted
    if (untold === 0 || this.#config.quiet) return
    this.#toldUnprinted = this.#unprinted
    process.stdout.write(`… ${plural(untold, 'more incident')} came too fast to be printed\n`)
  }
}

/** The text comes from the author of the events, so none of it goes to the terminal unescaped. */
function lineOf({ severity, firstSeen, host, rule, title, count, evidence }: IncidentPayload): string {
  const first = evidence[0]?.origin ?? ''
  return [
    printable(severity, 8).toUpperCase().padEnd(8),
    printable(firstSeen.slice(0, 19).replace('T', ' '), 19),
    printable(host, 30),
    printable(rule, 40),
    printable(title, 110) + (count > 1 ? ` (${number(count)} events)` : ''),
    `[${printable(first, 60)}]`,
  ].join('  ')
}

await runStage(async (stage, countBy) => {
  const respond = new Respond(stage.config)
  countBy(() => respond.counts())
  const incidents = await letIn(INCIDENT_PIPE, 'soc-correlate', stage, (connection) =>
    respond.take(connection),
  )
  const requests = await letIn(ASK_PIPE, 'soc-ingest', stage, async (connection) => {
    const endpoint = new Endpoint(connection, 'soc-respond')
    endpoint.respond('soc_ask', ({ payload }) => payload)
    await endpoint.whenClosed()
  })
  void stage.report({ report: 'ready' })
  await stage.finish
  await Promise.all([incidents, requests].map((server) => server.close({ timeoutMs: Infinity })))
})
