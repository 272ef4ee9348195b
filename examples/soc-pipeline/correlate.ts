// soc-correlate: takes events from soc-ingest, looks for incidents among them, and sends those on to soc-respond, each
// one for sure before it takes the next event. Ends when soc-ingest has hung up and everything is sent.

import {
  dialWithRetry,
  newSOCMessage,
  Receiver,
  Sender,
  SOCMsgType,
  type Connection,
  type SOCMessage,
} from 'sentinel-ipc'

import { acceptOne } from './accept-one.js'
import { LatencyHistogram } from './latency.js'
import {
  EVENT_PIPE,
  INCIDENT_PIPE,
  isEventPayload,
  monotonicMicros,
  type CorrelateCounts,
  type IncidentPayload,
} from './protocol.js'
import { Correlation } from './rules/correlation.js'
import type { Incident } from './rules/incidents.js'
import { runStage } from './stage.js'

const DIAL_TRIES = 5

class Correlate {
  readonly #correlation = new Correlation()
  readonly #latency = new LatencyHistogram()
  readonly #sender: Sender
  #receiver: Receiver | undefined
  #received = 0
  #notEvents = 0
  #sent = 0

  constructor(connection: Connection) {
    // No timeout: while incidents are not read, events wait too, all the way back to their source. Nothing gets lost.
    this.#sender = new Sender(connection, 'soc-correlate', { timeoutMs: Infinity })
  }

  counts(): CorrelateCounts {
    return {
      stage: 'soc-correlate',
      received: this.#received,
      refused: this.#notEvents + (this.#receiver?.stats.invalid ?? 0),
      latency: this.#latency.summary(),
      incidents: this.#correlation.incidents,
      sent: this.#sent,
    }
  }

  async run(connection: Connection): Promise<void> {
    // One bad line must not end the pipeline. It counts as refused, and the final sums include it.
    this.#receiver = new Receiver(connection, 'soc-correlate', { onInvalid: 'skip' })
    for await (const batch of this.#receiver.batches()) {
      for (const message of batch) await this.#take(message)
    }
    for (const incident of this.#correlation.finish()) await this.#send(incident)
  }

  close(): Promise<void> {
    return this.#sender.close()
  }

  async #take(message: SOCMessage): Promise<void> {
    const { payload } = message
    if (message.type !== SOCMsgType.Event || !isEventPayload(payload)) {
      ++this.#notEvents
      return
    }
    ++this.#received
    this.#latency.add(monotonicMicros() - payload.sentAt)
    for (const incident of this.#correlation.add(payload, message.id, Date.now())) {
      await this.#send(incident)
    }
  }

  async #send(incident: Incident): Promise<void> {
    const payload: IncidentPayload = { sentAt: monotonicMicros(), ...incident }
    await this.#sender.sendWithRetry(newSOCMessage(SOCMsgType.Incident, payload))
    ++this.#sent
  }
}

await runStage(async (stage, countBy) => {
  const { directory } = stage.config
  const correlate = new Correlate(
    await dialWithRetry(INCIDENT_PIPE, DIAL_TRIES, { directory, signal: stage.stop }),
  )
  countBy(() => correlate.counts())
  try {
    const connection = await acceptOne(EVENT_PIPE, 'soc-ingest', stage)
    if (connection !== undefined) await correlate.run(connection)
  } finally {
    await correlate.close()
  }
})
