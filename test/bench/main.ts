// Runs the benchmarks: asks each scenario for its contestants, has them measured, prints the table, writes JSON and plots.
// Fails only when something could not be run: how fast this machine is must not decide over a build.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { helpText, parseCommandLine } from './command-line.js'
import { describeMachine } from './harness/machine.js'
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
  const outcomes: ScenarioOutcome[] = []
  for (const scenario of scenarios) {
    const letSleep = awake && scenario.apart === true ? await keepAwake() : () => undefined
    try {
      outcomes.push(await runScenario(scenario, { rounds, profileDirectory, halves, whyMissing, progress }))
    } finally {
      letSleep()
    }
  }
  if (isTerminal) showProgress('')
  const processors = describeProcessors(halves, awake)
  const options = { rounds, scale, processors }
  process.stdout.write(`${formatReport(machine, options, outcomes)}\n`)

  const results = join(projectRoot, 'bench-results')
  const json = resolve(commandLine.json ?? join(results, `${machine.date.replaceAll(':', '-')}.json`))
  await mkdir(dirname(json), { recursive: true })
  await writeFile(json, toJson(machine, options, outcomes))
  process.stderr.write(`all figures: ${json}\n`)
  const plots = resolve(commandLine.plots ?? results)
  await mkdir(plots, { recursive: true })
  for (const { file, svg } of drawPlots(machine, outcomes)) await writeFile(join(plots, file), svg)
  process.stderr.write(`plots: ${plots}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // Their ends make the trial fail, which cleans up behind it.
    killChildren()
  })
}

main().catch((error: unknown) => {
  process.stderr.write(`\nbench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
