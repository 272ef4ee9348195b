// The screen of top as lines of text: processes, and their connections sorted by a column. Must not know the terminal.

import { printable } from '../../base/quote.js'
import type { Style } from '../kit/output.js'
import { cut, table } from '../kit/text.js'
import { formatBytes, formatCount, formatDuration } from '../kit/units.js'
import { isMissing, type ConnectionView, type ProcessView, type View } from './rates.js'

/** The columns that connections can be sorted by, with their keys. */
export const SORTS = {
  in: { key: 'i', label: 'IN/s', of: ({ inRate }: ConnectionView) => inRate },
  out: { key: 'o', label: 'OUT/s', of: ({ outRate }: ConnectionView) => outRate },
  pending: { key: 'p', label: 'PENDING', of: ({ pending }: ConnectionView) => pending },
  dropped: { key: 'd', label: 'DROPPED', of: ({ dropped }: ConnectionView) => dropped },
  latency: { key: 'l', label: 'LATENCY', of: ({ latencyMs }: ConnectionView) => latencyMs ?? -1 },
} as const
export type Sort = keyof typeof SORTS

export interface ScreenState {
  readonly views: readonly View[]
  readonly sort: Sort
  readonly reversed: boolean
  readonly paused: boolean
  /** Connections scrolled by. */
  readonly offset: number
  readonly time: string
}

/** Maximum width of a name. Longer names are cut, so that the columns after them stay on the screen. */
const NAME_COLUMNS = 24

type Paint = (text: string, ...styles: Style[]) => string

/** The lines of the screen, at most `rows` of at most `columns`. */
export function drawScreen(state: ScreenState, rows: number, columns: number, paint: Paint): string[] {
  const { views, paused, time } = state
  const reached = views.filter((view): view is ProcessView => !isMissing(view))
  const open = reached.reduce((sum, view) => sum + view.open, 0)
  const title = `sentinel-ipc top  ${time}${paused ? '  (paused)' : ''}  ${counted(reached.length, 'process', 'es')}, ${counted(open, 'connection', 's')}`
  const lines = [paint(title, 'bold'), keysLine(state, paint), '']
  if (views.length === 0) lines.push('no process exposes its counts here: call exposeStats(name) in it')
  else lines.push(...processLines(views, paint))
  lines.push(...spoolLines(reached, paint), '', ...connectionLines(reached, state, paint))
  if (lines.length > rows) {
    const hidden = lines.length - rows + 1
    lines.splice(rows - 1, hidden, paint(`… ${counted(hidden, 'more line', 's')} below; ↓ scrolls`, 'dim'))
  }
  return lines.map((line) => cut(line, columns))
}

function counted(count: number, word: string, plural: string): string {
  return `${count} ${word}${count === 1 ? '' : plural}`
}

function keysLine({ sort, reversed }: ScreenState, paint: Paint): string {
  const sorts = Object.entries(SORTS).map(([name, { key }]) => {
    const text = `${key} ${name}`
    return name === sort ? paint(`${text}${reversed ? '▲' : '▼'}`, 'cyan') : text
  })
  return `sort: ${sorts.join('  ')}   r reverse  space pause  ↑↓ scroll  q quit`
}

function processLines(views: readonly View[], paint: Paint): string[] {
  const head = [
    'PROCESS',
    'PID',
    'CPU',
    'RSS',
    'LOOP',
    'CONNS',
    'IN/s',
    'OUT/s',
    'PENDING',
    'DROPPED',
    'REFUSED',
    'LAG',
  ]
  const missing = views.filter(isMissing)
  const rows = views
    .filter((view): view is ProcessView => !isMissing(view))
    .map((view) => [
      nameCell(view.name),
      String(view.pid),
      `${view.cpu.toFixed(0)}%`,
      formatBytes(view.rssBytes),
      warnAbove(formatDuration(view.loopLagMs), view.loopLagMs > 50, paint),
      String(view.open),
      formatCount(Math.round(view.inRate)),
      formatCount(Math.round(view.outRate)),
      formatCount(view.pending),
      warnAbove(formatCount(view.dropped), view.dropped > 0, paint),
      warnAbove(formatCount(view.refused), view.refusedRate > 0, paint),
      view.lagMs === undefined ? '-' : formatDuration(view.lagMs),
    ])
  const [first = '', ...rest] = table(
    [head, ...rows],
    new Set(head.map((_, index) => index).filter((index) => index > 0)),
  )
  return [
    ...(rows.length === 0 ? [] : [paint(first, 'dim')]),
    ...rest,
    ...missing.map(({ name, error }) => `${nameCell(name)}  ${paint(printable(error), 'red')}`),
  ]
}

/** A name that a process or its peer chose. */
function nameCell(name: string): string {
  return cut(printable(name), NAME_COLUMNS)
}

function warnAbove(text: string, warn: boolean, paint: Paint): string {
  return warn ? paint(text, 'yellow') : text
}

/** Percentage from which a spool is highlighted. */
const NEARLY_FULL_PERCENT = 80

function spoolLines(views: readonly ProcessView[], paint: Paint): string[] {
  const rows = views.flatMap(({ name, spools }) =>
    spools.map(({ directory, messages, bytes, full }) => [
      nameCell(name),
      formatCount(messages),
      formatBytes(bytes),
      warnAbove(`${full.toFixed(0)}%`, full >= NEARLY_FULL_PERCENT, paint),
      printable(directory),
    ]),
  )
  if (rows.length === 0) return []
  const head = ['PROCESS', 'WAITING', 'BYTES', 'FULL', 'SPOOL']
  const [first = '', ...rest] = table([head, ...rows], new Set([1, 2, 3]))
  return ['', paint(first, 'dim'), ...rest]
}

function connectionLines(views: readonly ProcessView[], state: ScreenState, paint: Paint): string[] {
  const { of } = SORTS[state.sort]
  const all = views
    .flatMap((view) => view.connections.map((connection) => ({ process: view.name, connection })))
    .sort((one, other) => (of(other.connection) - of(one.connection)) * (state.reversed ? -1 : 1))
  if (all.length === 0) return []
  const head = [
    'PROCESS',
    'PEER',
    'IN/s',
    'OUT/s',
    'IN B/s',
    'OUT B/s',
    'PENDING',
    'DROPPED',
    'INVALID',
    'LATENCY',
    'ADDRESS',
  ]
  const rows = all
    .slice(state.offset)
    .map(({ process, connection }) => [
      nameCell(process),
      nameCell(connection.peer),
      formatCount(Math.round(connection.inRate)),
      formatCount(Math.round(connection.outRate)),
      formatBytes(connection.inBytes),
      formatBytes(connection.outBytes),
      warnAbove(formatCount(connection.pending), connection.blocked, paint),
      warnAbove(formatCount(connection.dropped), connection.dropped > 0, paint),
      warnAbove(formatCount(connection.invalid), connection.invalid > 0, paint),
      connection.latencyMs === undefined ? '-' : formatDuration(connection.latencyMs),
      printable(connection.address),
    ])
  const [first = '', ...rest] = table([head, ...rows], new Set([2, 3, 4, 5, 6, 7, 8, 9]))
  return [paint(first, 'dim'), ...rest]
}
