// Draws the plots that the scenarios define from the results.

import type { Machine } from '../harness/machine.js'
import type { ContestantOutcome, ScenarioOutcome } from '../harness/rounds.js'
import type { Plot } from '../harness/scenario.js'
import type { Summary } from '../harness/statistics.js'
import { dotPlot } from './dot-plot.js'
import { linePlot, type Line, type Point } from './line-plot.js'
import type { Words } from './style.js'

export interface Drawn {
  readonly file: string
  readonly svg: string
}

/** @param processors where the processes ran, in words */
export function drawPlots(
  machine: Machine,
  processors: string,
  outcomes: readonly ScenarioOutcome[],
): Drawn[] {
  const { cpu, cores, kernel, node, date, load } = machine
  const machineLine = `${date.slice(0, 10)} · ${cpu}, ${cores} cores · ${kernel} · Node ${node} · sentinel-ipc, npm run bench`
  return outcomes.flatMap(({ scenario, contestants }) =>
    (scenario.plots ?? []).flatMap((plot) => {
      const { file, title, subtitle } = plot
      const where = scenario.apart === true ? processors : 'Processes run where the scheduler puts them.'
      const footers = [machineLine, `load ${load.toFixed(2)} before · ${where}`]
      const svg = draw(plot, { title, subtitle, footers }, contestants)
      return svg === undefined ? [] : [{ file: `${file}.svg`, svg }]
    }),
  )
}

/** Undefined where nothing of it was measured. */
function draw(plot: Plot, words: Words, contestants: readonly ContestantOutcome[]): string | undefined {
  switch (plot.kind) {
    case 'dots': {
      const rows = Object.entries(plot.shown).flatMap(([name, label]) =>
        contestants
          .filter(({ contestant }) => contestant.name === name)
          .map((outcome) => ({ name, label, ...spreadOf(summaryOf(outcome, plot.metric)) })),
      )
      return rows.length === 0 ? undefined : dotPlot(words, plot.unit, plot.log, rows)
    }
    case 'lines': {
      const lines = Object.entries(plot.shown).map(([name, label]) => ({
        name,
        label,
        points: contestants.flatMap((outcome): Point[] => {
          const { line } = outcome.contestant
          if (line?.name !== name) return []
          return [{ at: line.at, ...spreadOf(summaryOf(outcome, plot.metric)) }]
        }),
      }))
      return drawLines(words, plot, lines)
    }
    case 'percentiles': {
      const axes = {
        unit: plot.unit,
        over: 'percentile',
        ticks: plot.metrics.map(([share]) => [tail(share), `${Number((share * 100).toFixed(3))} %`] as const),
      }
      const lines = Object.entries(plot.shown).flatMap(([name, label]): Line[] =>
        contestants
          .filter(({ contestant }) => contestant.name === name)
          .map((outcome) => ({
            name,
            label,
            points: plot.metrics.map(([share, metric]) => {
              const { median } = summaryOf(outcome, metric)
              // With this many lines, the spreads would cover them.
              return { at: tail(share), median, min: median, max: median }
            }),
          })),
      )
      return drawLines(words, axes, lines)
    }
  }
}

function drawLines(
  words: Words,
  axes: Parameters<typeof linePlot>[1],
  lines: readonly Line[],
): string | undefined {
  const measured = lines.filter(({ points }) => points.length > 0)
  return measured.length === 0 ? undefined : linePlot(words, axes, measured)
}

/** One in how many is beyond this share: what an axis of percentiles is even over. */
function tail(share: number): number {
  return 1 / (1 - share)
}

function summaryOf({ contestant, metrics }: ContestantOutcome, name: string): Summary {
  const outcome = metrics.find(({ metric }) => metric.name === name)
  if (outcome === undefined) throw new Error(`a plot names ${contestant.name}, ${name}: no such figure`)
  return outcome.value
}

function spreadOf({ median, min, max }: Summary): Pick<Point, 'median' | 'min' | 'max'> {
  return { median, min, max }
}
