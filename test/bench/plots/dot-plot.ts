// A row for each contestant: its name, a dot at its median, a bar from its smallest to its largest round, its figure.

import { FAINT_INK, FOOTER_HEIGHT, GRID, lookOf, marker, page, PLOT_TOP, WIDTH, type Words } from './style.js'
import { formatValue, linearScale, logScale } from './scale.js'
import { line, text, widthOf } from './svg.js'

export interface Row {
  readonly name: string
  readonly label: string
  readonly median: number
  readonly min: number
  readonly max: number
}

const ROW_HEIGHT = 28
const RIGHT = WIDTH - 90
const LABEL_FONT = 13

export function dotPlot(words: Words, unit: string, log: boolean, rows: readonly Row[]): string {
  const left = 40 + Math.max(...rows.map(({ label }) => widthOf(label, LABEL_FONT)))
  const bottom = PLOT_TOP + rows.length * ROW_HEIGHT
  const values = rows.flatMap(({ min, max }) => [min, max])
  const scale = log ? logScale(values, left, RIGHT) : linearScale(values, left, RIGHT)
  const drawn = scale.ticks.flatMap((tick) => {
    const x = scale.position(tick)
    return [
      line(x, PLOT_TOP, x, bottom, { stroke: GRID }),
      text(x, bottom + 18, formatValue(tick), { 'text-anchor': 'middle', fill: FAINT_INK, 'font-size': 12 }),
    ]
  })
  drawn.push(text(RIGHT, bottom + 36, unit, { 'text-anchor': 'end', fill: FAINT_INK, 'font-size': 12 }))
  rows.forEach((row, i) => {
    const y = PLOT_TOP + (i + 0.5) * ROW_HEIGHT
    const look = lookOf(row.name)
    const weight = look.bold ? { 'font-weight': 600 } : {}
    drawn.push(
      text(left - 14, y + 4, row.label, { 'text-anchor': 'end', ...weight }),
      line(left, y, RIGHT, y, { stroke: GRID, 'stroke-dasharray': '1 3' }),
      line(scale.position(row.min), y, scale.position(row.max), y, {
        stroke: look.colour,
        'stroke-width': 5,
        'stroke-linecap': 'round',
        opacity: 0.3,
      }),
      marker(scale.position(row.median), y, look, 5.5),
      text(RIGHT + 14, y + 4, formatValue(row.median), { ...weight }),
    )
  })
  return page(bottom + 44 + FOOTER_HEIGHT, words, drawn)
}
