// What the three processes have in common: their configuration, their reports to the live view, and how they end.
// Must not know what a stage does.

import { rmSync } from 'node:fs'

import { IpcError } from 'sentinel-ipc'

import { isCommand, type Command, type Counts, type Report, type StageConfig } from './protocol.js'

const STATUS_EVERY_MS = 250
/** How long a stage may take to stop when the live view has vanished. */
const ORPHAN_MS = 5000

/** The environment of a stage. */
export interface Stage {
  readonly config: StageConfig
  /** Fires when the stage should stop: on command, or when the live view has vanished. */
  readonly stop: AbortSignal
  /** Resolves when no more clients will come: on command, or when the live view has vanished. */
  readonly finish: Promise<void>
  report(report: Report): Promise<void>
  /** Calls `listener` for commands other than stop and finish. */
  onCommand(listener: (command: Command) => void): void
}

/**
 * Runs a stage to its end. `run` passes on a function that returns the counts, as soon as it can. From then on the
 * counts are reported regularly, and once more when the stage has ended, even by an error.
 */
export async function runStage(
  run: (stage: Stage, countBy: (counts: () => Counts) => void) => Promise<void>,
): Promise<void> {
  // Ctrl-C goes to all processes of the terminal. To lose nothing, they must end one after the other: the live view
  // commands soc-ingest to stop, and the others follow when their input ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

  const config = JSON.parse(process.argv[2] ?? '') as StageConfig
  const stop = new AbortController()
  let finish = (): void => undefined
  const finished = new Promise<void>((resolve) => (finish = resolve))
  let listener: (command: Command) => void = () => undefined
  /** Resolves when the report is on its way, or cannot be. */
  const report = (value: Report): Promise<void> =>
    new Promise((resolve) => {
      if (!process.connected || process.send === undefined) resolve()
      else
        process.send(value, undefined, undefined, () => {
          resolve()
        })
    })
  process.on('message', (message) => {
    if (!isCommand(message)) return
    if (message.command === 'stop') stop.abort()
    else if (message.command === 'finish') finish()
    else listener(message)
  })
  process.once('disconnect', () => {
    stop.abort()
    finish()
    setTimeout(() => process.exit(1), ORPHAN_MS).unref()
    process.once('exit', () => {
      removeDirectory(config.stateDirectory)
    })
  })

  let counts: (() => Counts) | undefined
  const timer = setInterval(() => {
    if (counts !== undefined) void report({ report: 'status', counts: counts() })
  }, STATUS_EVERY_MS)
  try {
    const onCommand = (added: (command: Command) => void): void => {
      listener = added
    }
    await run({ config, stop: stop.signal, finish: finished, report, onCommand }, (provided) => {
      counts = provided
    })
  } catch (error) {
    if (stop.signal.aborted && error instanceof IpcError && error.code === 'ERR_IPC_ABORTED') return
    process.exitCode = 1
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  } finally {
    clearInterval(timer)
    if (counts !== undefined) await report({ report: 'final', counts: counts() })
    process.removeAllListeners('disconnect')
    if (process.connected) process.disconnect()
  }
}

/** Removes the directory if the live view no longer can; the spool and the journal in it are of no use without the rest. */
function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}
