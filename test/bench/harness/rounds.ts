// Runs the contestants of a scenario in turns, so that whatever else the machine does falls on all of them alike, and
// makes medians and ratios of what they found.

import type { Contestant, Figures, Metric, Scenario, Target } from './scenario.js'
import { summarize, type Summary } from './statistics.js'
import { runTrial } from './trial.js'

export interface MetricOutcome {
  readonly metric: Metric
  readonly value: Summary
  /** Against the reference of the same round; undefined for scenarios without one. */
  readonly ratio: Summary | undefined
}

export interface ContestantOutcome {
  readonly contestant: Contestant
  readonly metrics: readonly MetricOutcome[]
}

export interface TargetOutcome extends Target {
  /** The median that was compared with the target. */
  readonly measured: number
  readonly met: boolean
}

export interface ScenarioOutcome {
  readonly scenario: Scenario
  readonly contestants: readonly ContestantOutcome[]
  readonly targets: readonly TargetOutcome[]
}

export interface RunOptions {
  readonly rounds: number
  readonly profileDirectory: string | undefined
  readonly onProgress: (line: string) => void
}

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioOutcome> {
  const { contestants } = scenario
  const rounds = scenario.rounds ?? options.rounds
  const found = new Map<string, Figures[]>(contestants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; ++round) {
    for (let turn = 0; turn < contestants.length; ++turn) {
      // Each round begins with another one: nobody always comes right after the same neighbour's warm caches.
      const contestant = contestants[(turn + round) % contestants.length] as Contestant
      options.onProgress(`${scenario.name}: round ${round + 1} of ${rounds}, ${contestant.name}`)
      found.get(contestant.name)?.push(await runTrial(scenario, contestant, options.profileDirectory))
    }
  }
  return conclude(scenario, found)
}

function conclude(scenario: Scenario, found: ReadonlyMap<string, readonly Figures[]>): ScenarioOutcome {
  const figuresOf = (contestant: string, metric: Metric): number[] =>
    (found.get(contestant) ?? []).map((figures) => {
      const value = figures[metric.name]
      if (value === undefined) throw new Error(`${scenario.name}: ${contestant} has no ${metric.name}`)
      return value
    })
  const contestants = scenario.contestants.map((contestant) => ({
    contestant,
    metrics: scenario.metrics.map((metric) => {
      const values = figuresOf(contestant.name, metric)
      if (scenario.reference === undefined) return { metric, value: summarize(values), ratio: undefined }
      const references = figuresOf(scenario.reference, metric)
      const ratios = values.map((value, round) => value / (references[round] as number))
      return { metric, value: summarize(values), ratio: summarize(ratios) }
    }),
  }))
  return { scenario, contestants, targets: scenario.targets.map((target) => judge(target, contestants)) }
}

function judge(target: Target, contestants: readonly ContestantOutcome[]): TargetOutcome {
  const outcome = contestants
    .find(({ contestant }) => contestant.name === target.contestant)
    ?.metrics.find(({ metric }) => metric.name === target.metric)
  const measured = (target.of === 'ratio' ? outcome?.ratio : outcome?.value)?.median
  if (measured === undefined)
    throw new Error(`a target names ${target.contestant}, ${target.metric}: no such figure`)
  const met = measured >= (target.atLeast ?? -Infinity) && measured <= (target.atMost ?? Infinity)
  return { ...target, measured, met }
}
