// Runs the benchmarks: asks each scenario for its contestants, has them measured, prints the table and writes the JSON.
// Fails only when something could not be run: how fast this machine is must not decide over a build.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { helpText, parseCommandLine } from './command-line.js'
import { describeMachine } from './harness/machine.js'
import { installPeers, projectRoot } from './harness/project.js'
import { formatReport, toJson } from './harness/report.js'
import { runScenario, type ScenarioOutcome } from './harness/rounds.js'
import { killChildren } from './harness/trial.js'
import { allScenarios } from './scenarios.js'

const isTerminal = process.stderr.isTTY

function showProgress(line: string): void {
  // A terminal shows the last line only; a log keeps all.
  process.stderr.write(isTerminal ? `\r\x1b[K${line}` : `${line}\n`)
}

async function main(): Promise<void> {
  const names = allScenarios('normal').map(({ name }) => name)
  const commandLine = parseCommandLine(process.argv.slice(2), names)
  const { scale, rounds, only, profile } = commandLine
  const scenarios = allScenarios(scale).filter(({ name }) => only.length === 0 || only.includes(name))
  if (commandLine.help) {
    process.stdout.write(helpText(allScenarios(scale)))
    return
  }

  const machine = describeMachine()
  const peers = [...new Set(scenarios.flatMap((scenario) => scenario.peers ?? []))]
  if (peers.length > 0) installPeers(peers, showProgress)
  const profileDirectory = profile === undefined ? undefined : resolve(profile)
  const outcomes: ScenarioOutcome[] = []
  for (const scenario of scenarios) {
    outcomes.push(await runScenario(scenario, { rounds, profileDirectory, onProgress: showProgress }))
  }
  if (isTerminal) showProgress('')
  process.stdout.write(`${formatReport(machine, { rounds, scale }, outcomes)}\n`)

  const path =
    commandLine.json === undefined
      ? join(projectRoot, 'bench-results', `${machine.date.replaceAll(':', '-')}.json`)
      : resolve(commandLine.json)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, toJson(machine, { rounds, scale }, outcomes))
  process.stderr.write(`all figures: ${path}\n`)
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
