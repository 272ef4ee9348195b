// How all plots look: a light ground, colours that people with colour-blindness tell apart (Okabe and Ito), a shape of
// its own for each contestant besides, and the words around a plot.

import { element, text } from './svg.js'

export const WIDTH = 840
export const INK = '#1f2328'
export const FAINT_INK = '#656d76'
export const GRID = '#e4e7eb'
export const FONT_SIZE = 13

const TITLE_Y = 30
const SUBTITLE_Y = 51
/** Where a plot may begin below its title. */
export const PLOT_TOP = 76
/** What it must leave free below for the machine and the date. */
export const FOOTER_HEIGHT = 30

export interface Look {
  readonly colour: string
  readonly shape: 'circle' | 'square' | 'diamond' | 'triangle'
  readonly dash: string
  readonly bold: boolean
}

/** By the beginning of a contestant's name; the first that fits. */
const LOOKS: readonly (readonly [prefix: string, look: Look])[] = [
  ['ours-text', { colour: '#003f73', shape: 'circle', dash: 'none', bold: true }],
  ['ours-untouched', { colour: '#003f73', shape: 'circle', dash: 'none', bold: true }],
  ['ours-busy', { colour: '#003f73', shape: 'circle', dash: 'none', bold: true }],
  ['plain', { colour: '#003f73', shape: 'circle', dash: 'none', bold: false }],
  ['acknowledged', { colour: '#0072b2', shape: 'circle', dash: 'none', bold: false }],
  ['spooled', { colour: '#3f8fc4', shape: 'circle', dash: 'none', bold: false }],
  ['ours', { colour: '#0072b2', shape: 'circle', dash: 'none', bold: true }],
  ['net', { colour: '#d55e00', shape: 'square', dash: 'none', bold: false }],
  ['split2', { colour: '#b5651d', shape: 'square', dash: 'none', bold: false }],
  ['zeromq', { colour: '#008a65', shape: 'triangle', dash: 'none', bold: false }],
  ['go', { colour: '#b8578e', shape: 'diamond', dash: 'none', bold: false }],
  ['c-polling', { colour: '#57606a', shape: 'square', dash: '2 4', bold: false }],
  ['c-', { colour: '#57606a', shape: 'diamond', dash: '6 4', bold: false }],
]
const OTHERS: Look = { colour: '#9a7500', shape: 'diamond', dash: 'none', bold: false }

export function lookOf(name: string): Look {
  return LOOKS.find(([prefix]) => name.startsWith(prefix))?.[1] ?? OTHERS
}

export function marker(x: number, y: number, { shape, colour }: Look, size = 4.5): string {
  const paint = { fill: colour, stroke: '#ffffff', 'stroke-width': 1 }
  switch (shape) {
    case 'circle':
      return element('circle', { cx: x, cy: y, r: size, ...paint })
    case 'square':
      return element('rect', { x: x - size, y: y - size, width: 2 * size, height: 2 * size, ...paint })
    case 'diamond':
      return polygon([x, y - size * 1.3, x + size * 1.3, y, x, y + size * 1.3, x - size * 1.3, y], paint)
    case 'triangle':
      return polygon([x, y - size * 1.2, x + size * 1.2, y + size, x - size * 1.2, y + size], paint)
  }
}

function polygon(points: readonly number[], paint: Readonly<Record<string, string | number>>): string {
  return element('polygon', { points: points.map((value) => value.toFixed(2)).join(' '), ...paint })
}

export interface Words {
  readonly title: string
  readonly subtitle: string
  /** Small print, a line each, the last one at the bottom. */
  readonly footers: readonly string[]
}

/** A whole file around what was drawn. */
export function page(height: number, { title, subtitle, footers }: Words, drawn: readonly string[]): string {
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${WIDTH} ${height}`,
    width: WIDTH,
    height,
    role: 'img',
    'aria-label': title,
    'font-family': "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    'font-size': FONT_SIZE,
    fill: INK,
  }
  return `${element(
    'svg',
    frame,
    element('rect', { width: WIDTH, height, fill: '#ffffff' }),
    text(24, TITLE_Y, title, { 'font-size': 18, 'font-weight': 600 }),
    text(24, SUBTITLE_Y, subtitle, { fill: FAINT_INK, 'font-size': 12 }),
    ...drawn,
    ...footers.map((line, i) =>
      text(24, height - 12 - (footers.length - 1 - i) * 14, line, { fill: FAINT_INK, 'font-size': 11 }),
    ),
  )}\n`
}
