// soc-ingest: reads lines, replays the sample, or watches this machine, makes an event message of each, and sends them through
// a spool. When there is no room it waits, so that a slow stage slows the reading, and nothing is lost.

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

import {
  AcknowledgedSender,
  dialWithRetry,
  Endpoint,
  IpcError,
  newSOCMessage,
  SOCMsgType,
  Spool,
  type IpcErrorCode,
  type SOCMessage,
} from 'sentinel-ipc'

import { LatencyHistogram } from './latency.js'
import {
  ASK_PIPE,
  BURST_ORIGIN,
  EVENT_PIPE,
  monotonicMicros,
  type Done,
  type EventForm,
  type EventPayload,
  type IngestCounts,
} from './protocol.js'
import { toSentinelEvent } from './sentinel.js'
import { readFiles, type LineRun } from './sources/files.js'
import { eventMessage, parseLine } from './sources/parse-line.js'
import { watchMachine } from './sources/proc.js'
import { runStage, type Stage } from './stage.js'
import { plural, printable } from './text.js'

/** Number of unparsed lines that are shown; all are counted. */
const MAX_SAMPLES = 3
/** A wait shorter than this is not worth a timer. */
const SHORTEST_PAUSE_MS = 5
/** After so many events the reader waits until half of the room is free. */
const EVENTS_PER_WAIT = 256
const SAMPLE = fileURLToPath(
  new URL('../../../examples/soc-pipeline/sample/events.ndjson.gz', import.meta.url),
)
const DIAL_TRIES = 5
/** Round trips that are not counted: they warm up the connection and the compiled code. */
const WARM_UP_REQUESTS = 500

class Ingest {
  readonly #stage: Stage
  readonly #sender: AcknowledgedSender
  readonly #begin = performance.now()
  #doing = ''
  #read = 0
  #samples = 0
  #sent = 0
  /** Lines of the sample that became events, for the burst. */
  readonly #lines: string[] = []
  /** Events by where they come from. */
  readonly #events = { json: 0, syslog: 0, process: 0, listener: 0 }
  readonly #unparsed = { blank: 0, unknown: 0, tooLong: 0, refused: 0 }

  constructor(stage: Stage, spool: Spool) {
    const { directory, sentinel } = stage.config
    this.#stage = stage
    this.#sender = new AcknowledgedSender(EVENT_PIPE, {
      directory,
      spool,
      maxBackoffMs: 200,
      ...(sentinel && { onSilentPeer: 'written' }),
      onEvent: (event) => {
        if (event.type === 'lost' || event.type === 'rejected' || event.type === 'failed')
          void stage.report({ report: 'notice', text: `the flow to soc-correlate: ${event.type}` })
      },
    })
  }

  counts(): IngestCounts {
    const { acknowledged, written, rejected, pending, dropped, connections } = this.#sender.stats
    return {
      stage: 'soc-ingest',
      doing: this.#doing,
      read: this.#read,
      events: { ...this.#events },
      unparsed: { ...this.#unparsed },
      settled: acknowledged + written,
      pending,
      rejected,
      // Lines that the library refused were never events; they count as unparsed.
      dropped: dropped - this.#unparsed.refused,
      connections,
    }
  }

  async readFiles(): Promise<void> {
    const { files } = this.#stage.config
    for await (const run of readFiles(files, this.#stage.stop)) {
      this.#doing = `reading ${run.file}`
      if (!(await this.#takeLines(run, () => this.#keepToRate()))) break
    }
    this.#doing = 'has read everything'
  }

  /** Replays the sample, spread evenly over so many seconds. */
  async replay(seconds: number): Promise<void> {
    const begin = performance.now()
    let lines: LineRun[] = []
    for await (const run of readFiles([SAMPLE], this.#stage.stop)) lines.push(run)
    lines = lines.map((run) => ({ ...run, file: 'sample' }))
    const total = lines.reduce((sum, run) => sum + run.lines.length, 0)
    let taken = 0
    const keepPace = async (): Promise<void> => {
      await this.#waitUntil(begin + (++taken / total) * seconds * 1000)
    }
    this.#doing = `replaying the sample of ${plural(total, 'real event')}, and watching this machine`
    for (const run of lines) {
      for (const line of run.lines) if (line !== undefined && line !== '') this.#lines.push(line)
    }
    for (const run of lines) if (!(await this.#takeLines(run, keepPace))) return
    this.#doing = 'watching this machine'
  }

  async watch(): Promise<void> {
    const onBaseline = (processes: number, sockets: number): void => {
      this.#doing ||= 'watching this machine'
      const text = `${plural(processes, 'process', 'processes')} and ${plural(sockets, 'listening socket')} were there before`
      void this.#stage.report({ report: 'notice', text })
    }
    for await (const observations of watchMachine(this.#stage.stop, onBaseline)) {
      for (const { form, event } of observations) {
        ++this.#read
        await this.#send(form, eventMessage(form, 'this machine', event), 'this machine')
      }
    }
    this.#doing = 'has stopped watching'
  }

  /** Sends the sample over and over, as fast as soc-correlate takes it. */
  async burst(seconds: number): Promise<Done> {
    const begin = performance.now()
    const doing = this.#doing
    this.#doing = 'sending at full rate'
    let events = 0
    for (let at = 0; performance.now() - begin < seconds * 1000 && !this.#stage.stop.aborted;) {
      const batch: SOCMessage[] = []
      for (let i = 0; i < EVENTS_PER_WAIT; ++i, at = (at + 1) % this.#lines.length) {
        const parsed = parseLine(this.#lines[at] ?? '', `${BURST_ORIGIN}${at + 1}`)
        if (typeof parsed === 'object') batch.push(this.#outgoing(parsed.message))
      }
      if (batch.length === 0) break
      this.#read += batch.length
      this.#events.json += batch.length
      events += batch.length
      void this.#sender.sendBatch(batch).catch(() => undefined)
      await this.#sender.drained()
    }
    await this.#sender.flush()
    this.#doing = doing
    return {
      command: 'burst',
      events,
      seconds: (performance.now() - begin) / 1000,
      times: Math.round(events / Math.max(1, this.#lines.length)),
    }
  }

  /** Measures round trips to soc-respond on one warm connection, one after the other. */
  async ask(requests: number): Promise<Done> {
    const { directory } = this.#stage.config
    const connection = await dialWithRetry(ASK_PIPE, DIAL_TRIES, { directory, signal: this.#stage.stop })
    const endpoint = new Endpoint(connection, 'soc-ingest')
    const latency = new LatencyHistogram()
    let counted = 0
    for (let i = -WARM_UP_REQUESTS; i < requests && !this.#stage.stop.aborted; ++i) {
      const sentAt = monotonicMicros()
      await endpoint.request('soc_ask', { number: i })
      if (i < 0) continue
      latency.add(monotonicMicros() - sentAt)
      ++counted
    }
    await endpoint.close()
    return { command: 'ask', requests: counted, latency: latency.summary() }
  }

  /** Waits until soc-correlate has finished every event, without a time limit. Stop the pipeline to end it sooner. */
  async finish(): Promise<void> {
    await this.#sender.close({ timeoutMs: Infinity })
  }

  /** False when it was stopped in between; lines not looked at by then do not count as read. */
  async #takeLines({ file, firstLine, lines }: LineRun, keepPace: () => Promise<void>): Promise<boolean> {
    for (const [i, line] of lines.entries()) {
      if (this.#stage.stop.aborted) return false
      const origin = `${file}:${firstLine + i}`
      ++this.#read
      if (line === undefined) {
        ++this.#unparsed.tooLong
        this.#showUnparsed(origin, 'is too long')
        continue
      }
      const parsed = parseLine(line, origin)
      if (parsed === 'blank') {
        ++this.#unparsed.blank
        this.#showUnparsed(origin, 'is blank')
      } else if (parsed === 'unknown') {
        ++this.#unparsed.unknown
        this.#showUnparsed(origin, 'is neither a JSON object nor syslog', line)
      } else {
        await this.#send(parsed.form, parsed.message, origin)
        await keepPace()
      }
    }
    return true
  }

  /** Hands an event to the sender. Its outcome comes later, in the sender's counts. */
  async #send(form: EventForm, message: SOCMessage, origin: string): Promise<void> {
    ++this.#events[form]
    this.#sender.send(this.#outgoing(message)).catch((error: unknown) => {
      this.#takeBack(form, origin, error)
    })
    if (++this.#sent % EVENTS_PER_WAIT === 0) await this.#sender.drained()
  }

  /** The library is stricter than JSON.parse: a line that it does not send becomes no event. */
  #takeBack(form: EventForm, origin: string, error: unknown): void {
    if (hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE')) {
      ++this.#unparsed.tooLong
      this.#showUnparsed(origin, 'is too long for a message')
    } else if (hasCode(error, 'ERR_IPC_INVALID_MESSAGE')) {
      ++this.#unparsed.refused
      this.#showUnparsed(origin, 'is JSON that sentinel-ipc refuses', (error as Error).message)
    } else {
      return
    }
    --this.#events[form]
  }

  #outgoing(message: SOCMessage): SOCMessage {
    if (!this.#stage.config.sentinel) return message
    return newSOCMessage(SOCMsgType.Event, toSentinelEvent(message.payload as EventPayload, message.id))
  }

  async #keepToRate(): Promise<void> {
    const { rate } = this.#stage.config
    if (rate === undefined) return
    const { json, syslog, process, listener } = this.#events
    await this.#waitUntil(this.#begin + ((json + syslog + process + listener) / rate) * 1000)
  }

  async #waitUntil(time: number): Promise<void> {
    const aheadMs = time - performance.now()
    if (aheadMs < SHORTEST_PAUSE_MS) return
    await sleep(aheadMs, undefined, { signal: this.#stage.stop }).catch(() => undefined)
  }

  #showUnparsed(where: string, what: string, text?: string): void {
    if (++this.#samples > MAX_SAMPLES + 1) return
    const sample = text === undefined ? '' : `: ${printable(text, 60)}`
    void this.#stage.report({
      report: 'notice',
      text: this.#samples > MAX_SAMPLES ? 'more such lines are only counted' : `${where} ${what}${sample}`,
    })
  }
}

function hasCode(error: unknown, code: IpcErrorCode): boolean {
  return error instanceof IpcError && error.code === code
}

/** Whether this machine's own activity can be watched. */
function hasProc(): boolean {
  return existsSync('/proc/self/stat')
}

await runStage(async (stage, countBy) => {
  const spool = await Spool.open({ directory: join(stage.config.stateDirectory, 'spool') })
  const ingest = new Ingest(stage, spool)
  countBy(() => ingest.counts())
  let doing: Promise<void> | undefined
  stage.onCommand((command) => {
    const action =
      command.command === 'burst'
        ? ingest.burst(command.seconds)
        : command.command === 'ask'
          ? ingest.ask(command.requests)
          : undefined
    doing = action?.then(
      (done) => stage.report({ report: 'done', ...done }),
      (error: unknown) =>
        stage.report({ report: 'notice', text: `could not ${command.command}: ${String(error)}` }),
    )
  })
  void stage.report({ report: 'ready' })
  const { files, sampleSeconds } = stage.config
  try {
    if (files.length > 0) await ingest.readFiles()
    else
      await Promise.all([
        hasProc() && ingest.watch(),
        sampleSeconds !== undefined && ingest.replay(sampleSeconds),
      ])
    await doing
  } finally {
    await ingest.finish()
  }
})
