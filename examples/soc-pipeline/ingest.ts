// soc-ingest: reads lines or watches this machine, makes an event message of each, and sends them on without waiting
// for each one. When the buffer is full it waits, so that a slow stage slows the reading, and nothing is lost.

import { setTimeout as sleep } from 'node:timers/promises'

import {
  BufferedSender,
  dialWithRetry,
  IpcError,
  type Connection,
  type IpcErrorCode,
  type SOCMessage,
} from 'sentinel-ipc'

import { EVENT_PIPE, type EventForm, type IngestCounts } from './protocol.js'
import { readFiles, type LineRun } from './sources/files.js'
import { eventMessage, parseLine } from './sources/parse-line.js'
import { watchMachine } from './sources/proc.js'
import { runStage, type Stage } from './stage.js'
import { plural, printable } from './text.js'

const DIAL_TRIES = 5
/** Number of unparsed lines that are shown; all are counted. */
const MAX_SAMPLES = 3
/** A wait shorter than this is not worth a timer. */
const SHORTEST_PAUSE_MS = 5

class Ingest {
  readonly #stage: Stage
  readonly #sender: BufferedSender
  readonly #begin = performance.now()
  #doing = ''
  #read = 0
  #waits = 0
  #samples = 0
  /** Events by where they come from. */
  readonly #events = { json: 0, syslog: 0, process: 0, listener: 0 }
  readonly #unparsed = { blank: 0, unknown: 0, tooLong: 0, refused: 0 }

  constructor(stage: Stage, connection: Connection) {
    this.#stage = stage
    this.#sender = new BufferedSender(connection, 'soc-ingest', {
      onDrop: (messages, error) => {
        if (error.code !== 'ERR_IPC_INVALID_MESSAGE') return
        // The library is stricter than JSON.parse and would not send it. Only lines that are JSON can get here.
        this.#events.json -= messages.length
        this.#unparsed.refused += messages.length
        this.#showUnparsed('a line', 'is JSON that sentinel-ipc refuses', error.message)
      },
    })
  }

  counts(): IngestCounts {
    const { written, pending, dropped } = this.#sender.stats
    return {
      stage: 'soc-ingest',
      doing: this.#doing,
      read: this.#read,
      events: { ...this.#events },
      unparsed: { ...this.#unparsed },
      written,
      pending,
      // Refused lines were not dropped by the pipe; they count as unparsed.
      dropped: dropped - this.#unparsed.refused,
      waits: this.#waits,
    }
  }

  async readFiles(): Promise<void> {
    const { files } = this.#stage.config
    for await (const run of readFiles(files, this.#stage.stop)) {
      this.#doing = `reading ${run.file}`
      if (!(await this.#takeLines(run))) break
    }
    this.#doing = 'has read everything'
  }

  async watch(): Promise<void> {
    const onBaseline = (processes: number, sockets: number): void => {
      this.#doing = 'watching this machine'
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

  /** Flushes and closes, without a time limit. Stop the pipeline to end it sooner. */
  async finish(): Promise<void> {
    await this.#sender.flush()
    await this.#sender.close()
  }

  /** False when it was stopped in between; lines not looked at by then do not count as read. */
  async #takeLines({ file, firstLine, lines }: LineRun): Promise<boolean> {
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
      }
    }
    return true
  }

  async #send(form: EventForm, message: SOCMessage, origin: string): Promise<void> {
    for (;;) {
      try {
        this.#sender.send(message)
        break
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE')) {
          ++this.#unparsed.tooLong
          this.#showUnparsed(origin, 'is too long for a message')
          return
        }
        if (!hasCode(error, 'ERR_IPC_BUFFER_FULL')) throw error
      }
      ++this.#waits
      await this.#sender.flush()
    }
    ++this.#events[form]
    await this.#keepToRate()
  }

  async #keepToRate(): Promise<void> {
    const { rate } = this.#stage.config
    if (rate === undefined) return
    const { json, syslog, process, listener } = this.#events
    const aheadMs = ((json + syslog + process + listener) / rate) * 1000 - (performance.now() - this.#begin)
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

await runStage(async (stage, countBy) => {
  const connection = await dialWithRetry(EVENT_PIPE, DIAL_TRIES, {
    directory: stage.config.directory,
    signal: stage.stop,
  })
  const ingest = new Ingest(stage, connection)
  countBy(() => ingest.counts())
  void stage.report({ report: 'ready' })
  try {
    await (stage.config.files.length > 0 ? ingest.readFiles() : ingest.watch())
  } finally {
    await ingest.finish()
  }
})
