// Runs the contestants of a scenario in turns, so that other load on the machine affects all of them alike, and
// computes medians and ratios of their figures. A trial that fails is recorded, and the rest goes on.

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

/** A trial without figures. */
export interface Failure {
  readonly contestant: string
  /** From 1. */
  readonly round: number
  readonly reason: string
}

export interface ScenarioOutcome {
  readonly scenario: Scenario
  /** Those with figures. */
  readonly contestants: readonly ContestantOutcome[]
  /** Those that the machine has no means for. */
  readonly leftOut: readonly { readonly contestant: Contestant; readonly reason: string }[]
  readonly failures: readonly Failure[]
  readonly targets: readonly TargetOutcome[]
}

export interface RunOptions extends TrialOptions {
  readonly rounds: number
  readonly whyMissing: WhyMissing
  readonly progress: Progress
  /** Whether the run was interrupted: no more trials are begun. */
  readonly interrupted: () => boolean
  /** Called after each round with what there is so far. */
  readonly onRound?: (outcome: ScenarioOutcome) => void
  /** Runs one trial. Default: {@link runTrial}. */
  readonly trial?: typeof runTrial
}

/** A contestant that has failed so often is not run again. */
const MAX_FAILURES = 2

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
  const { trial = runTrial } = options
  const found = new Map<string, (Figures | undefined)[]>(present.map(({ name }) => [name, []]))
  const failures: Failure[] = []
  const outcome = (): ScenarioOutcome => ({ ...conclude(scenario, present, found), leftOut, failures })
  for (let round = 0; round < rounds; ++round) {
    for (let turn = 0; turn < present.length; ++turn) {
      if (options.interrupted()) return outcome()
      // Each round begins with another contestant, so that none always runs after the same neighbour's warm caches.
      const contestant = present[(turn + round) % present.length] as Contestant
      const { name } = contestant
      if (failures.filter((failure) => failure.contestant === name).length >= MAX_FAILURES) continue
      options.progress.begin(`${scenario.name}, round ${round + 1} of ${rounds}, ${name}`)
      let figures: Figures | undefined
      try {
        figures = await trial(scenario, contestant, options)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        failures.push({ contestant: name, round: round + 1, reason })
      }
      // One place for each round, so that ratios are taken between figures of the same one.
      const samples = found.get(name) ?? []
      samples[round] = figures
      options.progress.end(scenario)
    }
    options.onRound?.(outcome())
  }
  return outcome()
}

type Found = ReadonlyMap<string, readonly (Figures | undefined)[]>

function conclude(
  scenario: Scenario,
  present: readonly Contestant[],
  found: Found,
): Omit<ScenarioOutcome, 'leftOut' | 'failures'> {
  const measured = present.filter(({ name }) => hasFigures(found, name))
  const contestants = measured.map((contestant) => ({
    contestant,
    metrics: scenario.metrics.map((metric) => ({
      metric,
      value: summarize(samplesOf(found, contestant.name, metric.name).filter(isNumber)),
      ratio: ratioOf(found, contestant.name, metric.name, referenceOf(scenario, contestant)),
    })),
  }))
  return { scenario, contestants, targets: scenario.targets.map((target) => judge(target, scenario, found)) }
}

export function referenceOf(scenario: Scenario, contestant: Contestant | undefined): string | undefined {
  return contestant?.reference ?? scenario.reference
}

function hasFigures(found: Found, contestant: string): boolean {
  return found.get(contestant)?.some((figures) => figures !== undefined) === true
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined
}

/** One for each round; undefined where the trial failed. */
function samplesOf(found: Found, contestant: string, metric: string): (number | undefined)[] {
  // A round that was interrupted leaves a hole, which map would keep.
  return Array.from(found.get(contestant) ?? [], (figures) => {
    if (figures === undefined) return undefined
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
  // Without measurable processor time there is no ratio, nor where one of the two failed.
  const ratios = values
    .map((value, round) => (value ?? NaN) / (references[round] ?? NaN))
    .filter(Number.isFinite)
  return ratios.length === 0 ? undefined : summarize(ratios)
}

function judge(target: Target, scenario: Scenario, found: Found): TargetOutcome {
  const contestant = scenario.contestants.find(({ name }) => name === target.contestant)
  const against = target.against ?? referenceOf(scenario, contestant)
  if (contestant === undefined || (target.of === 'ratio' && against === undefined))
    throw new Error(`${scenario.name}: a target names ${target.contestant}, ${target.metric}: no such figure`)
  if (!hasFigures(found, target.contestant)) return { ...target, measured: undefined, met: undefined }
  const measured =
    target.of === 'ratio'
      ? ratioOf(found, target.contestant, target.metric, against)
      : summarize(samplesOf(found, target.contestant, target.metric).filter(isNumber))
  if (measured === undefined) return { ...target, measured, met: undefined }
  const { median } = measured
  const met = median >= (target.atLeast ?? -Infinity) && median <= (target.atMost ?? Infinity)
  return { ...target, ...(against === undefined ? {} : { against }), measured, met }
}
