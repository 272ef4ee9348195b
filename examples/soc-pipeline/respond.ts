// soc-respond: takes incidents from soc-correlate and prints them, one line each. Where an incident has only grown, or more come than a person can read, it counts instead of printing, and says so.

import { Receiver, SOCMsgType, type Connection, type SOCMessage } from 'sentinel-ipc'

import { acceptOne } from './accept-one.js'
import { LatencyHistogram } from './latency.js'
import {
  INCIDENT_PIPE,
  isIncidentPayload,
  monotonicMicros,
  type IncidentPayload,
  type RespondCounts,
} from './protocol.js'
import { BoundedMap } from './rules/bounded-map.js'
import { runStage } from './stage.js'
import { number, plural, printable } from './text.js'

/** Lines that may come at once, and how many more there may be each second after that. */
const BURST_LINES = 25
const LINES_PER_SECOND = 5
const MAX_KNOWN = 10_000
/** Rules that are counted by name. There are fewer, but their names come from a peer. */
const MAX_RULES = 50

class Respond {
  readonly #quiet: boolean
  readonly #latency = new LatencyHistogram()
  /** Incidents by their key, and how many events each had. */
  readonly #known = new BoundedMap<string, number>(MAX_KNOWN)
  readonly #rules = new Map<string, { severity: string; incidents: number; events: number }>()
  #receiver: Receiver | undefined
  #received = 0
  #notIncidents = 0
  #printed = 0
  #repeats = 0
  #unprinted = 0
  #toldUnprinted = 0
  #linesLeft = BURST_LINES
  #refilledAt = monotonicMicros()

  constructor(quiet: boolean) {
    this.#quiet = quiet
  }

  counts(): RespondCounts {
    return {
      stage: 'soc-respond',
      received: this.#received,
      refused: this.#notIncidents + (this.#receiver?.stats.invalid ?? 0),
      latency: this.#latency.summary(),
      printed: this.#printed,
      repeats: this.#repeats,
      unprinted: this.#unprinted,
      rules: [...this.#rules].map(([rule, counts]) => ({ rule, ...counts })),
    }
  }

  async run(connection: Connection): Promise<void> {
    this.#receiver = new Receiver(connection, 'soc-respond', { onInvalid: 'skip' })
    for await (const message of this.#receiver) this.#take(message)
    this.#tellUnprinted()
  }

  #take(message: SOCMessage): void {
    const { payload } = message
    if (message.type !== SOCMsgType.Incident || !isIncidentPayload(payload)) {
      ++this.#notIncidents
      return
    }
    ++this.#received
    this.#latency.add(monotonicMicros() - payload.sentAt)
    const before = this.#known.get(payload.key)
    this.#known.set(payload.key, payload.count)
    this.#countRule(payload, before)
    if (before !== undefined) {
      ++this.#repeats
      return
    }
    if (this.#quiet || !this.#takeLine()) {
      ++this.#unprinted
      return
    }
    this.#tellUnprinted()
    ++this.#printed
    process.stdout.write(`${lineOf(payload)}\n`)
  }

  #countRule({ rule, severity, count }: IncidentPayload, before: number | undefined): void {
    let counts = this.#rules.get(rule)
    if (counts === undefined) {
      if (this.#rules.size >= MAX_RULES) return
      counts = { severity, incidents: 0, events: 0 }
      this.#rules.set(rule, counts)
    }
    if (before === undefined) ++counts.incidents
    counts.events += count - (before ?? 0)
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
    if (untold === 0 || this.#quiet) return
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
  const respond = new Respond(stage.config.quiet)
  countBy(() => respond.counts())
  const connection = await acceptOne(INCIDENT_PIPE, 'soc-correlate', stage)
  if (connection !== undefined) await respond.run(connection)
})
