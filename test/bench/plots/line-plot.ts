// Lines over a quantity, with the spread at each point, and the name of each line at its end.

import {
  FAINT_INK,
  FOOTER_HEIGHT,
  GRID,
  INK,
  lookOf,
  marker,
  page,
  PLOT_TOP,
  WIDTH,
  type Words,
} from './style.js'
import { formatValue, logScale, type Scale } from './scale.js'
import { element, line, text, widthOf } from './svg.js'

export interface Point {
  readonly at: number
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Line {
  readonly name: string
  readonly label: string
  readonly points: readonly Point[]
}

export interface Axes {
  readonly unit: string
  readonly over: string
  readonly ticks: readonly (readonly [at: number, word: string])[]
}

const LEFT = 76
const BOTTOM = PLOT_TOP + 340
const LABEL_GAP = 17
const LABEL_FONT = 13

export function linePlot(words: Words, axes: Axes, lines: readonly Line[]): string {
  const right = WIDTH - 40 - Math.max(...lines.map(({ label }) => widthOf(label, LABEL_FONT)))
  const points = lines.flatMap((drawn) => drawn.points)
  const x = logScale(
    axes.ticks.map(([at]) => at),
    LEFT,
    right,
  )
  const y = logScale(
    points.flatMap(({ min, max }) => [min, max]),
    BOTTOM,
    PLOT_TOP,
  )
  return page(BOTTOM + 48 + FOOTER_HEIGHT, words, [
    ...drawAxes(axes, x, y, right),
    ...lines.flatMap((drawn) => drawLine(drawn, x, y)),
    ...drawLabels(lines, y, right),
  ])
}

function drawAxes({ unit, over, ticks }: Axes, x: Scale, y: Scale, right: number): string[] {
  const small = { fill: FAINT_INK, 'font-size': 12 }
  const middle = (PLOT_TOP + BOTTOM) / 2
  return [
    ...y.ticks.flatMap((tick) => {
      const at = y.position(tick)
      return [
        line(LEFT, at, right, at, { stroke: GRID }),
        text(LEFT - 8, at + 4, formatValue(tick), { 'text-anchor': 'end', ...small }),
      ]
    }),
    ...ticks.flatMap(([value, word]) => {
      const at = x.position(value)
      return [
        line(at, PLOT_TOP, at, BOTTOM, { stroke: GRID }),
        text(at, BOTTOM + 20, word, { 'text-anchor': 'middle', ...small }),
      ]
    }),
    line(LEFT, BOTTOM, right, BOTTOM, { stroke: INK }),
    text((LEFT + right) / 2, BOTTOM + 42, over, { 'text-anchor': 'middle', ...small }),
    text(0, 0, unit, { 'text-anchor': 'middle', transform: `translate(26 ${middle}) rotate(-90)`, ...small }),
  ]
}

function drawLine({ name, points }: Line, x: Scale, y: Scale): string[] {
  const look = lookOf(name)
  const path = points.map(({ at, median }, i) => {
    const place = `${x.position(at).toFixed(2)} ${y.position(median).toFixed(2)}`
    return `${i === 0 ? 'M' : 'L'}${place}`
  })
  return [
    ...points.map(({ at, min, max }) =>
      line(x.position(at), y.position(min), x.position(at), y.position(max), {
        stroke: look.colour,
        'stroke-width': 5,
        'stroke-linecap': 'round',
        opacity: 0.22,
      }),
    ),
    element('path', {
      d: path.join(''),
      fill: 'none',
      stroke: look.colour,
      'stroke-width': look.bold ? 2.6 : 1.8,
      'stroke-dasharray': look.dash,
    }),
    ...points.map(({ at, median }) => marker(x.position(at), y.position(median), look)),
  ]
}

/** At the ends of the lines, moved apart where they would cover each other. */
function drawLabels(lines: readonly Line[], y: Scale, right: number): string[] {
  const ends = lines
    .map(({ name, label, points }) => ({ name, label, end: y.position(points.at(-1)?.median ?? NaN) }))
    .sort((a, b) => a.end - b.end)
  const places: number[] = []
  for (const { end } of ends) places.push(Math.max(end, (places.at(-1) ?? -Infinity) + LABEL_GAP))
  // What was pushed out at the bottom pushes the others up again.
  let limit = BOTTOM
  for (let i = places.length - 1; i >= 0; --i) {
    places[i] = Math.min(places[i] as number, limit)
    limit = (places[i] as number) - LABEL_GAP
  }
  return ends.map(({ name, label }, i) => {
    const { colour, bold } = lookOf(name)
    const weight = bold ? { 'font-weight': 600 } : {}
    return text(right + 12, (places[i] as number) + 4, label, { fill: colour, ...weight })
  })
}
