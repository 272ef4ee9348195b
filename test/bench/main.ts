// Runs the benchmarks: asks each scenario for its contestants, has them measured, prints the table, writes JSON and plots.
// What fails or takes too long is reported, and the rest goes on; the exit code says whether anything is missing. How fast this
// machine is must not decide over a build.

import { writeFileSync, renameSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { helpText, parseCommandLine } from './command-line.js'
import { describeMachine, loadNow } from './harness/machine.js'
import { provideNeeds } from './harness/needs.js'
import { halveProcessors, keepAwake, type Halves } from './harness/processors.js'
import { Progress } from './harness/progress.js'
import { projectRoot } from './harness/project.js'
import { formatReport, toJson } from './harness/report.js'
import { roundsOf, runScenario, type ScenarioOutcome } from './harness/rounds.js'
import type { Need, Scenario } from './harness/scenario.js'
import { killChildren } from './harness/trial.js'
import { drawPlots } from './plots/draw.js'
import { allScenarios } from './scenarios.js'

const KEEPING_AWAKE: readonly Need[] = [{ kind: 'program', name: 'native' }]
const isTerminal = process.stderr.isTTY
let interrupted = false

function showProgress(line: string): void {
  // A terminal shows the last line only; a log keeps all.
  process.stderr.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`)
}

/** The scenario with these contestants alone; with all of them where none are named. */
function among(scenario: Scenario, names: readonly string[]): Scenario {
  if (names.length === 0) return scenario
  const isNamed = (name: string): boolean => names.includes(name)
  return {
    ...scenario,
    contestants: scenario.contestants.filter(({ name }) => isNamed(name)),
    targets: scenario.targets.filter(({ contestant }) => isNamed(contestant)),
  }
}

function describeProcessors(halves: Halves | undefined, awake: boolean): string {
  const where =
    halves === undefined
      ? 'processes run where the scheduler puts them'
      : `consumer on processor ${halves[0]}, producer on ${halves[1]}`
  return `Where both sides work all the time: ${where}, processors ${awake ? 'kept awake' : 'that may sleep'}.`
}

async function main(): Promise<void> {
  const names = allScenarios('normal').map(({ name }) => name)
  const commandLine = parseCommandLine(process.argv.slice(2), names)
  const { scale, rounds, only, contestants, profile } = commandLine
  const scenarios = allScenarios(scale)
    .filter(({ name }) => only.length === 0 || only.includes(name))
    .map((scenario) => among(scenario, contestants))
  if (commandLine.help) {
    process.stdout.write(helpText(allScenarios(scale)))
    return
  }

  const machine = describeMachine()
  const whyMissing = await provideNeeds(scenarios, KEEPING_AWAKE, showProgress)
  const progress = new Progress(
    scenarios.map((scenario) => {
      const present = scenario.contestants.filter(({ needs }) => whyMissing(needs) === undefined)
      return [scenario, present.length * roundsOf(scenario, rounds)] as const
    }),
    showProgress,
  )
  const halves = commandLine.anywhere ? undefined : halveProcessors()
  const awake = !commandLine.sleepy && whyMissing(KEEPING_AWAKE) === undefined
  const profileDirectory = profile === undefined ? undefined : resolve(profile)
  const processors = describeProcessors(halves, awake)
  const options = { rounds, scale, processors }
  const results = join(projectRoot, 'bench-results')
  const json = resolve(commandLine.json ?? join(results, `${machine.date.replaceAll(':', '-')}.json`))
  await mkdir(dirname(json), { recursive: true })
  const outcomes: ScenarioOutcome[] = []
  /** Written after each round, so that a run that is cut off leaves what it found. */
  const save = (all: readonly ScenarioOutcome[], loadAfter?: number): void => {
    writeFileSync(
      `${json}.part`,
      toJson(machine, { ...options, ...(loadAfter !== undefined && { loadAfter }) }, all),
    )
    renameSync(`${json}.part`, json)
  }
  for (const scenario of scenarios) {
    if (interrupted) break
    const letSleep = awake && scenario.apart === true ? await keepAwake() : () => undefined
    const onRound = (outcome: ScenarioOutcome): void => {
      save([...outcomes, outcome])
    }
    const run = {
      rounds,
      profileDirectory,
      halves,
      whyMissing,
      progress,
      interrupted: () => interrupted,
      onRound,
    }
    try {
      outcomes.push(await runScenario(scenario, run))
    } finally {
      letSleep()
    }
  }
  if (isTerminal) showProgress('')
  const loadAfter = loadNow()
  process.stdout.write(`${formatReport(machine, { ...options, loadAfter }, outcomes)}\n`)
  save(outcomes, loadAfter)
  process.stderr.write(`all figures: ${json}\n`)
  const plots = resolve(commandLine.plots ?? results)
  await mkdir(plots, { recursive: true })
  for (const { file, svg } of drawPlots(machine, processors, outcomes))
    await writeFile(join(plots, file), svg)
  process.stderr.write(`plots: ${plots}\n`)
  const missing = outcomes.reduce((sum, { failures }) => sum + failures.length, 0)
  if (missing > 0 || interrupted) {
    process.stderr.write(
      interrupted ? 'bench: interrupted\n' : `bench: ${missing} trials failed, see the table\n`,
    )
    process.exitCode = 1
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // Their ends make the trial fail, which cleans up behind it. What was measured is still reported.
    interrupted = true
    killChildren()
  })
}

main().catch((error: unknown) => {
  process.stderr.write(`\nbench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
