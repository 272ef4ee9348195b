// Makes the table for people and the JSON for programs out of what was measured.

import type { Machine } from './machine.js'
import type { ContestantOutcome, MetricOutcome, ScenarioOutcome, TargetOutcome } from './rounds.js'
import type { Metric } from './scenario.js'
import type { Summary } from './statistics.js'

const RATIO_DIGITS = 2

export function formatReport(
  machine: Machine,
  options: { readonly rounds: number; readonly scale: string },
  outcomes: readonly ScenarioOutcome[],
): string {
  return [
    `sentinel-ipc benchmarks, ${machine.date}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB.toFixed(1)} GiB, ${machine.kernel}, Node ${machine.node}, ` +
      `load ${machine.load.toFixed(2)} before`,
    `${options.rounds} rounds, contestants in turns, ${options.scale} length. Medians with (smallest..largest);`,
    'x is the median of the ratios to the reference of the same round. Read ratios, not absolutes.',
    ...outcomes.flatMap((outcome) => ['', ...formatScenario(outcome)]),
    '',
    ...formatTargets(outcomes),
    '',
  ].join('\n')
}

function formatScenario({ scenario, contestants }: ScenarioOutcome): string[] {
  const rows = contestants.map((outcome) => contestantRow(outcome, scenario.reference))
  const heading = [
    'contestant',
    ...scenario.metrics.flatMap(({ label }) => (scenario.reference === undefined ? [label] : [label, 'x'])),
  ]
  return [
    `== ${scenario.title}`,
    ...scenario.notes.map((note) => `   ${note}`),
    ...alignColumns([heading, ...rows]),
  ]
}

function contestantRow({ contestant, metrics }: ContestantOutcome, reference: string | undefined): string[] {
  const name = `${contestant.name}: ${contestant.label}`
  return [name, ...metrics.flatMap((outcome) => metricCells(outcome, contestant.name === reference))]
}

function metricCells({ metric, value, ratio }: MetricOutcome, isReference: boolean): string[] {
  const cell = formatSummary(value, metric.digits)
  if (ratio === undefined) return [cell]
  return [cell, isReference ? 'reference' : formatSummary(ratio, RATIO_DIGITS)]
}

function formatSummary({ median, min, max, samples }: Summary, digits: number): string {
  const text = formatNumber(median, digits)
  if (samples.length === 1) return text
  return `${text} (${formatNumber(min, digits)}..${formatNumber(max, digits)})`
}

function formatNumber(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function formatTargets(outcomes: readonly ScenarioOutcome[]): string[] {
  const rows = outcomes.flatMap(({ scenario, targets }) =>
    targets.map((target) => targetRow(scenario.name, scenario.metrics, scenario.reference ?? '', target)),
  )
  return ['== Targets', ...alignColumns([['scenario', 'figure', 'target', 'measured', ''], ...rows])]
}

function targetRow(
  scenario: string,
  metrics: readonly Metric[],
  reference: string,
  target: TargetOutcome,
): string[] {
  const metric = metrics.find(({ name }) => name === target.metric)
  const isRatio = target.of === 'ratio'
  const digits = isRatio ? RATIO_DIGITS : (metric?.digits ?? RATIO_DIGITS)
  const unit = isRatio ? 'x' : ''
  const limit = target.atLeast ?? target.atMost ?? NaN
  return [
    scenario,
    `${target.contestant}, ${metric?.label ?? target.metric}${isRatio ? ` against ${reference}` : ''}`,
    `${target.atLeast === undefined ? '<=' : '>='} ${formatNumber(limit, digits)}${unit}`,
    `${formatNumber(target.measured, digits)}${unit}`,
    target.met ? 'met' : 'NOT MET',
  ]
}

/** The first column to the left, the others to the right. */
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Everything that was measured, by name. */
export function toJson(
  machine: Machine,
  options: { readonly rounds: number; readonly scale: string },
  outcomes: readonly ScenarioOutcome[],
): string {
  const scenarios = outcomes.map(({ scenario, contestants, targets }) => ({
    name: scenario.name,
    title: scenario.title,
    notes: scenario.notes,
    reference: scenario.reference,
    params: scenario.params,
    contestants: contestants.map(({ contestant, metrics }) => ({
      name: contestant.name,
      label: contestant.label,
      metrics: metrics.map(({ metric, value, ratio }) => ({
        name: metric.name,
        unit: metric.label,
        value,
        ratio,
      })),
    })),
    targets,
  }))
  return `${JSON.stringify({ machine, options, scenarios }, undefined, 2)}\n`
}
