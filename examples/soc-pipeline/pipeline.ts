// Starts the three processes, the last one first so that each finds the next one listening, collects their reports, and
// stops them. Must not know how any of it is shown.

import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import {
  isReport,
  type CorrelateCounts,
  type IngestCounts,
  type Report,
  type RespondCounts,
  type StageConfig,
  type StageName,
  type StopCommand,
} from './protocol.js'
import { STDIN } from './sources/files.js'

/** Callbacks for events of the pipeline. */
export interface PipelineEvents {
  /** A process reports a note. */
  readonly onNotice: (stage: StageName, text: string) => void
  /** A process has written to its standard error. */
  readonly onError: (stage: StageName, text: string) => void
  /** soc-respond has printed a line. Return false to make it wait until `resumeOutput`. */
  readonly onOutput: (line: string) => boolean
}

/** The newest counts of each process. */
export interface AllCounts {
  ingest?: IngestCounts
  correlate?: CorrelateCounts
  respond?: RespondCounts
}

const SCRIPTS: Readonly<Record<StageName, string>> = {
  'soc-ingest': './ingest.js',
  'soc-correlate': './correlate.js',
  'soc-respond': './respond.js',
}

export class Pipeline {
  readonly #config: StageConfig
  readonly #events: PipelineEvents
  readonly #children = new Map<StageName, ChildProcess>()
  readonly #ended: Promise<void>[] = []
  readonly #failures: string[] = []
  readonly #ready = new Set<StageName>()
  /** Processes whose final counts have arrived. */
  readonly #complete = new Set<StageName>()
  readonly #counts: AllCounts = {}
  #output: Readable | undefined
  #stopping = false

  constructor(config: StageConfig, events: PipelineEvents) {
    this.#config = config
    this.#events = events
  }

  get counts(): Readonly<AllCounts> {
    return this.#counts
  }

  /** Whether it was stopped so soon that nothing was read. */
  get stoppedEarly(): boolean {
    return this.#stopping && !this.#ready.has('soc-ingest') && this.#failures.length === 0
  }

  /** What went wrong, in words; empty when all is well. */
  get failures(): readonly string[] {
    return this.#failures
  }

  /** Process ids, in the order in which events go through. */
  get processes(): (readonly [StageName, number])[] {
    const names: StageName[] = ['soc-ingest', 'soc-correlate', 'soc-respond']
    return names.flatMap((name) => {
      const pid = this.#children.get(name)?.pid
      return pid === undefined ? [] : [[name, pid] as const]
    })
  }

  /** Starts all three, unless it is stopped before or one of them fails. */
  async start(): Promise<void> {
    for (const name of ['soc-respond', 'soc-correlate', 'soc-ingest'] as const) {
      if (this.#stopping || this.#failures.length > 0) break
      await this.#startStage(name)
    }
    // The stages already running wait for one that will never start.
    if (this.#failures.length > 0) this.stop()
  }

  /** Resolves when all processes have ended. */
  async finished(): Promise<void> {
    await Promise.all(this.#ended)
  }

  /** Tells soc-ingest to read no more; the others end when their input does. Safe to call again. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    const command: StopCommand = { command: 'stop' }
    for (const child of this.#children.values()) {
      // The process may end while the command is on its way.
      if (child.connected) child.send(command, () => undefined)
    }
  }

  /** Ends the processes at once. */
  kill(): void {
    for (const child of this.#children.values()) child.kill('SIGKILL')
  }

  /** Lets soc-respond continue to print, after `onOutput` has returned false. */
  resumeOutput(): void {
    this.#output?.resume()
  }

  /** Resolves when the process is ready, or has ended instead. */
  #startStage(name: StageName): Promise<void> {
    const readsStdin = name === 'soc-ingest' && this.#config.files.includes(STDIN)
    const child = fork(
      fileURLToPath(new URL(SCRIPTS[name], import.meta.url)),
      [JSON.stringify(this.#config)],
      {
        stdio: [readsStdin ? 'inherit' : 'ignore', 'pipe', 'pipe', 'ipc'],
      },
    )
    this.#children.set(name, child)
    return new Promise((resolve) => {
      child.on('message', (message) => {
        if (!isReport(message)) return
        if (message.report === 'ready') {
          this.#ready.add(name)
          resolve()
        } else this.#takeReport(name, message)
      })
      this.#ended.push(this.#end(name, child).finally(resolve))
    })
  }

  #takeReport(name: StageName, message: Exclude<Report, { report: 'ready' }>): void {
    if (message.report === 'notice') {
      this.#events.onNotice(name, message.text)
      return
    }
    const { counts } = message
    if (counts.stage === 'soc-ingest') this.#counts.ingest = counts
    else if (counts.stage === 'soc-correlate') this.#counts.correlate = counts
    else this.#counts.respond = counts
    if (message.report === 'final') this.#complete.add(name)
  }

  async #end(name: StageName, child: ChildProcess): Promise<void> {
    if (child.stdout !== null) this.#passOn(child.stdout)
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#events.onError(name, line)
      })
    }
    const problem = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => {
        resolve(`could not be started: ${error.message}`)
      })
      // `close` comes after `exit`, when all output of the process has arrived.
      child.once('close', (code, signal) => {
        if (signal !== null) resolve(`was ended by ${signal}`)
        else if (code !== 0) resolve(`has failed (exit code ${code ?? 'unknown'})`)
        else resolve(this.#mayEnd(name) ? undefined : 'has not given its last counts')
      })
    })
    if (problem === undefined) return
    this.#failures.push(`${name} ${problem}`)
    // Stop reading, because the pipeline is broken. Events already on their way are still handled.
    this.stop()
  }

  /**
   * Whether the counts are complete: the final ones have arrived, or it was stopped before there was anything to
   * count.
   */
  #mayEnd(name: StageName): boolean {
    return this.#complete.has(name) || (this.#stopping && !this.#ready.has(name))
  }

  #passOn(output: Readable): void {
    this.#output = output
    createInterface({ input: output }).on('line', (line) => {
      if (!this.#events.onOutput(line)) output.pause()
    })
  }
}
