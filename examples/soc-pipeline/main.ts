// The demo: reads the command line, starts the three processes in a directory of their own, plays the scenes, shows what
// happens, and checks at the end that every event and every incident is accounted for.

import { accessSync, chmodSync, constants, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { HELP, parseArguments, type DemoArguments } from './arguments.js'
import { Pipeline } from './pipeline.js'
import { EVENT_PIPE, INCIDENT_PIPE, type StageName } from './protocol.js'
import { canBeStrangers, playScenes, type Outcome } from './scenes.js'
import { STDIN } from './sources/files.js'
import { summarize, summarizeStage } from './summary.js'
import { plural, printable } from './text.js'
import { View } from './view.js'

/**
 * npm forwards the Ctrl-C that this process gets anyway, so a signal this soon after the first is not a second
 * Ctrl-C.
 */
const SAME_SIGNAL_MS = 1000

process.exitCode = await main()

async function main(): Promise<number> {
  let args
  try {
    args = parseArguments(process.argv.slice(2))
  } catch (error) {
    return fail(`${messageOf(error)}\nSee --help.`, 2)
  }
  if (args === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const problem = findProblem(args)
  if (problem !== undefined) return fail(problem, 1)
  // Only we can enter this directory, so only we can listen in it or take its sockets away.
  const directory = mkdtempSync(join(tmpdir(), 'soc-'))
  try {
    return await run(args, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function run(args: DemoArguments, directory: string): Promise<number> {
  const { files, seconds, rate, quiet, scenes, sentinel } = args
  // The stranger must get as far as the pipe's policy. Only the pipe is open to it, not the spool and the journal.
  const reachable = scenes && canBeStrangers()
  if (reachable) chmodSync(directory, 0o711)
  const stateDirectory = join(directory, 'state')
  mkdirSync(stateDirectory, { mode: 0o700 })
  const sampleSeconds =
    files.length === 0 && sentinel !== 'soc-respond' && seconds !== undefined ? seconds * 0.6 : undefined
  const pipeline: Pipeline = new Pipeline(
    {
      directory: sentinel === undefined ? directory : sentinelDirectory(),
      stateDirectory,
      files,
      sampleSeconds,
      rate,
      quiet,
      reachable,
      sentinel: sentinel !== undefined,
    },
    {
      onNotice: (stage, text) => {
        if (!quiet) view.print(`${stage}: ${printable(text, 200)}`)
      },
      onError: (stage, text) => {
        const line = `${stage}: error: ${printable(text, 500)}`
        // On a terminal it must not tear the view.
        if (process.stdout.isTTY) view.print(line)
        else process.stderr.write(`${line}\n`)
      },
      onOutput: (line) => view.print(line),
    },
    ...(sentinel === undefined ? [] : [[sentinel]]),
  )
  const view: View = new View(process.stdout, args.view, () => pipeline.counts)
  stopOnSignals(pipeline, directory)
  process.stdout.on('drain', () => {
    pipeline.resumeOutput()
  })
  // The reader of the output has gone, as `head` does, so there is nothing left to do.
  process.stdout.on('error', () => {
    pipeline.stop()
    pipeline.resumeOutput()
  })

  if (!quiet) view.print(`reading ${sourceText(args)}`)
  await pipeline.start()
  // From here on it reads: what comes before is not in the figures.
  const begin = performance.now()
  if (!quiet) for (const line of diagram(pipeline)) view.print(line)
  view.start()
  const timer = setTimeout(
    () => {
      pipeline.stop()
    },
    (seconds ?? 0) * 1000,
  )
  if (seconds === undefined) clearTimeout(timer)
  const announce = (text: string): void => {
    if (!quiet) view.print(`** ${text}`)
  }
  const outcomes: readonly Outcome[] =
    scenes && seconds !== undefined ? await playScenes({ pipeline, directory, seconds, announce }) : []
  await pipeline.finished()
  clearTimeout(timer)
  view.stop()

  if (pipeline.stoppedEarly) {
    view.print('stopped before anything was read')
    return 0
  }
  const elapsed = (performance.now() - begin) / 1000
  const summary =
    sentinel === undefined
      ? summarize(pipeline.counts, nameOfInput(files), elapsed, outcomes)
      : summarizeStage(pipeline.counts, sentinel, elapsed)
  for (const line of [...summary.lines, ...pipeline.failures.map((failure) => `failed: ${failure}`)])
    view.print(line)
  return summary.addsUp && pipeline.failures.length === 0 ? 0 : 1
}

/** Where the original Go programs have their sockets. */
function sentinelDirectory(): string {
  return join(tmpdir(), 'sentinel-soc')
}

/** Returns why the demo cannot start; undefined if it can. */
function findProblem({ files }: DemoArguments): string | undefined {
  for (const file of files) {
    if (file === STDIN) continue
    try {
      if (statSync(file).isDirectory()) return `${file} is a directory`
      accessSync(file, constants.R_OK)
    } catch (error) {
      return `cannot read ${file}: ${reasonOf(error)}`
    }
  }
  return undefined
}

/** 3 files, standard input, 3 files and standard input; undefined for this machine. */
function nameOfInput(files: readonly string[]): string | undefined {
  if (files.length === 0) return undefined
  const named = files.filter((file) => file !== STDIN).length
  return [
    ...(named > 0 ? [plural(named, 'file')] : []),
    ...(named < files.length ? ['standard input'] : []),
  ].join(' and ')
}

function sourceText({ files, seconds, sentinel }: DemoArguments): string {
  const limit = seconds === undefined ? '' : ` for ${plural(seconds, 'second')}`
  if (sentinel === 'soc-correlate' || sentinel === 'soc-respond')
    return `what comes to ${sentinelDirectory()}${limit}`
  if (files.length === 0) {
    return `a sample of real attacks, and this machine's own activity${limit}: programs that you start meanwhile, new listening sockets (--help: how to give files)`
  }
  return `${nameOfInput(files) ?? ''}${limit}: ${files.join(', ')}`
}

/** The processes from top to bottom, with the pipe that each writes to. */
function diagram(pipeline: Pipeline): string[] {
  const pipes: Partial<Record<StageName, string>> = {
    'soc-ingest': EVENT_PIPE,
    'soc-correlate': INCIDENT_PIPE,
  }
  return pipeline.processes.flatMap(([name, pid]) => {
    const pipe = pipes[name]
    return [`  ${name} (pid ${pid})`, ...(pipe === undefined ? [] : [`    │ ${pipe}`, '    ▼'])]
  })
}

/**
 * Ctrl-C and similar signals stop the pipeline gracefully; a second one kills it. The signals stay caught to the end,
 * so that a late one does not cut the summary short.
 */
function stopOnSignals(pipeline: Pipeline, directory: string): void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let firstAt: number | undefined
  const onSignal = (): void => {
    firstAt ??= performance.now()
    if (performance.now() - firstAt < SAME_SIGNAL_MS) {
      pipeline.stop()
      return
    }
    pipeline.kill()
    rmSync(directory, { recursive: true, force: true })
    process.exit(1)
  }
  for (const signal of signals) process.on(signal, onSignal)
}

function fail(message: string, code: number): number {
  process.stderr.write(`error: ${message}\n`)
  return code
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission denied'
  return messageOf(error)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
