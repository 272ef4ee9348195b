// Starts the three processes, the last one first so that each finds the next one listening, collects their reports, passes
// on commands, replaces one that was killed on purpose, and stops them. Must not know how any of it is shown.

import { fork, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import {
  isReport,
  type Command,
  type CorrelateCounts,
  type Done,
  type IngestCounts,
  type Report,
  type RespondCounts,
  type StageConfig,
  type StageName,
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

/** In the order in which events go through. */
const STAGES: readonly StageName[] = ['soc-ingest', 'soc-correlate', 'soc-respond']

export class Pipeline {
  readonly #config: StageConfig
  readonly #stages: readonly StageName[]
  readonly #events: PipelineEvents
  readonly #children = new Map<StageName, ChildProcess>()
  /** For each process that has ended or will: resolves then. */
  readonly #ended = new Map<StageName, Promise<void>>()
  /** Stages whose process is being killed on purpose. */
  readonly #killing = new Set<StageName>()
  #onDone: ((done: Done) => void) | undefined
  readonly #failures: string[] = []
  readonly #ready = new Set<StageName>()
  /** Processes whose final counts have arrived. */
  readonly #complete = new Set<StageName>()
  readonly #counts: AllCounts = {}
  #output: Readable | undefined
  #stopping = false
  #onStopped: () => void = () => undefined
  readonly #stopped = new Promise<void>((resolve) => (this.#onStopped = resolve))

  /** @param stages those to run; the others run elsewhere */
  constructor(config: StageConfig, events: PipelineEvents, stages: readonly StageName[] = STAGES) {
    this.#config = config
    this.#stages = STAGES.filter((stage) => stages.includes(stage))
    this.#events = events
  }

  get counts(): Readonly<AllCounts> {
    return this.#counts
  }

  /** Whether it was stopped so soon that nothing was read. */
  get stoppedEarly(): boolean {
    return this.#stopping && this.#ready.size < this.#stages.length && this.#failures.length === 0
  }

  /** Whether it has been told to stop, or has stopped by itself. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** What went wrong, in words; empty when all is well. */
  get failures(): readonly string[] {
    return this.#failures
  }

  /** Process ids, in the order in which events go through. */
  get processes(): (readonly [StageName, number])[] {
    return this.#stages.flatMap((name) => {
      const pid = this.#children.get(name)?.pid
      return pid === undefined ? [] : [[name, pid] as const]
    })
  }

  /** Starts all of them, unless it is stopped before or one of them fails. */
  async start(): Promise<void> {
    for (const name of this.#stages.toReversed()) {
      if (this.#stopping || this.#failures.length > 0) break
      await this.#startStage(name)
    }
    // The stages already running wait for one that will never start.
    if (this.#failures.length > 0) this.stop()
  }

  /**
   * Resolves when all processes have ended, each after the one before it: it is told then that no more clients come, and
   * finishes what is on its way.
   */
  async finished(): Promise<void> {
    // soc-ingest ends by itself. A later stage that runs alone has clients that we do not know, until it is stopped.
    const [first] = this.#stages
    if (first !== undefined && first !== 'soc-ingest') {
      await Promise.race([this.#stopped, this.#ended.get(first)])
    }
    for (const name of this.#stages) {
      this.#tell(name, { command: 'finish' })
      await this.#ended.get(name)
    }
  }

  /** Tells the first stage to read no more; the others end when their input does. Safe to call again. */
  stop(): void {
    if (this.#stopping) return
    this.#stopping = true
    this.#onStopped()
    for (const name of this.#stages) this.#tell(name, { command: 'stop' })
  }

  /** Has soc-ingest do something. Resolves with the outcome; undefined if the pipeline is being stopped meanwhile. */
  async do(command: Extract<Command, { command: Done['command'] }>): Promise<Done | undefined> {
    if (this.#stopping || !this.#tell('soc-ingest', command)) return undefined
    const done = new Promise<Done>((resolve) => (this.#onDone = resolve))
    return await Promise.race([done, this.#ended.get('soc-ingest')?.then(() => undefined)])
  }

  /** Kills a stage with SIGKILL and starts it again. Resolves when its pipe can be dialled; false if it could not be started. */
  async killAndRestart(name: StageName): Promise<boolean> {
    const child = this.#children.get(name)
    if (child === undefined || this.#stopping) return false
    this.#killing.add(name)
    child.kill('SIGKILL')
    await this.#ended.get(name)
    this.#killing.delete(name)
    this.#ready.delete(name)
    await this.#startStage(name)
    if (this.#stopping) this.#tell(name, { command: 'stop' })
    return this.#ready.has(name)
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
      this.#ended.set(name, this.#end(name, child).finally(resolve))
    })
  }

  /** False if there is no such process any more. */
  #tell(name: StageName, command: Command): boolean {
    const child = this.#children.get(name)
    if (child?.connected !== true) return false
    // The process may end while the command is on its way.
    return child.send(command, () => undefined)
  }

  #takeReport(name: StageName, message: Exclude<Report, { report: 'ready' }>): void {
    if (message.report === 'notice') {
      this.#events.onNotice(name, message.text)
      return
    }
    if (message.report === 'done') {
      this.#onDone?.(message)
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
    if (problem === undefined || this.#killing.has(name)) return
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
