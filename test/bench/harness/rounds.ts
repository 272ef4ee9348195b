// Runs the contestants of a scenario in turns, so that other load on the machine affects all of them alike, and
// computes medians and ratios of their figures.

import type { WhyMissing } from './needs.js'
import type { Progress } from './progress.js'
import type { Contestant, Figures, Metric, Scenario, Target } from './scenario.js'
import { summarize, type Summary } from './statistics.js'
import { runTrial, type TrialOptions } from './trial.js'

export interface MetricOutcome {
  readonly metric: Metric
  readonly value: Summary
  /** Against the reference of the same round; undefined where there is none. */
  readonly ratio: Summary | undefined
}

export interface ContestantOutcome {
  readonly contestant: Contestant
  readonly metrics: readonly MetricOutcome[]
}

export interface TargetOutcome extends Target {
  /** What was compared with the target; undefined where a contestant was left out. */
  readonly measured: Summary | undefined
  readonly met: boolean | undefined
}

export interface ScenarioOutcome {
  readonly scenario: Scenario
  readonly contestants: readonly ContestantOutcome[]
  readonly leftOut: readonly { readonly contestant: Contestant; readonly reason: string }[]
  readonly targets: readonly TargetOutcome[]
}

export interface RunOptions extends TrialOptions {
  readonly rounds: number
  readonly whyMissing: WhyMissing
  readonly progress: Progress
}

export function roundsOf(scenario: Scenario, rounds: number): number {
  return scenario.rounds ?? rounds
}

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<ScenarioOutcome> {
  const judged = scenario.contestants.map((contestant) => ({
    contestant,
    reason: options.whyMissing(contestant.needs),
  }))
  const leftOut = judged.flatMap(({ contestant, reason }) =>
    reason === undefined ? [] : [{ contestant, reason }],
  )
  const present = judged.filter(({ reason }) => reason === undefined).map(({ contestant }) => contestant)
  const rounds = roundsOf(scenario, options.rounds)
  const found = new Map<string, Figures[]>(present.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; ++round) {
    for (let turn = 0; turn < present.length; ++turn) {
      // Each round begins with another contestant, so that none always runs after the same neighbour's warm caches.
      const contestant = present[(turn + round) % present.length] as Contestant
      options.progress.begin(`${scenario.name}, round ${round + 1} of ${rounds}, ${contestant.name}`)
      found.get(contestant.name)?.push(await runTrial(scenario, contestant, options))
      options.progress.end(scenario)
    }
  }
  return { ...conclude(scenario, present, found), leftOut }
}

type Found = ReadonlyMap<string, readonly Figures[]>

function conclude(
  scenario: Scenario,
  present: readonly Contestant[],
  found: Found,
): Omit<ScenarioOutcome, 'leftOut'> {
  const contestants = present.map((contestant) => ({
    contestant,
    metrics: scenario.metrics.map((metric) => ({
      metric,
      value: summarize(samplesOf(found, contestant.name, metric.name)),
      ratio: ratioOf(found, contestant.name, metric.name, referenceOf(scenario, contestant)),
    })),
  }))
  return { scenario, contestants, targets: scenario.targets.map((target) => judge(target, scenario, found)) }
}

export function referenceOf(scenario: Scenario, contestant: Contestant | undefined): string | undefined {
  return contestant?.reference ?? scenario.reference
}

function samplesOf(found: Found, contestant: string, metric: string): number[] {
  return (found.get(contestant) ?? []).map((figures) => {
    const value = figures[metric]
    if (value === undefined) throw new Error(`${contestant} has no ${metric}`)
    return value
  })
}

function ratioOf(
  found: Found,
  contestant: string,
  metric: string,
  reference: string | undefined,
): Summary | undefined {
  if (reference === undefined || !found.has(reference)) return undefined
  const references = samplesOf(found, reference, metric)
  const values = samplesOf(found, contestant, metric)
  // Without measurable processor time there is no ratio.
  const ratios = values.map((value, round) => value / (references[round] as number)).filter(Number.isFinite)
  return ratios.length === 0 ? undefined : summarize(ratios)
}

function judge(target: Target, scenario: Scenario, found: Found): TargetOutcome {
  const contestant = scenario.contestants.find(({ name }) => name === target.contestant)
  const against = target.against ?? referenceOf(scenario, contestant)
  if (contestant === undefined || (target.of === 'ratio' && against === undefined))
    throw new Error(`${scenario.name}: a target names ${target.contestant}, ${target.metric}: no such figure`)
  if (!found.has(target.contestant)) return { ...target, measured: undefined, met: undefined }
  const measured =
    target.of === 'ratio'
      ? ratioOf(found, target.contestant, target.metric, against)
      : summarize(samplesOf(found, target.contestant, target.metric))
  if (measured === undefined) return { ...target, measured, met: undefined }
  const { median } = measured
  const met = median >= (target.atLeast ?? -Infinity) && median <= (target.atMost ?? Infinity)
  return { ...target, ...(against === undefined ? {} : { against }), measured, met }
}
