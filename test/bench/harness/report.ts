// Turns the results into a table for people and JSON for programs.

import type { Machine } from './machine.js'
import { referenceOf, type MetricOutcome, type ScenarioOutcome, type TargetOutcome } from './rounds.js'
import type { Metric } from './scenario.js'
import type { Summary } from './statistics.js'

const RATIO_DIGITS = 2

/** The settings of the run that a reader must know. */
export interface ReportOptions {
  readonly rounds: number
  readonly scale: string
  /** What was done so that all contestants find the same processors, in words. */
  readonly processors: string
  /** Load average at the end; undefined while the run goes on. */
  readonly loadAfter?: number
}

export function formatReport(
  machine: Machine,
  options: ReportOptions,
  outcomes: readonly ScenarioOutcome[],
): string {
  return [
    `sentinel-ipc benchmarks, ${machine.date}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB.toFixed(1)} GiB, ${machine.kernel}, Node ${machine.node}, ` +
      `load ${machine.load.toFixed(2)} before${options.loadAfter === undefined ? '' : `, ${options.loadAfter.toFixed(2)} after`}`,
    `${options.rounds} rounds, contestants in turns, ${options.scale} length. Medians with (smallest..largest);`,
    'x is the median of the ratios to the reference of the same round. Read ratios, not absolutes.',
    options.processors,
    ...outcomes.flatMap((outcome) => ['', ...formatScenario(outcome)]),
    '',
    ...formatTargets(outcomes),
    ...formatFailures(outcomes),
    '',
  ].join('\n')
}

function formatFailures(outcomes: readonly ScenarioOutcome[]): string[] {
  const rows = outcomes.flatMap(({ scenario, failures }) =>
    failures.map(({ contestant, round, reason }) => [scenario.name, `${contestant}, round ${round}`, reason]),
  )
  return rows.length === 0
    ? []
    : ['', '== Failed: these figures are missing', ...rows.map((row) => row.join('  '))]
}

function formatScenario({ scenario, contestants, leftOut, failures }: ScenarioOutcome): string[] {
  const compares = contestants.some(({ contestant }) => referenceOf(scenario, contestant) !== undefined)
  const rows = contestants.map(({ contestant, metrics }) => {
    const isReference = contestant.name === referenceOf(scenario, contestant)
    const cells = metrics.flatMap((outcome) => metricCells(outcome, isReference, compares))
    return [`${contestant.name}: ${contestant.label}`, ...cells]
  })
  const heading = [
    'contestant',
    ...scenario.metrics.flatMap(({ label }) => (compares ? [label, 'x'] : [label])),
  ]
  return [
    `== ${scenario.name}: ${scenario.title}`,
    ...scenario.notes.map((note) => `   ${note}`),
    ...alignColumns([heading, ...rows]),
    ...leftOut.map(({ contestant, reason }) => `   left out: ${contestant.name} (${reason})`),
    ...failures.map(
      ({ contestant, round, reason }) => `   failed: ${contestant}, round ${round} (${reason})`,
    ),
  ]
}

function metricCells(
  { metric, value, ratio }: MetricOutcome,
  isReference: boolean,
  compares: boolean,
): string[] {
  const cell = formatSummary(value, metric.digits)
  if (!compares) return [cell]
  if (isReference) return [cell, 'reference']
  return [cell, ratio === undefined ? '' : formatSummary(ratio, RATIO_DIGITS)]
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
    targets.map((target) => targetRow(scenario.name, scenario.metrics, target)),
  )
  return ['== Targets', ...alignColumns([['path', 'figure', 'target', 'measured', ''], ...rows])]
}

function targetRow(scenario: string, metrics: readonly Metric[], target: TargetOutcome): string[] {
  const metric = metrics.find(({ name }) => name === target.metric)
  const isRatio = target.of === 'ratio'
  const digits = isRatio ? RATIO_DIGITS : (metric?.digits ?? RATIO_DIGITS)
  const unit = isRatio ? ` x ${target.against ?? ''}` : ''
  const limit = target.atLeast ?? target.atMost ?? NaN
  return [
    target.path,
    `${scenario}: ${target.contestant}, ${metric?.label ?? target.metric}`,
    `${target.atLeast === undefined ? '<=' : '>='} ${formatNumber(limit, digits)}${unit}`,
    target.measured === undefined ? 'not measured' : formatSummary(target.measured, digits),
    target.met === undefined ? '' : target.met ? 'met' : 'MISSED',
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
  options: ReportOptions,
  outcomes: readonly ScenarioOutcome[],
): string {
  const scenarios = outcomes.map(({ scenario, contestants, leftOut, failures, targets }) => ({
    name: scenario.name,
    title: scenario.title,
    notes: scenario.notes,
    reference: scenario.reference,
    params: scenario.params,
    contestants: contestants.map(({ contestant, metrics }) => ({
      name: contestant.name,
      label: contestant.label,
      line: contestant.line,
      metrics: metrics.map(({ metric, value, ratio }) => ({
        name: metric.name,
        unit: metric.label,
        value,
        ratio,
      })),
    })),
    leftOut: leftOut.map(({ contestant, reason }) => ({ name: contestant.name, reason })),
    failures,
    targets,
  }))
  return `${JSON.stringify({ machine, options, scenarios }, undefined, 2)}\n`
}
