// soc-correlate: takes events from soc-ingest, looks for incidents among them, and sends those on to soc-respond. An event
// is acknowledged when the incidents that it made are with soc-respond and the journal has it, so that this process may be
// killed at any moment: the next one goes on where it stood.

import { subscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'

import {
  AcknowledgedSender,
  AcknowledgingReceiver,
  DeliveryLedger,
  newSOCMessage,
  SOCMsgType,
  type Connection,
  type ListenOptions,
  type RejectEvent,
  type SOCMessage,
} from 'sentinel-ipc'

import { Journal } from './journal.js'
import { LatencyHistogram } from './latency.js'
import { letIn } from './let-in.js'
import {
  BURST_ORIGIN,
  EVENT_PIPE,
  INCIDENT_PIPE,
  isEventPayload,
  monotonicMicros,
  type CorrelateCounts,
  type EventPayload,
  type IncidentPayload,
} from './protocol.js'
import { Correlation } from './rules/correlation.js'
import { canBeFact, DECIDING_FIELDS, factOf, type Fact } from './rules/fact.js'
import type { Incident } from './rules/incidents.js'
import { fromSentinelEvent, toSentinelIncident } from './sentinel.js'
import { runStage, type Stage } from './stage.js'
import { plural } from './text.js'

const NO_SUCH_USER = 2 ** 32 - 1

/** Found while the lines are checked. Most events are done with then, and their payloads are never parsed. */
const POINTERS = {
  sentAt: '/sentAt',
  origin: '/origin',
  form: '/form',
  deciding: DECIDING_FIELDS.map((name) => [name, `/event/${name}`] as const),
}
const FIELDS = [
  POINTERS.sentAt,
  POINTERS.origin,
  POINTERS.form,
  ...POINTERS.deciding.map(([, pointer]) => pointer),
]

class Correlate {
  readonly #stage: Stage
  readonly #correlation = new Correlation()
  readonly #latency = new LatencyHistogram()
  readonly #ledger = new DeliveryLedger()
  readonly #journal: Journal
  readonly #sender: AcknowledgedSender
  #receiver: AcknowledgingReceiver | undefined
  #received = 0
  #recovered = 0
  #refused = 0

  constructor(stage: Stage) {
    this.#stage = stage
    const { directory, stateDirectory, sentinel } = stage.config
    this.#journal = new Journal(join(stateDirectory, 'correlate.journal'))
    this.#sender = new AcknowledgedSender(INCIDENT_PIPE, {
      directory,
      ...(sentinel && { onSilentPeer: 'written' }),
    })
  }

  counts(): CorrelateCounts {
    const { acknowledged, written } = this.#sender.stats
    return {
      stage: 'soc-correlate',
      received: this.#received,
      finished: this.#recovered + this.#received,
      recovered: this.#recovered,
      refused: this.#refused + (this.#receiver?.stats.invalid ?? 0),
      latency: this.#latency.summary(),
      incidents: this.#correlation.incidents,
      sent: acknowledged + written,
    }
  }

  /** Brings the rules to where the process before left them. Its last incidents may not have arrived, so all go out again. */
  async recover(): Promise<void> {
    const { records } = this.#journal
    if (records.length === 0) return
    for (const { position, events, facts } of records) {
      this.#recovered += events
      if (position !== undefined) this.#ledger.resumeFrom(position)
      await this.#look(facts)
    }
    const text = `is back: the journal has ${plural(this.#recovered, 'event')} and ${plural(this.#correlation.incidents, 'incident')}`
    void this.#stage.report({ report: 'notice', text })
  }

  async take(connection: Connection): Promise<void> {
    // One bad line must not end the pipeline. It counts as refused, and the final sums include it.
    const receiver = new AcknowledgingReceiver(connection, 'soc-correlate', {
      ledger: this.#ledger,
      onInvalid: 'skip',
      maxInvalid: Infinity,
      // The events of the original programs have another form, and are parsed.
      ...(!this.#stage.config.sentinel && { fields: FIELDS }),
    })
    this.#receiver = receiver
    // Asking for the next run acknowledges the one before.
    for await (const run of receiver.batches()) {
      const facts = run.flatMap((message) => this.#factsOf(message))
      await this.#look(facts)
      this.#journal.append({ position: receiver.position, events: run.length, facts })
      this.#received += run.length
    }
  }

  /** The last messages about incidents that have grown. */
  async finish(): Promise<void> {
    await this.#send(this.#correlation.finish())
    await this.#sender.close({ timeoutMs: Infinity })
    this.#journal.close()
  }

  /** Resolves when soc-respond has finished all incidents that these facts make. */
  async #look(facts: readonly Fact[]): Promise<void> {
    await this.#send(facts.flatMap((fact) => this.#correlation.add(fact)))
  }

  async #send(incidents: readonly Incident[]): Promise<void> {
    if (incidents.length === 0) return
    const messages = incidents.map((incident) => {
      const payload: IncidentPayload = { sentAt: monotonicMicros(), ...incident }
      return newSOCMessage(
        SOCMsgType.Incident,
        this.#stage.config.sentinel ? toSentinelIncident(payload) : payload,
      )
    })
    await this.#sender.sendBatch(messages)
  }

  #factsOf(message: SOCMessage): Fact[] {
    const head = this.#headOf(message)
    const payload = head?.isWanted === true ? this.#payloadOf(message) : undefined
    if (head === undefined || (head.isWanted && payload === undefined)) {
      ++this.#refused
      return []
    }
    if (!head.origin.startsWith(BURST_ORIGIN)) this.#latency.add(monotonicMicros() - head.sentAt)
    const fact = payload && factOf(payload, message.id, Date.now())
    return fact === undefined ? [] : [fact]
  }

  /** What decides about an event; undefined if the message is no event. */
  #headOf(message: SOCMessage): { sentAt: number; origin: string; isWanted: boolean } | undefined {
    if (this.#stage.config.sentinel) {
      const payload = this.#payloadOf(message)
      return payload && { ...payload, isWanted: true }
    }
    if (message.type !== SOCMsgType.Event) return undefined
    const sentAt = message.field(POINTERS.sentAt)
    const origin = message.field(POINTERS.origin)
    const form = message.field(POINTERS.form)
    if (typeof sentAt !== 'number' || typeof origin !== 'string' || typeof form !== 'string') return undefined
    const deciding = Object.fromEntries(
      POINTERS.deciding.map(([name, pointer]) => [name, message.field(pointer)]),
    )
    return { sentAt, origin, isWanted: canBeFact(form, deciding) }
  }

  #payloadOf({ type, payload }: SOCMessage): EventPayload | undefined {
    if (type !== SOCMsgType.Event) return undefined
    if (this.#stage.config.sentinel) return fromSentinelEvent(payload)
    return isEventPayload(payload) ? payload : undefined
  }
}

/** Other users reach the pipe in the scene with the stranger. The policy lets this user in, and no other. */
function doorOf({ reachable }: Stage['config']): ListenOptions {
  return reachable ? { mode: 0o666, policy: { users: [process.getuid?.() ?? NO_SUCH_USER] } } : {}
}

await runStage(async (stage, countBy) => {
  const correlate = new Correlate(stage)
  countBy(() => correlate.counts())
  subscribe('sentinel-ipc:reject', (event) => {
    const { pid, uid, reason } = event as RejectEvent
    const text = `refuses pid ${pid} of uid ${uid ?? 'unknown'} before a byte is read; the rule: ${reason}`
    void stage.report({ report: 'notice', text })
  })
  await correlate.recover()
  const server = await letIn(
    EVENT_PIPE,
    'soc-ingest',
    stage,
    (connection) => correlate.take(connection),
    doorOf(stage.config),
  )
  void stage.report({ report: 'ready' })
  await stage.finish
  await server.close({ timeoutMs: Infinity })
  await correlate.finish()
})
